"""How figures are judged: every target can be met and missed, and ratios are of one round."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.targets import (
    ALONE,
    CP,
    FAST,
    NUMPY,
    OLD,
    OWN_IMPORTS,
    VERIFIED,
    in_short,
    targets,
    wall_ratio,
)


def runs(*walls: float, memory: float = 10) -> dict[str, list[float]]:
    return {"wall_s": [*walls], "memory_mb": [memory] * len(walls)}


def figures() -> dict[str, Any]:
    """Every target is met, in each of three rounds of different speed."""
    return {
        "bort": {
            CP: runs(0.1, 0.2, 0.3),
            NUMPY: runs(0.1, 0.2, 0.3),
            FAST: runs(0.3, 0.6, 0.9, memory=40),
            VERIFIED: runs(5, 10, 15, memory=800),
            ALONE: runs(7, 14, 21, memory=900),
            OWN_IMPORTS: runs(3, 6, 9),
            OLD: runs(8, 16, 24, memory=1800),
        },
        "growth": {
            "0.1": {"export": runs(0.3)},
            "2.0": {"export": runs(1.25)},
            "8.0": {"export": runs(4.25)},
        },
    }


PROOFS = {"small": {"gb": 0.1, "memory_mb": 600}, "large": {"gb": 11.4, "memory_mb": 900}}


def test_all_targets_can_be_met() -> None:
    judged = targets(figures(), PROOFS)
    assert len(judged) == 11
    assert all(target.met for target in judged), [str(target) for target in judged]
    assert all("| met |" in str(target) for target in judged)


def worse(where: list[str], field: str, factor: float) -> dict[str, Any]:
    changed = figures()
    part = changed
    for key in where:
        part = part[key]
    part[field] = [value * factor for value in part[field]]
    return changed


@pytest.mark.parametrize(
    ("where", "field", "factor", "missed"),
    [
        (["bort", FAST], "wall_s", 1.1, 0),
        (["bort", OLD], "wall_s", 0.2, 1),
        (["bort", FAST], "memory_mb", 2, 2),
        (["growth", "8.0", "export"], "memory_mb", 1.2, 3),
        (["growth", "8.0", "export"], "wall_s", 1.5, 4),
        (["bort", VERIFIED], "wall_s", 1.7, 5),
        (["bort", ALONE], "wall_s", 0.9, 6),
        (["bort", ALONE], "memory_mb", 0.8, 7),
        (["bort", VERIFIED], "memory_mb", 1.2, 8),
        (["bort", OWN_IMPORTS], "wall_s", 0.9, 9),
    ],
)
def test_every_target_can_be_missed(
    where: list[str], field: str, factor: float, missed: int
) -> None:
    judged = targets(worse(where, field, factor), PROOFS)
    assert not judged[missed].met
    assert "**not met**" in str(judged[missed])


def test_a_proof_that_grows_with_the_model_misses() -> None:
    judged = targets(figures(), PROOFS | {"huge": {"gb": 20.0, "memory_mb": 3000}})
    assert [target.met for target in judged] == [True] * 10 + [False]
    assert "0.1 to 20.0 GB" in str(judged[-1])


def test_ratios_are_taken_within_a_round() -> None:
    bort = {"a": runs(1, 10, 100), "b": runs(100, 10, 50)}
    assert wall_ratio(bort, lambda w: w["a"], lambda w: w["b"]) == 1


def test_short_figures_are_ratios_to_the_old_way() -> None:
    row = in_short(figures()).splitlines()[2]
    assert row == "| verified | 10.0 s | 0.62 | 800 MB | 0.44 |"
