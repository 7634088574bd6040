from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.errors import OptionError
from agora.tau_text import HOLE, Drop, Either, FromTable, OneSide, Refill, Swap, Synonym, edits
from agora.tau_vector import Ball

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6).map(" ".join)
seeds = st.integers(0, 999).map(np.random.default_rng)


@given(words, words, words)
def test_edits_is_a_distance(a: str, b: str, c: str) -> None:
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, b) == edits(b, a)
    assert edits(a, c) <= edits(a, b) + edits(b, c)


def test_edits_counts_words() -> None:
    assert edits("the film was good", "the film was not bad") == 2


@given(words, seeds)
def test_drop_leaves_out_one(text: str, rng: np.random.Generator) -> None:
    assert edits(text, Drop()(text, rng)) == (1 if len(text.split()) > 1 else 0)


@given(words, seeds)
def test_swap_keeps_the_words(text: str, rng: np.random.Generator) -> None:
    assert sorted(Swap()(text, rng).split()) == sorted(text.split())
    assert edits(text, Swap()(text, rng)) <= 2


@given(seeds)
def test_ball(rng: np.random.Generator) -> None:
    point = np.arange(3)
    uniform = Ball(0.5, "uniform")
    assert 0 < uniform.distance(point, uniform(point, rng)) <= 0.5 + 1e-12
    assert not np.array_equal(Ball(0.1)(point, rng), point)
    assert np.array_equal(point, np.arange(3))


def test_gauss_ball_has_its_radius() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([Ball(0.3)(np.zeros(4), rng) for _ in range(4000)])
    assert abs(draws.std() - 0.3) < 0.01


def test_synonym_takes_near_words() -> None:
    tau = Synonym({"good": [1, 0], "fine": [0.9, 0.1], "bad": [-1, 0]}, nearest=1)
    assert tau("a good film", np.random.default_rng(0)) == "a fine film"
    assert tau("no such word", np.random.default_rng(0)) == "no such word"


def test_refill_fills_one_hole() -> None:
    holes: list[str] = []

    def fill(text: str, rng: np.random.Generator) -> str:
        holes.append(text)
        return text.replace(HOLE, "x")

    filled = Refill(fill)("a b c", np.random.default_rng(0))
    assert edits("a b c", filled) == 1
    assert holes[0].count(HOLE) == 1


@given(seeds, st.sampled_from([None, 0, 1]))
def test_one_side_of_a_pair(rng: np.random.Generator, side: int | None) -> None:
    pair = ("a b c", "d e f")
    made = OneSide(Drop(), side)(pair, rng)
    changed = [i for i in range(2) if made[i] != pair[i]]
    assert len(changed) == 1
    assert side is None or changed == [side]
    assert OneSide(Drop()).distance(pair, made) == 1


def test_either_uses_all() -> None:
    rng = np.random.default_rng(0)
    made = {Either((Drop(), Swap()))("a b", rng) for _ in range(50)}
    assert made == {"a", "b", "b a"}


def test_from_table_gives_near_texts_of_the_table() -> None:
    table = ("a b c", "a b d", "x y z")
    tau, rng = FromTable(table, nearest=1), np.random.default_rng(0)
    assert {tau("a b c", rng) for _ in range(30)} == {"a b c", "a b d"}
    with pytest.raises(OptionError, match="empty"):
        FromTable(())("a", rng)
