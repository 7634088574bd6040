from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from agora.errors import OptionError
from agora.tau import (
    HOLE,
    Filler,
    FromPool,
    OneSide,
    Refill,
    drop,
    drop_or_swap,
    edits,
    swap,
)
from benchmarks.agora.ball import Ball

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
    assert edits(text, drop(text, rng)) == (1 if len(text.split()) > 1 else 0)


@given(words, seeds)
def test_swap_keeps_the_words(text: str, rng: np.random.Generator) -> None:
    assert sorted(swap(text, rng).split()) == sorted(text.split())
    assert edits(text, swap(text, rng)) <= 2


@given(seeds)
def test_ball(rng: np.random.Generator) -> None:
    point = np.arange(3)
    uniform = Ball(0.5, "uniform")
    assert 0 < np.linalg.norm(uniform(point, rng) - point) <= 0.5 + 1e-12
    assert not np.array_equal(Ball(0.1)(point, rng), point)
    assert np.array_equal(point, np.arange(3))


def test_gauss_ball_has_its_radius() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([Ball(0.3)(np.zeros(4), rng) for _ in range(4000)])
    assert abs(draws.std() - 0.3) < 0.01


def fill(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    assert all(text.count(HOLE) == 1 for text in texts)
    return [text.replace(HOLE, "x") for text in texts]


def test_refill_fills_one_hole() -> None:
    assert edits("a b c", Refill(fill)("a b c", np.random.default_rng(0))) == 1


@given(seeds)
def test_one_side_of_a_pair(rng: np.random.Generator) -> None:
    pair = ("a b c", "d e f")
    for tau in (drop, Refill(fill)):
        for made in (OneSide(tau)(pair, rng), *OneSide(tau).many([pair, pair], rng)):
            assert [made[i] != pair[i] for i in range(2)].count(True) == 1
            assert edits(pair, made) == 1
        assert edits("a b", OneSide(tau).many(["a b"], rng)[0]) == 1


def test_drop_or_swap_does_both() -> None:
    rng = np.random.default_rng(0)
    made = {drop_or_swap("a b", rng) for _ in range(50)}
    assert made == {"a", "b", "b a"}


def test_from_pool_gives_near_texts_of_the_pool() -> None:
    tau, rng = FromPool(("a b c", "a b d", "x y z"), nearest=2), np.random.default_rng(0)
    assert {tau("a b c", rng) for _ in range(30)} == {"a b c", "a b d"}


def mlm(place: Path, pieces: bool) -> Path:
    """A model whose head likes every token the same; half of its tokens are pieces of words."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "."]
    words += [f"##{c}" for c in "abcdefgh"] if pieces else []
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    made: Any = PreTrainedTokenizerFast
    names = {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")}
    made(tokenizer_object=tokenizer, **names).save_pretrained(place)
    config = BertConfig(
        vocab_size=len(words), hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=4, max_position_embeddings=16,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(place)
    return place


def test_no_piece_of_a_word_is_filled_in(tmp_path: Path) -> None:
    filler, rng = Filler(mlm(tmp_path, pieces=True)), np.random.default_rng(0)
    filled = filler([f"a {HOLE} b"] * 40, rng)
    assert {" ".join(text.split()) for text in filled} == {"a a b", "a b b"}
    assert filler(["a " * 30 + HOLE], rng) == ["a " * 30 + " "]  # the hole was cut off


def test_filling_many_is_filling_each(tmp_path: Path) -> None:
    """In one batch with longer texts the same word has the same chances."""
    filler = Filler(mlm(tmp_path, pieces=False))
    texts = [f"a {HOLE}", f"{HOLE} b a b", f"b b {HOLE} a a a"]
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    assert filler(texts, rng) == [filler([text], again)[0] for text in texts]


def test_filling_happens_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agora.tau.device", lambda: "meta")  # one that every machine has
    assert {w.device.type for w in Filler(mlm(tmp_path, pieces=False)).model.parameters()} == {
        "meta"
    }


def test_a_model_without_a_trained_head_fills_nothing(tmp_path: Path) -> None:
    AutoModel.from_pretrained(mlm(tmp_path, pieces=False)).save_pretrained(tmp_path)
    with pytest.raises(OptionError, match="no head of a masked language model"):
        Filler(tmp_path)
