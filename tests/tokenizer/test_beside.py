"""A vocabulary of any name, beside the parameters or in their archive: found if it is the one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import converter
from converter.params import Index
from converter.planning.file import plan_file
from converter.planning.plan import TablePlan
from converter.tokenizer import beside, vocabulary
from converter.tokenizer.beside import find_beside
from tests.indexes import make_index
from tests.params.packed import tar, zipped
from tests.tokenizer import cases
from tests.tokenizer.bort import invoke, read
from tests.tokenizer.enlarged import enlarged

ZOO = Path(__file__).parents[2] / "fixtures" / "zoo"
SKT = "kobert_news_wiki_ko_cased-1087f8699e.spiece"
TOLD: dict[str, Any] = {"family": "bert", "config": {"num_attention_heads": 4}}
OPTIONS = ("--family", "bert", "--config", "num_attention_heads=4")
KOBERT = cases.path("kobert_cased", "sentencepiece")
CASED = cases.path("bert_cased", "vocab")
ARCHIVES: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "model.tar.gz": lambda members: tar("w:gz", members),
    "model.tar": lambda members: tar("w:", members),
    "model.zip": zipped,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """A classifier over BERT by its number of words."""
    folder = tmp_path_factory.mktemp("models")
    fixture = ZOO / "0.8.3" / "bert_classifier.params"
    return {n: enlarged(fixture, n, folder / f"{n}.params").read_bytes() for n in (500, 700)}


def lines(tokens: Any) -> bytes:
    return "".join(f"{token}\n" for token in tokens).encode()


def put(folder: Path, model: bytes, **files: bytes | Path) -> Path:
    """A model and files beside it; `__` is the point of a name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.read_bytes() if isinstance(content, Path) else content
        (folder / name.replace("__", ".")).write_bytes(data)
    path = folder / "net.params"
    path.write_bytes(model)
    return path


def index_in(folder: Path) -> Index:
    return replace(make_index({"a": (1,)}), path=folder / "net.params")


def planned(source: Path, **more: Any) -> TablePlan:
    made: TablePlan = plan_file(source, **{**TOLD, **more})
    return made


NOISE: dict[str, bytes] = {
    "README__txt": b"KoBERT, fine-tuned.\n" * 60,
    "requirements__txt": lines(f"package{n}==1.0" for n in range(80)),
    "labels__txt": b"negative\npositive\n",
    "classes__txt": lines(f"class {n}" for n in range(500)),  # as many as words
    "net-symbol__json": b"{}" * 400,
    "vocab__txt": b"too few\n",
}


