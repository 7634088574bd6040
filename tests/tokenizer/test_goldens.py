"""Every id that real GluonNLP 0.8.3 and 0.10.0 gave, for every text; the exceptions by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converter.proof.tokens import source_ids
from converter.tokenizer.build import build
from tests.tokenizer import cases

# SentencePiece joins combining marks in the order they stand, `tokenizers` in canonical order
REORDERED = "a\u0300\u0323b"
# A control piece in a text: SentencePiece never takes it for one, the Unigram model does
CONTROL = ("<s> a </s>", "a <unk> <pad> b")
BPE = cases.model_of("kogpt2_cased")
EXCEPTIONS = {
    ("kobert_cased", "0.8.3"): {REORDERED},
    ("spiece", "0.8.3"): {REORDERED, *CONTROL},
    ("spiece", "0.10.0"): {REORDERED, *CONTROL},
    **{("kogpt2_added", version): {REORDERED, *CONTROL} for version in cases.VERSIONS},
    **{("kogpt2_cased", version): {REORDERED} for version in cases.VERSIONS},
}


@pytest.mark.parametrize("version", cases.VERSIONS)
@pytest.mark.parametrize("name", cases.CASES)
def test_the_ids_are_those_of_gluonnlp(name: str, version: str) -> None:
    made = build(cases.spec_of(name, version))
    made.encode_special_tokens = True
    golden = cases.recorded(version)["cases"][name]["ids"]
    found = [made.encode(text, add_special_tokens=False).ids for text in cases.ALL_TEXTS]
    different = {
        text
        for text, ours, theirs in zip(cases.ALL_TEXTS, found, golden, strict=True)
        if ours != theirs
    }
    assert different == EXCEPTIONS.get((name, version), set())


@pytest.mark.parametrize("version", cases.VERSIONS)
@pytest.mark.parametrize("name", cases.CASES)
def test_the_arithmetic_that_proves_is_that_of_gluonnlp(name: str, version: str) -> None:
    ids_of = source_ids(cases.spec_of(name, version))
    golden = cases.recorded(version)["cases"][name]["ids"]
    for text, ids in zip(cases.ALL_TEXTS, golden, strict=True):
        assert ids_of(text) == ids, text


@pytest.mark.parametrize("version", cases.VERSIONS)
@pytest.mark.parametrize("name", cases.CASES)
def test_the_special_ids_are_those_of_gluonnlp(name: str, version: str) -> None:
    words = {"padding": "pad", "unknown": "unk"}
    golden = cases.recorded(version)["cases"][name]["special"]
    found = cases.spec_of(name, version).ids
    for role, number in golden.items():
        field = f"{words.get(role, role)}_token_id"
        if name == "spiece" and field not in found:
            assert number >= len(cases.spec_of(name).vocabulary.tokens)  # BERTVocab added it
        else:
            assert found[field] == number


@pytest.mark.parametrize("version", cases.VERSIONS)
@pytest.mark.parametrize("name", ["kobert_cased", "spiece_uncased", "kogpt2_cased", "kogpt2_added"])
def test_the_order_of_a_sentencepiece_vocabulary_is_that_of_gluonnlp(
    name: str, version: str
) -> None:
    golden = cases.recorded(version)["cases"][name]["tokens"]
    assert [*cases.spec_of(name).vocabulary.tokens] == golden


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("bert_uncased", {"lower": False}),
        ("bert_cased", {"lower": True}),
        ("bert_cased", {"version": (0, 9)}),
        ("bert_cased", {"version": (1, 0)}),
        ("kobert_cased", {"lower": True}),
        ("kobert_cased", {"kind": "sentencepiece"}),
        ("bort", {"merges": ()}),
        ("kogpt2_cased", {"lower": True}),
        ("kogpt2_cased", {"model": replace(BPE, scores=BPE.scores[::-1])}),
        ("kogpt2_cased", {"model": replace(BPE, bpe=False)}),
    ],
)
def test_a_mistake_in_any_choice_is_seen(name: str, broken: dict[str, object]) -> None:
    made = build(replace(cases.spec_of(name), **broken))  # type: ignore[arg-type]
    made.encode_special_tokens = True
    golden = cases.recorded("0.8.3")["cases"][name]["ids"]
    found = [made.encode(text, add_special_tokens=False).ids for text in cases.ALL_TEXTS]
    assert sum(a != b for a, b in zip(found, golden, strict=True)) > 1


def test_gluonnlp_1_takes_the_word_pieces_of_the_library_as_they_are() -> None:
    spec = cases.spec_of("bert_uncased", "1.0")
    made = build(spec)
    ids_of = source_ids(spec)
    for text in cases.ALL_TEXTS:
        assert made.encode(text, add_special_tokens=False).ids == ids_of(text), text
    pieces = [made.encode("x" * length, add_special_tokens=False).ids for length in (100, 101)]
    assert len(pieces[0]) > 1
    assert pieces[1] == [spec.ids["unk_token_id"]]
