"""Vocabularies and merges of every layout, as GluonNLP reads them, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import ConvertError, VocabularyError
from converter.tokenizer import vocabulary
from converter.tokenizer.sentencepiece import read_sentencepiece
from converter.tokenizer.vocabulary import read_merges, read_vocabulary
from tests.tokenizer import cases


def written(folder: Path, content: Any) -> Path:
    path = folder / "some.vocab"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, "utf-8", newline="")
    return path


def vocab(tokens: list[str], **more: Any) -> dict[str, Any]:
    """GluonNLP 0.x's JSON."""
    ids = {token: number for number, token in enumerate(tokens)}
    return {"idx_to_token": tokens, "token_to_idx": ids, "unknown_token": None, **more}


def test_a_vocabulary_of_gluonnlp_0(tmp_path: Path) -> None:
    tokens = ["[UNK]", "[PAD]", "[CLS]", "a"]
    roles = {"padding_token": "[PAD]", "cls_token": "[CLS]", "bos_token": None}
    content = vocab(tokens, unknown_token="[UNK]", identifiers_to_tokens=roles)
    found = read_vocabulary(written(tmp_path, content))
    assert found.tokens == ("[UNK]", "[PAD]", "[CLS]", "a")
    assert found.special == {"unk": "[UNK]", "pad": "[PAD]", "cls": "[CLS]"}


def test_an_older_vocabulary_has_its_special_tokens_beside_the_rest(tmp_path: Path) -> None:
    content = vocab(["<unk>", "<pad>", "a"], unknown_token="<unk>", padding_token="<pad>")
    found = read_vocabulary(written(tmp_path, content))
    assert found.special == {"unk": "<unk>", "pad": "<pad>"}


def test_a_token_with_two_purposes_has_two_ids_and_one_is_used(tmp_path: Path) -> None:
    """Before GluonNLP 0.7: eos_token == padding_token, say; token_to_idx tells which is used."""
    content = vocab(["<unk>", "<eos>", "<eos>", "a"], unknown_token="<unk>", eos_token="<eos>")
    assert content["token_to_idx"]["<eos>"] == 2
    found = read_vocabulary(written(tmp_path, content))
    assert found.duplicates == (1,)
    assert found.ids["<eos>"] == 2
    assert found.ids["a"] == 3
    assert len(found.tokens) == 4
    assert " " in found.tokens[1]  # no text gives it


def test_a_vocabulary_of_gluonnlp_1(tmp_path: Path) -> None:
    content = {
        "all_tokens": ["a", "<unk>", "<mask>"],
        "special_token_key_value": {"unk_token": "<unk>", "mask_token": "<mask>"},
    }
    found = read_vocabulary(written(tmp_path, content))
    assert found.tokens == ("a", "<unk>", "<mask>")
    assert found.special == {"unk": "<unk>", "mask": "<mask>"}


def test_a_map_of_tokens_to_ids(tmp_path: Path) -> None:
    assert read_vocabulary(written(tmp_path, {"b": 1, "a": 0})).tokens == ("a", "b")


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_one_token_a_line(tmp_path: Path, end: str) -> None:
    content = f"[PAD]{end or chr(10)}\u2028{end or chr(10)}##b{end}"
    assert read_vocabulary(written(tmp_path, content)).tokens == ("[PAD]", "\u2028", "##b")


def test_of_two_equal_lines_the_last_counts_as_in_bert(tmp_path: Path) -> None:
    found = read_vocabulary(written(tmp_path, "a\nb\na\n"))
    assert found.ids["a"] == 2
    assert found.duplicates == (0,)


