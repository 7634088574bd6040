"""Convert many checkpoints: `python examples/migrate_folder.py -h` shows how."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

# \b keeps click from joining the lines of a paragraph
HELP = """Convert many checkpoints, each by the command and proven; one JSON of what happened.

MANIFEST is a CSV or TOML file with `file` and `destination` of each checkpoint, relative to the
manifest; what else stands there are options of `bort-convert` by their names:

\b
    file,destination,family,config
    a.params,out/a,bort,num_attention_heads=4
    deep/b.params,out/b,,

\b
    [defaults]
    family = "bort"
    [[model]]
    file = "a.params"
    destination = "out/a"
    config = { num_attention_heads = 4 }

An option that may be repeated is a list or table in TOML, and separated by `;` in CSV. A folder in
place of MANIFEST stands for every `*.params` below it: each becomes a directory of its name,
beside it or below `--out`.

A failure is noted and the next one is tried. Started again, it goes on: a destination that exists
is done when `bort-convert verify` proves it once more, and a failure when it does not.
"""


@dataclass(frozen=True)
class Job:
    """One checkpoint, where it goes, and the options of the command for it."""

    file: Path
    destination: Path
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a job: `state` is converted, was there, or failed; `word` says it in a line.

    `report` is what the command prints with `--json`, where it printed any.
    """

    file: str
    destination: str
    state: str
    word: str
    seconds: float
    report: Mapping[str, Any] | None = None


def jobs_of(manifest: Path, out: Path | None = None) -> list[Job]:
    """The jobs of a manifest or folder. Raises `ValueError` for one that cannot be meant."""
    if manifest.is_dir():
        to = out or manifest
        found = sorted(manifest.rglob("*.params"))
        return [Job(f, to / f.relative_to(manifest).with_suffix("")) for f in found]
    if manifest.suffix == ".toml":
        content = tomllib.loads(manifest.read_text("utf-8"))
        rows = [{**content.get("defaults", {}), **row} for row in content.get("model", [])]
    else:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]
    jobs = [_job(row, number, manifest.parent) for number, row in enumerate(rows, 1)]
    targets = [job.destination for job in jobs]
    if twice := [str(t) for t in dict.fromkeys(targets) if targets.count(t) > 1]:
        raise ValueError(f"more than one row goes to {', '.join(twice)}")
    return jobs


def _job(row: Mapping[str, Any], number: int, folder: Path) -> Job:
    if missing := [key for key in ("file", "destination") if not row.get(key)]:
        raise ValueError(f"row {number}: {' and '.join(missing)} missing")
    if None in row:  # of csv: more cells than the head has
        raise ValueError(f"row {number}: has more cells than the first line")
    arguments: list[str] = []
    for key, value in row.items():
        if key not in ("file", "destination"):
            arguments += _arguments(f"--{key.replace('_', '-')}", value)
    return Job(folder / row["file"], folder / row["destination"], tuple(arguments))


def _arguments(option: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [
            f"{key}={one if isinstance(one, str) else json.dumps(one)}"
            for key, one in value.items()
        ]
    if value is True or value == "true":
        yield option
    elif value is not False and value != "false":
        parts = value if isinstance(value, list) else str(value).split(";")
        yield from (word for part in parts for word in (option, str(part).strip()))


def migrate(job: Job, threads: int = 1) -> Outcome:
    """Convert one checkpoint, or prove the one that is there, in a process of its own."""
    begun = time.monotonic()
    there = job.destination.exists()
    paths = ["--src", str(job.file), "--dst", str(job.destination), "--json"]
    command = ["verify", *paths, *_table(job)] if there else [*paths, *job.arguments]
    done = subprocess.run(
        [sys.executable, "-m", "converter", *command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={"OMP_NUM_THREADS": str(threads), **os.environ},
    )
    report = json.loads(done.stdout) if done.stdout.startswith("{") else None
    if done.returncode == 0:
        state, word = "was there" if there else "converted", _word(report)
    else:
        lines = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
        state, word = "failed", "exists already; " * there + " ".join(map(str.strip, lines))
    seconds = round(time.monotonic() - begun, 1)
    return Outcome(str(job.file), str(job.destination), state, word, seconds, report)


def _table(job: Job) -> tuple[str, ...]:
    """What the record of a conversion cannot hold: a table of one's own."""
    if "--table" not in job.arguments:
        return ()
    at = job.arguments.index("--table")
    return job.arguments[at : at + 2]


def _word(report: Mapping[str, Any] | None) -> str:
    proof = (report or {}).get("proof")
    return "proven equal" if proof else "not verified"


def run(jobs: list[Job], executor: Executor, threads: int = 1) -> Iterator[Outcome]:
    """The outcomes as they come, on any executor of `concurrent.futures`."""
    futures = [executor.submit(migrate, job, threads) for job in jobs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _executor(jobs: int, dask: str | None) -> Executor:
    if not dask:
        return ThreadPoolExecutor(jobs)  # the work is done by processes
    from distributed import Client

    executor: Executor = Client(dask).get_executor()  # type: ignore[no-untyped-call,unused-ignore]
    return executor


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where a folder's models go.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="At once.")
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="A dask scheduler, as tcp://HOST:8786, whose machines see the same files.",
)
@click.option("--report", type=click.Path(path_type=Path), help="A JSON of what happened.")
def main(
    manifest: Path, out: Path | None, jobs: int, dask: str | None, report: Path | None
) -> None:
    """Migrate all; the exit code is 1 if any failed."""
    try:
        found = jobs_of(manifest, out)
    except (OSError, ValueError, csv.Error) as error:
        raise click.ClickException(f"{manifest}: {error}") from None
    if not found:
        raise click.ClickException(f"{manifest}: no *.params file and no row in it")
    outcomes: list[Outcome] = []
    threads = max(1, (os.cpu_count() or 1) // jobs)
    try:
        with _executor(jobs, dask) as executor:
            for outcome in run(found, executor, threads):
                outcomes.append(outcome)
                name = os.path.relpath(outcome.destination)
                click.echo(f"{outcome.state:10} {name}  {outcome.word}  {outcome.seconds} s")
    finally:
        if report:
            content = json.dumps([asdict(outcome) for outcome in outcomes], indent=2)
            report.write_text(content + "\n", "utf-8")
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    click.echo(f"{len(found) - failed} of {len(found)} migrated")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
