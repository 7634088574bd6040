"""Fuzz every target with atheris, each for its share of the time, as many at once as cores.

    python -m fuzz.run [--seconds 600] [--keep] [TARGET ...]

A finding stops it with exit code 1, after printing the input's file (in build/fuzz). Begins with
`fuzz/corpus/` and the targets' seeds; `--keep` afterwards writes the smallest set of inputs that
reaches the same code back into `fuzz/corpus/`. Needs its own environment: `make fuzz`.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORPUS, WORK = ROOT / "fuzz" / "corpus", ROOT / "build" / "fuzz"
SHARES = {"reader": 5, "table": 2, "counts": 2, "symbol": 2, "symbol_params": 3} | dict.fromkeys(
    ("told", "vocabulary", "yml", "bits", "names", "golden"), 1
)
LIMITS = [
    "-rss_limit_mb=1024",
    "-malloc_limit_mb=256",
    "-timeout=10",  # seconds for one input
    "-print_final_stats=1",
    "-len_control=0",
]
KEPT_BYTES = 15_000  # of one target's corpus


def fuzz(target: str, arguments: list[str]) -> None:
    """In a process of its own: libFuzzer on one target. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["converter", "tomllib", "zipfile", "json", "yaml"]):
        from fuzz.mutators import FORMATS, mutator
        from fuzz.targets import TARGETS, seeds
    folder = WORK / target / "seeds"
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(target)):
        (folder / f"seed{number}").write_bytes(data)
    again = WORK / target / "again"  # libFuzzer's merge starts its program anew, by argv[0]
    again.write_text(
        f"#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {shlex.quote(sys.executable)} "
        f'-W ignore -m fuzz.run --child {target} "$@"\n'
    )
    again.chmod(0o755)
    own = {}
    if target in FORMATS:  # atheris.Mutate is another function once Fuzz is called

        def mutate(data: bytes, most: int) -> bytes:
            return bytes(atheris.Mutate(data, most))

        own = {"custom_mutator": mutator(target, mutate)}
    atheris.Setup([str(again), *arguments], TARGETS[target], **own)
    atheris.Fuzz()


def run(target: str, *arguments: str) -> tuple[int, int]:
    """Exit code of libFuzzer on a target, and how many inputs it tried."""
    command = [sys.executable, "-W", "ignore", "-m", "fuzz.run", "--child", target, *arguments]
    log = WORK / target / "log"
    memory = Path("/dev/shm")  # where the system has it: files that touch no disk
    with (
        log.open("w+", encoding="utf-8", errors="replace") as file,
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
    ):
        code = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            stdout=file,
            stderr=file,
            check=False,
        ).returncode
        file.seek(0)
        text = file.read()
    found = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    if code:
        print(text[-4000:])
    return code, int(found[1]) if found else 0


def fuzz_for(target: str, seconds: int) -> tuple[int, int]:
    """Fuzz a target for some seconds."""
    work = WORK / target
    for name in ("seeds", "found"):
        (work / name).mkdir(parents=True, exist_ok=True)
    limits = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={work}/"]
    words = ROOT / "fuzz" / f"{target}.dict"
    if words.exists():
        limits.append(f"-dict={words}")
    kept = CORPUS / target
    kept.mkdir(parents=True, exist_ok=True)
    return run(target, *limits, *map(str, (work / "found", kept, work / "seeds")))


def keep(target: str) -> None:
    """Write the inputs that reach most, smallest first, into the corpus, up to `KEPT_BYTES`."""
    work, kept = WORK / target, CORPUS / target
    merged = work / "merged"
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir()
    code, _ = run(target, *LIMITS, "-merge=1", *map(str, (merged, kept, work / "found")))
    if code:
        sys.exit(code)
    for path in kept.iterdir():
        path.unlink()
    total = 0
    for path in sorted(merged.iterdir(), key=lambda p: (p.stat().st_size, p.name)):
        total += path.stat().st_size
        if total <= KEPT_BYTES:
            shutil.copy(path, kept)


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description="Fuzz what reads files.")
    parser.add_argument("--seconds", type=int, default=600, help="of a core, for all targets")
    parser.add_argument("--keep", action="store_true", help="renew fuzz/corpus from what was found")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SHARES))
    options = parser.parse_args()
    targets = options.targets or [*SHARES]
    shares = sum(SHARES[target] for target in targets)
    seconds = [max(1, options.seconds * SHARES[target] // shares) for target in targets]
    failed = total = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # a process each, one a core
        done = pool.map(fuzz_for, targets, seconds)
        for target, given, (code, inputs) in zip(targets, seconds, done, strict=True):
            print(f"{target:13} {inputs:>12,} inputs in {given} s{', FOUND' if code else ''}")
            failed, total = failed + bool(code), total + inputs
    print(f"{'all':13} {total:>12,} inputs")
    if options.keep and not failed:
        for target in targets:
            keep(target)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
