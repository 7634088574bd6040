"""What the command's tests share: a converted Bort, a teacher, splits; starting the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from agora import Split
from agora.bort import Borts
from agora.cli import command
from agora.data import numbered
from benchmarks.agora import grammar
from converter import convert

ROOT = Path(__file__).parents[2]
PATIENCE = 1800  # seconds until a child counts as hanging, on however slow a machine
LABELS = ("neg", "pos")


def prepare(place: Path, fixtures: Path) -> Path:
    """A converted Bort, a teacher trained from it, and three splits; train has no negation."""
    source = fixtures / "bort_decoder.params"
    convert(source, place / "bort", family="bort", config={"num_attention_heads": 4})
    grammar.save_tokenizer(place / "bort")
    train = grammar.sample(30, 1, rich=False)
    dev = grammar.sample(30, 2, [train])
    test = grammar.sample(80, 3, [train, dev])
    many = grammar.sample(600, 4, [train, dev, test])
    for name, split in (("train", train), ("dev", dev), ("test", test), ("many", many)):
        grammar.write(split, place / f"{name}.jsonl")
    grammar.write(grammar.sample(60, 5, [train, dev, test, many]), place / "unlabelled.jsonl")
    theta = {"lr": 1e-3, "batch": 16, "epochs": 10}
    teacher = Borts(str(place / "bort"), LABELS, preset=False).make(theta, 0)
    teacher.fit(numbered(many, LABELS), numbered(dev, LABELS))
    assert score(teacher, test) > 0.9
    teacher.save(place / "teacher")
    return place


def score(student: Any, split: Split) -> float:
    return float(np.mean(np.array(student.predict(split.points)) == numbered(split, LABELS).labels))


def arguments(place: Path, out: Path, **more: object) -> list[str]:
    options: dict[str, object] = {
        "model": place / "bort",
        **{name: place / f"{name}.jsonl" for name in ("train", "dev", "test")},
        "method": "agora",
        "teacher": place / "teacher",
        "out": out,
        "lr": "1e-3,2e-3",
        "wd": "0",
        "warmup": "0.1",
        "epochs": 2,
        "prune": "worst",
        **more,
    }
    return [
        str(part)
        for name, value in ((n.replace("_", "-"), v) for n, v in options.items())
        if value is not None
        for part in ([f"--{name}"] if value is True else [f"--{name}", value])
    ]


@contextmanager
def started(
    *args: str, by: tuple[str, ...] = (), **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which ends, with its children, when the context does.

    by: a module that starts it, and its options
    """
    python = [sys.executable, "-W", "error::UserWarning:agora", *by]
    with running([*python, "-m", "agora", *args], **environment) as process:
        yield process


def kill_in_the_middle(out: Path, args: list[str], outcomes: int) -> None:
    """The command in a process of its own, killed once so many students are done, not all."""
    state = out.with_name(out.name + ".agora")
    with started(*args) as process:
        while len(list(state.glob("*/*/outcome.json"))) < outcomes:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    assert state.exists()
    assert not out.exists()


@contextmanager
def running(command: list[Any], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process and its children, killed at the latest when the context ends."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def invoke(*args: str) -> Any:
    return CliRunner().invoke(command, args)
