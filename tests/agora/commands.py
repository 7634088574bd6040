"""What the command's tests share: a converted Bort, a teacher, splits; starting the command."""

from __future__ import annotations

import os
import subprocess
import sys
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
    theta = {"lr": 1e-3, "batch": 16, "epochs": 10}
    teacher = Borts(str(place / "bort"), LABELS, preset=False).make(theta, 0, None)
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
        "teacher": place / "teacher",
        "out": out,
        "lr": "1e-3,2e-3",
        "wd": "0",
        "warmup": "0.1,0.2",
        "epochs": 4,
        **more,
    }
    return [
        str(part)
        for name, value in ((n.replace("_", "-"), v) for n, v in options.items())
        if value is not None
        for part in ([f"--{name}"] if value is True else [f"--{name}", value])
    ]


def start(*args: str, by: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own; `by`: a module that starts it, and its options."""
    python = [sys.executable, "-W", "error::UserWarning:agora", *by]
    return subprocess.Popen(
        [*python, "-m", "agora", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def invoke(*args: str) -> Any:
    return CliRunner().invoke(command, args)