def test_sktss_name_is_found_beside_the_file(models: dict[int, bytes], tmp_path: Path) -> None:
    source = put(tmp_path / "in", models[500], **NOISE)
    shutil.copy(KOBERT, source.with_name(SKT))
    out = tmp_path / "out"
    result = invoke("--src", source, "--dst", out, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert f"500 tokens of {SKT}, found beside the file\n" in result.stdout
    assert f"took {source.with_name(SKT)}, found beside the file\nwrote {out}" in result.stdout
    record = read(out / "conversion.json")
    assert record["tokenizer"]["found"] == "found beside the file"
    assert record["tokenizer"]["lower"] is False
    assert f"`{SKT}` (found beside the file)" in (out / "README.md").read_text("utf-8")
    assert converter.verify(source, out).passed
    config = read(out / "config.json")
    assert (config["pad_token_id"], config["cls_token_id"]) == (1, 2)


@pytest.mark.parametrize("place", [SKT, f"code/{SKT}", f"../../etc/{SKT}"])
@pytest.mark.parametrize("name", ARCHIVES)
def test_the_same_in_an_archive(
    name: str, place: str, models: dict[int, bytes], tmp_path: Path
) -> None:
    noise = {f"code/{n.replace('__', '.')}": content for n, content in NOISE.items()}
    members = {**noise, place: KOBERT.read_bytes(), "net.params": models[500]}
    source = tmp_path / "in" / name
    source.parent.mkdir()
    source.write_bytes(ARCHIVES[name](members))
    plan = planned(source)
    assert plan.tokenizer is not None
    assert plan.tokenizer.found == "found in the archive"
    assert plan.tokenizer.lower is False
    assert [path.name for path in source.parent.iterdir()] == [name]
    if place != SKT:
        return
    out = tmp_path / "out"
    result = invoke("--src", source, "--dst", out, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert f"took {SKT} in {source}, found in the archive\n" in result.stdout
    assert read(out / "conversion.json")["tokenizer"]["files"] == {"sentencepiece": SKT}
    assert (out / "spiece.model").read_bytes() == KOBERT.read_bytes()
    assert converter.verify(source, out).passed


TOKENS = [*cases.spec_of("bert_cased").vocabulary.tokens]
FORMS: dict[str, bytes | Path] = {
    "my_cased__vocab": CASED,
    "cased__txt": lines(TOKENS),
    "my_cased_vocabulary__txt": lines(f"{token}\t{n}" for n, token in enumerate(TOKENS)),
}


@pytest.mark.parametrize("name", FORMS)
def test_word_pieces_of_any_form(name: str, models: dict[int, bytes], tmp_path: Path) -> None:
    plan = planned(put(tmp_path, models[700], **{**NOISE, name: FORMS[name]}))
    assert plan.tokenizer is not None, plan.no_tokenizer
    assert plan.tokenizer.kind == "wordpiece"
    assert [*plan.tokenizer.vocabulary.tokens] == TOKENS


def test_of_several_none_is_taken_and_each_is_listed(
    models: dict[int, bytes], tmp_path: Path
) -> None:
    other = [*TOKENS[:-2], *reversed(TOKENS[-2:])]
    source = put(tmp_path, models[700], a_cased__vocab=CASED, b_cased__txt=lines(other))
    plan = planned(source)
    assert plan.tokenizer is None
    assert plan.no_tokenizer == (
        "more than one file can be its vocabulary; choose with "
        f"--vocab {tmp_path / 'b_cased.txt'} or --vocab {tmp_path / 'a_cased.vocab'}"
    )
    told = planned(source, vocab=tmp_path / "b_cased.txt").tokenizer
    assert told is not None
    assert (told.found, [*told.vocabulary.tokens]) == (None, other)


def test_of_several_in_an_archive_too(models: dict[int, bytes], tmp_path: Path) -> None:
    other = KOBERT.read_bytes().replace("▁lib".encode(), "▁bil".encode(), 1)
    members = {"a_cased.model": other, SKT: KOBERT.read_bytes(), "net.params": models[500]}
    source = tmp_path / "model.tar.gz"
    source.write_bytes(tar("w:gz", members))
    said = planned(source).no_tokenizer
    for name in ("a_cased.model", SKT):
        assert f"--sentencepiece {name} (in the archive: unpack it first)" in said


def test_the_same_vocabulary_twice_is_one(models: dict[int, bytes], tmp_path: Path) -> None:
    source = put(tmp_path, models[700], a_cased__vocab=CASED, b_cased__txt=lines(TOKENS))
    plan = planned(source)
    assert plan.tokenizer is not None
    source = put(tmp_path / "b", models[500], a_cased__model=KOBERT, b__spiece=KOBERT)
    assert planned(source).tokenizer is not None


def test_the_list_beside_a_sentencepiece_model_is_no_vocabulary(
    models: dict[int, bytes], tmp_path: Path
) -> None:
    """`spm_train` writes both; its pieces are no word pieces, though [CLS] and [SEP] are there."""
    model = cases.model_of("kobert_cased")
    rows = zip(model.pieces, model.scores, strict=True)
    listed = lines(f"{piece}\t{score:g}" for piece, score in rows)
    source = put(tmp_path, models[500], m_cased__vocab=listed)
    plan = planned(source)
    assert plan.tokenizer is None
    assert "m_cased.vocab: a list of pieces and scores" in plan.no_tokenizer
    (tmp_path / "m_cased.model").write_bytes(KOBERT.read_bytes())
    plan = planned(source)
    assert plan.tokenizer is not None
    assert plan.tokenizer.kind == "bert-sentencepiece"


@pytest.mark.parametrize("name", ["a__spiece", "a__model", "a__vocab", "vocab__txt"])
def test_a_vocabulary_of_another_size_is_left_and_said(
    name: str, models: dict[int, bytes], tmp_path: Path
) -> None:
    words = name.endswith(("vocab", "txt"))
    source = put(tmp_path, models[500 if words else 700], **{name: CASED if words else KOBERT})
    tokens, rows, option = (700, 500, "vocab") if words else (500, 700, "sentencepiece")
    for result in (planned(source), planned(source, lower=True)):
        assert result.tokenizer is None
        said = result.no_tokenizer
        assert said.startswith("found beside the file: ")
        assert name.replace("__", ".") in said
        assert f"{tokens} tokens and the embedding {rows} rows" in said
        assert f"--{option} FILE" in said


@pytest.mark.parametrize("name", ["a__txt", "notes__txt", "README__txt"])
def test_of_other_texts_nothing_is_said(
    name: str, models: dict[int, bytes], tmp_path: Path
) -> None:
    source = put(tmp_path, models[500], **{name: CASED})
    assert planned(source).no_tokenizer.startswith("no vocabulary with GluonNLP's name for it in")


def test_a_question_is_asked_of_the_one_that_fits(models: dict[int, bytes], tmp_path: Path) -> None:
    source = put(tmp_path, models[700], my__vocab=CASED)
    said = planned(source).no_tokenizer
    assert said.startswith(f"found beside the file: {tmp_path / 'my.vocab'}")
    assert "give --lower or --no-lower" in said
    told = planned(source, lower=False).tokenizer
    assert told is not None
    assert told.found == "found beside the file"


def test_bytes_and_merges_are_a_pair(tmp_path: Path) -> None:
    fixture = ZOO / "0.8.3" / "roberta_decoder.params"
    source = enlarged(fixture, 605, tmp_path / "net.params")
    told: dict[str, Any] = {"family": "roberta", "config": {"num_attention_heads": 3}}
    shutil.copy(cases.path("bort", "vocab"), tmp_path / "my.vocab")
    assert plan_file(source, **told).tokenizer is None
    shutil.copy(cases.path("bort", "merges"), tmp_path / "merges.txt")
    found = plan_file(source, **told).tokenizer
    assert found is not None
    assert {path.name for path in found.files.given().values()} == {"my.vocab", "merges.txt"}
    (tmp_path / "bpe_of_another.txt").write_text("#version: 0.2\nĠ x\nĠx q\n", "utf-8")
    assert plan_file(source, **told).tokenizer is not None


def test_without_a_vocabulary_the_last_lines_name_both_options(
    models: dict[int, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    source = put(tmp_path / "in", models[500])
    result = invoke("--src", source, "--dst", out, *OPTIONS, "--no-verify")
    *_, first, second = result.stdout.splitlines()
    assert first == f"  bort-convert tokenizer --vocab FILE --dst {out}"
    assert second == "  or with --sentencepiece FILE in place of --vocab FILE"
    asked = invoke("tokenizer", "--dst", out)
    assert "needs --vocab FILE or --sentencepiece FILE" in asked.stderr


# What is beside a model of 61 words: texts of so many lines, with special tokens or without
SIZES = st.lists(st.tuples(st.integers(40, 80), st.booleans(), st.booleans()), max_size=4)


@settings(max_examples=60)
@given(SIZES, st.sampled_from([".txt", ".vocab"]))
def test_no_file_of_another_size_is_ever_taken(
    tmp_path_factory: pytest.TempPathFactory, files: Any, ending: str
) -> None:
    folder = tmp_path_factory.mktemp("beside")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    fitting = set()
    for number, (count, whole, vocab) in enumerate(files):
        first = special if whole else []
        tokens = [*first, *(f"w{number}{n}" for n in range(count))][:count]
        name = f"{'vocab' if vocab else 'text'}{number}{ending}"
        (folder / name).write_bytes(lines(tokens))
        if whole and count == 61:
            fitting.add(name)
    index = index_in(folder)
    found = find_beside(index, cases.BERT, cases.config(61))
    assert {path.name for files in found.fits for path in files.given().values()} == fitting


@pytest.mark.parametrize("ending", [".txt", ".vocab"])
def test_no_more_files_are_read_than_a_few(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, or an archive, of thousands that are named like a vocabulary."""
    opened = []
    usual = vocabulary.read_bytes

    def counted(path: vocabulary.File) -> bytes:
        opened.append(path)
        return usual(path)

    monkeypatch.setattr(beside, "read_bytes", counted)
    monkeypatch.setattr(vocabulary, "read_bytes", counted)
    for number in range(300):
        (tmp_path / f"vocab{number}{ending}").write_bytes(lines(range(61)))
        (tmp_path / f"data{number}.txt").write_bytes(lines(range(61)))
    index = index_in(tmp_path)
    found = find_beside(index, cases.BERT, cases.config(61))
    assert found.fits == ()
    assert "300 files named like a vocabulary: too many to read" in found.why
    assert opened == []
    for number in range(beside.MOST, 300):
        (tmp_path / f"vocab{number}{ending}").unlink()
    assert find_beside(index, cases.BERT, cases.config(61)).fits == ()
    assert {*opened} == {tmp_path / f"vocab{n}{ending}" for n in range(beside.MOST)}


def test_of_too_many_the_only_one_of_another_kind_is_not_taken(
    models: dict[int, bytes], tmp_path: Path
) -> None:
    source = put(tmp_path, models[500], my_cased__spiece=KOBERT)
    assert planned(source).tokenizer is not None
    for number in range(beside.MOST + 1):
        (tmp_path / f"vocab{number}.txt").write_bytes(lines(range(500)))
    assert planned(source).tokenizer is None


def test_what_is_no_file_or_far_too_large_is_not_opened(
    tmp_path: Path, models: dict[int, bytes]
) -> None:
    source = put(tmp_path, models[500])
    os.mkfifo(tmp_path / "vocab.txt")
    (tmp_path / "b.spiece").mkdir()
    (tmp_path / "c.vocab").symlink_to("c.vocab")
    (tmp_path / "d.model").symlink_to("/dev/zero")
    with (tmp_path / "e.model").open("wb") as file:
        file.truncate(2**31)
    plan = planned(source)
    assert plan.tokenizer is None
    assert "e.model: 2,147,483,648 bytes are no vocabulary of 500 tokens" in plan.no_tokenizer
    assert plan.no_tokenizer.count("found beside the file") == 1


def test_a_member_that_is_damaged_is_said(models: dict[int, bytes], tmp_path: Path) -> None:
    content = bytearray(zipped({SKT: KOBERT.read_bytes(), "net.params": models[500]}))
    at = content.index(b"PK\x01\x02") - len(models[500])
    start = content.index(SKT.encode()) + len(SKT)
    assert start < at
    content[start + 1000] ^= 0xFF
    source = tmp_path / "model.zip"
    source.write_bytes(content)
    plan = planned(source)
    assert plan.tokenizer is None
    assert f"found in the archive: {SKT} in {source}: cannot be read: " in plan.no_tokenizer


def test_words_of_a_model_that_are_few_or_none(tmp_path: Path) -> None:
    """Sizes at which every file would be large enough."""
    (tmp_path / "vocab.txt").write_bytes(b"")
    index = index_in(tmp_path)
    for rows in (1, 5):
        assert find_beside(index, cases.BERT, cases.config(rows)).fits == ()


def test_arrays_are_as_they_were(models: dict[int, bytes], tmp_path: Path) -> None:
    """The tensors of an archive do not depend on what else is in it."""
    source = tmp_path / "model.tar.gz"
    source.write_bytes(tar("w:gz", {SKT: KOBERT.read_bytes(), "net.params": models[500]}))
    plain = tmp_path / "net.params"
    plain.write_bytes(models[500])
    ours, theirs = converter.load_params(source), converter.load_params(plain)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