def test_the_numbers_behind_ernies_tokens_are_no_part_of_them(tmp_path: Path) -> None:
    assert read_vocabulary(written(tmp_path, "[PAD]\t0\n的\t1\n")).tokens == ("[PAD]", "的")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "begins like JSON and is not"),
        ("{" * 100_000, "begins like JSON and is not"),
        ('{"a": ' + "9" * 5000 + "}", "begins like JSON and is not"),
        ({"version": "1.0", "model": {}}, "JSON of another kind"),
        ({}, "JSON of another kind"),
        ({"a": 0, "b": 2}, "the ids are not 0 to 1"),
        ({"a": 0, "b": 0}, "the ids are not 0 to 1"),
        ({"a": -1, "b": 0}, "the ids are not 0 to 1"),
        ({"a": True}, "JSON of another kind"),
        ({"idx_to_token": ["a"]}, "without token_to_idx"),
        ({"idx_to_token": {"a": 0}, "token_to_idx": {"a": 0}}, "no list of 1 to"),
        ({"idx_to_token": [], "token_to_idx": {}}, "no list of 1 to"),
        ({"idx_to_token": ["a", 7], "token_to_idx": {"a": 0}}, "token 1 is no text"),
        ({"idx_to_token": ["\ud800"], "token_to_idx": {"\ud800": 0}}, "is no Unicode"),
        ({"idx_to_token": ["a", "b"], "token_to_idx": {"a": 0}}, "token_to_idx says None"),
        ({"idx_to_token": ["a", "b"], "token_to_idx": {"a": 1, "b": 0}}, "token_to_idx says 1"),
        ({"idx_to_token": ["a"], "token_to_idx": {"a": 9}}, "token_to_idx says 9"),
        ({"idx_to_token": ["a"], "token_to_idx": {"a": 0, "b": 1}}, "1 tokens that idx_to_token"),
        (vocab(["a"], unknown_token="b"), "the unk token 'b' is not in it"),
        (vocab(["a"], unknown_token=["b"]), "the unk token is no text"),
        (vocab(["a"], identifiers_to_tokens=["b"]), "identifiers_to_tokens is no map"),
        ({"all_tokens": ["a", "b" * 1001]}, "token 1 has 1,001 characters"),
        ({"b" * 1001: []}, f"its keys: {'b' * 40}"),
        (vocab(["a"], unknown_token="b" * 1001), f"the unk token '{'b' * 40}' is not in it"),
        ({"idx_to_token": ["a"], "token_to_idx": {"a": "9" * 99}}, f"says {'9' * 40}"),
        ({"idx_to_token": ["a"], "token_to_idx": {"a": 0, "b" * 99: 1}}, f"'{'b' * 40}'"),
        ({"all_tokens": [""] * (2**20 + 1)}, "no list of 1 to 1,048,576 tokens"),
        ({"all_tokens": ["a", "a"]}, "'a' is a duplicate"),
        ({"all_tokens": "ab"}, "no list of 1 to"),
        (
            {"all_tokens": ["a"], "special_token_key_value": True},
            "special_token_key_value is no map",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: Any, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(VocabularyError, match=r"some\.vocab") as error:
        read_vocabulary(path)
    assert said in str(error.value)


def test_other_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VocabularyError, match="cannot be read: No such file"):
        read_vocabulary(tmp_path / "absent")
    with pytest.raises(VocabularyError, match="SentencePiece model is given with --sentencepiece"):
        read_vocabulary(cases.FOLDER / "kobert_cased.spiece")
    monkeypatch.setattr(vocabulary, "MAX_BYTES", 3)
    with pytest.raises(VocabularyError, match="more than 3 bytes"):
        read_vocabulary(written(tmp_path, "abcd"))


def test_merges_with_and_without_their_header(tmp_path: Path) -> None:
    assert read_merges(written(tmp_path, "#version: 0.2\nĠ t\nh e\n")) == (("Ġ", "t"), ("h", "e"))
    assert read_merges(written(tmp_path, "Ġ t\r\n# #")) == (("Ġ", "t"), ("#", "#"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no merges"),
        ("#version: 0.2\n", "has no merges"),
        ("#version: 0.2\na b\na b c\n", "line 3 is no merge of two tokens: 'a b c'"),
        ("a b\n\n", "line 2 is no merge"),
        ("a b\nab\n", "line 2 is no merge"),
        ({"a b": 0}, "line 1 is no merge"),
    ],
)
def test_what_is_wrong_in_merges_is_said(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(VocabularyError, match=r"some\.vocab") as error:
        read_merges(written(tmp_path, content))
    assert said in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[PAD]\n", b"\xff" * 100, b"\0" * 1000])
def test_what_is_no_sentencepiece_model_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.spiece"
    path.write_bytes(content)
    with pytest.raises(VocabularyError, match=r"some\.spiece: (this|no) SentencePiece model"):
        read_sentencepiece(path)


@pytest.mark.parametrize("place", [b"[UNK]", b"[MASK]", b"\x01,"])
def test_a_piece_that_is_not_utf_8_is_said(tmp_path: Path, place: bytes) -> None:
    content = (cases.FOLDER / "kobert_cased.spiece").read_bytes()
    path = tmp_path / "some.spiece"
    at = content.index(place)
    path.write_bytes(content[: at + len(place) - 1] + b"\xff" + content[at + len(place) :])
    with pytest.raises(VocabularyError, match=r"some\.spiece: .*(UTF-8|refuses it)"):
        read_sentencepiece(path)


SEEDS = [
    (cases.FOLDER / name).read_bytes()[:4000]
    for name in ("bert_cased.vocab", "bort.merges", "kobert_cased.spiece")
]


@given(st.one_of(st.binary(max_size=200), st.sampled_from(SEEDS)), st.data())
def test_no_bytes_do_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, data: st.DataObject
) -> None:
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(0, 5)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(content)
    for read in (read_vocabulary, read_merges, read_sentencepiece):
        try:
            read(path)
        except ConvertError as refusal:
            assert str(path) in str(refusal)  # noqa: PT017


def test_a_sentencepiece_model_of_a_million_pieces_is_refused_by_their_number(
    tmp_path: Path,
) -> None:
    path = tmp_path / "some.spiece"
    path.write_bytes(b"\x0a\x00" * (vocabulary.MAX_TOKENS + 1))
    with pytest.raises(VocabularyError, match=r"some\.spiece: .* has 1,048,577 pieces, not 1 to"):
        read_sentencepiece(path)
