"""Agora's gain itself, small enough for every run of the tests; and the page's arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agora import Work
from agora.grid import lcs
from agora.ledger import BACKWARD
from benchmarks.agora.compare import (
    AGORA,
    MAJORITY,
    TEACHER,
    column,
    done_when,
    in_short,
    interval,
    to_choose,
    verdict,
    with_table,
)
from benchmarks.agora.page import page
from benchmarks.agora.tasks import TASKS, Noisy, sines
from benchmarks.agora.texts import COST
from benchmarks.agora.ways import agora_way

ROOT = Path(__file__).parents[2]
RECORDED: dict[str, dict[str, Any]] = json.loads((ROOT / "benchmarks/agora.json").read_text())


def test_one_seed_of_sines_is_as_recorded() -> None:
    """Runs Agora on one seed again: the page's figures are those that this code gives."""
    found, _ = agora_way(sines(3), 3, lcs)  # at a third of the cost of worst
    recorded = RECORDED["sines"]["3"]["ways"]["Agora (lcs), as much as it takes"]
    assert (found.cost, found.runs) == (recorded["cost"], recorded["runs"])
    assert found.test == pytest.approx(recorded["test"], abs=0.02)


def test_costs_are_equal_within_one_per_cent() -> None:
    """Or, where students train whole epochs, within one of 1,240 points and 60 of dev."""
    large = ("template, Bort", "one-shot tau(dev) × 20 and grid")
    epoch = BACKWARD * (40 + 20 * 60) + 60
    for task, seeds in RECORDED.items():
        for way in next(iter(seeds.values()))["ways"]:
            share = column(seeds, way, "cost") / column(seeds, AGORA, "cost")
            if way in (TEACHER, MAJORITY):
                assert not share.any()
            elif "as much as it takes" in way:
                assert share.max() < 1, (task, way)
            else:
                most = epoch / column(seeds, AGORA, "cost") if (task, way) == large else 0.01
                assert (np.abs(share - 1) < most).all(), (task, way)


def test_costs_of_borts_add_up_to_what_was_ordered() -> None:
    """Whole epochs each: what one run leaves over, the next one gets."""
    problem = TASKS["template, Bort"](1)
    texts, train, dev = problem.students, problem.train, problem.dev
    theta, ledger, epochs = texts.part(texts.grid[0], 0.21), Work(), []
    for i in range(3):
        student = texts.make(dict(theta), i)
        work = student.fit(train, dev)
        ledger += work + Work(forwards=len(dev))
        epochs.append(work.updates / len(train))
        assert abs(ledger.cost - (i + 1) * 0.21 * COST) <= (3 * len(train) + len(dev)) / 2
    assert epochs == [6, 7, 6]  # 6.39 are paid for
    assert texts.fitted(texts.grid[0], 100, 40, 60) is None
    assert dict(texts.fitted(texts.grid[0], 1000, 40, 60) or ())["cost"] == 1000


def test_what_was_to_be_reached_on_sines() -> None:
    assert len(RECORDED["sines"]) >= 12
    gain, wins, low = done_when(RECORDED["sines"])
    assert gain > 0.02
    assert wins >= 9
    assert low > 0


def test_the_pages_are_made_of_the_figures() -> None:
    """Both as `make agora-bench` writes them; every task, and every way at equal cost."""
    assert (ROOT / "benchmarks/agora.md").read_text("utf-8") == "\n".join(page(RECORDED))
    readme = (ROOT / "benchmarks/README.md").read_text("utf-8")
    assert with_table(readme, in_short(RECORDED)) == readme
    own = (ROOT / "agora/README.md").read_text("utf-8")
    assert with_table(own, to_choose(RECORDED)) == own
    table = "\n".join(in_short(RECORDED))
    assert {*RECORDED} == {*TASKS}
    assert all(len(seeds) >= 12 for seeds in RECORDED.values())
    for name in [
        *RECORDED,
        "plain, early stopping",
        "successive halving",
        "pseudo-label and grid",
    ]:
        assert name in table
    changed = {**RECORDED, "sines": RECORDED["rings"]}
    assert with_table(readme, in_short(changed)) != readme
    assert with_table(own, to_choose(changed)) != own


def test_interval() -> None:
    gains = np.random.default_rng(1).normal(0.1, 0.2, 400)
    low, high = interval(gains)
    assert abs((low + high) / 2 - gains.mean()) < 0.002
    assert abs((high - low) / (2 * 1.96 * gains.std() / 20) - 1) < 0.1
    assert verdict(*interval(-gains)) == "**Agora worse**"
    assert verdict(-0.1, 0.1) == "no difference shown"


def test_noisy_teacher_has_its_accuracy_and_never_changes_its_mind() -> None:
    problem = sines(0, teacher=0.7)
    said = problem.teacher(problem.test.points)
    assert abs(np.mean(np.array(said) == problem.test.labels) - 0.7) < 0.03
    assert problem.teacher(problem.test.points[::-1]) == said[::-1]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.live) if n == "tweets" else n for n in sorted(TASKS)]
)
def test_task(name: str) -> None:
    """Labels of both classes; the same again for a seed; nothing shared between the splits."""
    problem, again = TASKS[name](1), TASKS[name](1)
    assert problem.test.digest() == again.test.digest() != TASKS[name](2).test.digest()
    for split in (problem.train, problem.dev, problem.test):
        assert set(split.labels) == {0, 1}
    point = problem.dev.points[0]
    near = problem.tau(point, np.random.default_rng(0))
    assert not np.array_equal(near, point)
    truth = getattr(problem.teacher, "truth", None)
    if isinstance(problem.teacher, Noisy) and truth:
        assert truth(np.stack(problem.dev.points)).astype(int).tolist() == list(problem.dev.labels)
