"""Vectors of words out of models and files, and the command's synonyms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

from agora.embedding import read_vectors
from agora.errors import AgoraError, DataError
from benchmarks.agora import grammar
from tests.agora.commands import arguments, invoke


def save(place: Path, tokenizer: Tokenizer, words: dict[str, int]) -> BertModel:
    config = BertConfig(
        vocab_size=len(words), hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=4,
    )  # fmt: skip
    model = BertModel(config)
    model.save_pretrained(place)
    made: Any = PreTrainedTokenizerFast
    made(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(place)
    return model


def rows(model: Any) -> Any:
    return model.get_input_embeddings().weight.detach().numpy()


def test_byte_level_tokens_within_a_sentence_go_first(tmp_path: Path) -> None:
    pieces = ["<unk>", "g", "o", "d", "go", "od", "good", "Ġ", "Ġgood", "Ġgo", "1", "Ġod"]
    words = {piece: i for i, piece in enumerate(pieces)}
    merges = [("g", "o"), ("o", "d"), ("go", "od"), ("Ġ", "good"), ("Ġ", "go"), ("Ġ", "od")]
    tokenizer = Tokenizer(models.BPE(words, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    model = save(tmp_path, tokenizer, words)
    vectors = read_vectors(tmp_path)
    assert {*vectors} == {"good", "go", "od", "g", "o", "d"}  # no "1", no "<unk>"
    assert np.array_equal(vectors["good"], rows(model)[words["Ġgood"]])
    assert np.array_equal(vectors["d"], rows(model)[words["d"]])


def test_pieces_of_words_are_no_words(tmp_path: Path) -> None:
    words = {piece: i for i, piece in enumerate(["<unk>", "good", "##ness", "bad", "ness", "."])}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    model = save(tmp_path, tokenizer, words)
    vectors = read_vectors(tmp_path)
    assert {*vectors} == {"good", "bad", "ness"}
    assert np.array_equal(vectors["ness"], rows(model)[4])


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_file_of_vectors(tmp_path: Path, header: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(header + "good 1 0\nfine 0.9 0.1\nbad -1 0\n")
    assert read_vectors(path)["fine"].tolist() == pytest.approx([0.9, 0.1])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("good 1 0\nfine 1\n", "line 2: 1 numbers"),
        ("good 1 0\nfine 1 nan\n", "line 2"),
        ("good 1 x\n", "line 1: no word and numbers"),
        ("good 1 0\n", "vectors of 1 words"),
        ("\n", "line 1: no word and numbers"),
    ],
)
def test_file_that_has_no_vectors(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        read_vectors(path)


def put_in(text: str, others: list[str]) -> set[str]:
    """The words by which a text differs from others that differ in one place only."""
    pairs = [[*zip(text.split(), other.split(), strict=False)] for other in others]
    changes = [[a for a, b in pair if a != b] for pair in pairs]
    return {change[0] for change in changes if len(change) == 1}


def test_synonyms_by_the_command(place: Path, tmp_path: Path) -> None:
    """By default the model's own vectors; of a file only its words are ever put in."""
    (tmp_path / "vectors.txt").write_text(
        "".join(f"{word} {i} 1\n" for i, word in enumerate([*grammar.GOOD, "splendid"]))
    )
    dev = [json.loads(line)["text"] for line in (place / "dev.jsonl").read_text().splitlines()]
    few = dict(tau="synonym", epochs=1, warmup="0.1", no_gate=True)
    for name, more, words in (
        ("own", {}, {*grammar.WORDS}),
        ("file", {"embedding": tmp_path / "vectors.txt"}, {*grammar.GOOD, "splendid"}),
    ):
        result = invoke(*arguments(place, tmp_path / name, **few, **more))
        assert result.exit_code == 0, result.output
        points, _ = json.loads((tmp_path / name / "agora.json").read_text())["trace"]["train"]
        new = points["tuple"][30:]
        assert new
        assert all(put_in(text, dev) & words for text in new), new


def test_vectors_that_cannot_be_read(place: Path, tmp_path: Path) -> None:
    (tmp_path / "vectors.bin").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "vectors.bin", tmp_path):
        result = invoke(*arguments(place, tmp_path / "out", tau="synonym", embedding=path))
        assert isinstance(result.exception, AgoraError), result.exception
        assert "vectors" in str(result.exception)


def test_a_model_has_its_own_vectors(place: Path) -> None:
    vectors = read_vectors(place / "bort")
    assert {*vectors} == {*grammar.WORDS} - {*grammar.SPECIAL}
    model = AutoModel.from_pretrained(place / "bort")
    assert np.array_equal(vectors["film"], rows(model)[grammar.WORDS.index("film")])
