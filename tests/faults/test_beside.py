"""The command and the process beside it, which runs PyTorch: what they say, and how they end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.making import ROOT, arguments, command, environment, names_in, run, swapped_table
from tests.graph.recordings import networks

DEADLINE = 300  # seconds that a slow machine is given
KILLS = int(os.environ.get("KILLS", "4"))  # random moments, of either process
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the processes")
LENET = next(network for network in networks() if network.name == "lenet")


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_process_does_nothing(jobs: int, tmp_path: Path) -> None:
    done = run(*arguments("bort_backbone", tmp_path / "out", "--jobs", str(jobs)))
    assert (done.returncode, f"jobs: {jobs} processes do nothing" in done.stderr) == (2, True)


def reported(text: str) -> Any:
    """A report, without the time that it took and what the destination is called."""
    report = json.loads(text)
    for key in ("seconds", "created", "directory"):
        report.pop(key, None)
    return report


@pytest.mark.parametrize(
    "told",
    [
        arguments("bort_decoder", Path("out")),
        ["--src", str(LENET.symbol), "--dst", "out"],
    ],
    ids=["table", "graph"],
)
def test_two_processes_say_what_one_says(told: list[str], tmp_path: Path) -> None:
    reports, written = [], []
    for jobs in "12":
        folder = tmp_path / jobs
        folder.mkdir()
        done = run_in(folder, *told, "--jobs", jobs, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        reports.append(reported(done.stdout))
        files = (folder / "out").iterdir()
        written.append({f.name: f.read_bytes() for f in files if f.name != "conversion.json"})
    assert reports[0] == reports[1]
    assert written[0] == written[1]


def run_in(folder: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


def test_a_wrong_table_fails_there_too(tmp_path: Path) -> None:
    table = swapped_table(tmp_path / "swapped.toml")
    told = arguments("bort_decoder", tmp_path / "out", "--table", str(table), "--jobs", "2")
    done = run(*told)
    assert done.returncode == 3
    assert "parity  FAILED" in done.stderr + done.stdout
    assert names_in(tmp_path) == ["swapped.toml"]


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    """`multiprocessing` would import it again, and convert again."""
    told = arguments("bort_backbone", tmp_path / "out")
    script = tmp_path / "script.py"
    script.write_text(
        "import converter, sys\n"
        "print('once')\n"
        f"converter.convert({told[1]!r}, {told[3]!r}, family='bort', "
        f"config={{'num_attention_heads': {told[-1].partition('=')[2]}}})\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\nFalse\n", "")


def test_nothing_is_imported_from_where_the_command_is_run(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("open('taken', 'w').close()")
    told = arguments("bort_backbone", tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "converter", *told],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert names_in(tmp_path) == ["out", "torch.py"]


@contextmanager
def converting(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A conversion that has begun, and its other process."""
    process = subprocess.Popen(
        command(*arguments("bort_decoder", tmp_path / "out")),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, waited_for(lambda: children(process.pid))[0]
    finally:
        process.kill()
        process.communicate()


def waited_for(found: Any) -> Any:
    end = time.monotonic() + DEADLINE
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.002)
    return value


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def moments(count: int) -> list[float]:
    """Seconds after the other process begins: while it imports, and while it runs."""
    return [random.Random(count + number).uniform(0, 4) for number in range(count)]


@LINUX
@pytest.mark.parametrize("seconds", moments(KILLS))
def test_when_the_other_is_killed_nothing_is_written(seconds: float, tmp_path: Path) -> None:
    with converting(tmp_path) as (process, other):
        time.sleep(seconds)
        ended = process.poll() is not None
        if not ended and not is_gone(other):
            os.kill(other, signal.SIGKILL)
        _, said = process.communicate(timeout=DEADLINE)
        waited_for(lambda: is_gone(other))
    if process.returncode == 0:  # it was done, or needed the other no more
        assert said == ""
        assert names_in(tmp_path) == ["out"]
        return
    assert process.returncode == 1
    assert "the process that runs PyTorch beside this one was ended by SIGKILL" in said
    assert "--jobs 1" in said
    assert "Traceback" not in said
    assert names_in(tmp_path) == []


@LINUX
@pytest.mark.parametrize("seconds", moments(KILLS))
def test_when_the_command_is_killed_the_other_ends(seconds: float, tmp_path: Path) -> None:
    with converting(tmp_path) as (process, other):
        time.sleep(seconds)
        process.kill()
        process.wait()
        waited_for(lambda: is_gone(other))
    assert "out" not in names_in(tmp_path) or (tmp_path / "out" / "conversion.json").exists()
    done = run(*arguments("bort_decoder", tmp_path / "out", "--no-verify", "--force"))
    assert (done.returncode, done.stderr) == (0, "")
    assert names_in(tmp_path) == ["out"]


@LINUX
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_signal_ends_both_in_one_line(
    number: signal.Signals, code: int, seconds: float, tmp_path: Path
) -> None:
    with converting(tmp_path) as (process, other):
        time.sleep(seconds)
        process.send_signal(number)
        _, said = process.communicate(timeout=DEADLINE)
        waited_for(lambda: is_gone(other))
    if process.returncode == 0:  # a fast machine was done
        return
    assert process.returncode == code, said
    assert len(said.strip().splitlines()) <= 1
    assert {*names_in(tmp_path)} <= {".out.bort-convert"}  # which the next run removes
    assert run(*arguments("bort_decoder", tmp_path / "out", "--no-verify")).returncode == 0
    assert names_in(tmp_path) == ["out"]


@LINUX
def test_a_process_that_does_not_fit_into_memory_is_said(tmp_path: Path) -> None:
    """As where the address space is limited: torch cannot be imported, and that is an error."""
    limit = 400 * 2**20
    told = arguments("bort_decoder", tmp_path / "out")
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
    code += "import sys; from converter.cli.main import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *told],
        env=environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 1
    assert "Error: the proof needs torch" in done.stderr
    assert "cannot be imported: " in done.stderr
    assert "Traceback" not in done.stderr
    assert str(ROOT) not in done.stdout
    assert names_in(tmp_path) == []
