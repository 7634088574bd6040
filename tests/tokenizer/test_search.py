"""Vocabularies found beside the parameters and in $MXNET_HOME/models, by GluonNLP's names alone."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from converter.tokenizer import Files, find, places
from tests.tokenizer import cases, cases_1x

DATASET = "openwebtext_ccnews_stories_books_cased"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "home"))
    path = tmp_path / "home" / "models"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "work" / "bort.params"
    path.parent.mkdir()
    return path


def put(folder: Path, case: str, option: str, name: str, ending: str) -> Path:
    """A file under GluonNLP's name: with the first digits of its sha1."""
    origin = getattr(cases.files(case), option)
    digits = hashlib.sha1(origin.read_bytes()).hexdigest()[:8]
    return Path(shutil.copy(origin, folder / f"{name}-{digits}{ending}"))


def put_merges(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = put(folder, "bort", "merges", "openai_webtext_bpe_ranks", ".json")
    monkeypatch.setattr("converter.tokenizer.discover.MERGES", (path.name,))
    return path


def test_borts_files_are_found_at_home(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocab = put(home, "bort", "vocab", DATASET, ".vocab")
    assert find(source, cases.BORT) == Files()  # half a tokenizer is none
    merges = put_merges(home, monkeypatch)
    assert find(source, cases.BORT) == Files(vocab=vocab, merges=merges)


def test_what_stands_beside_the_source_goes_first(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, "bort", "vocab", DATASET, ".vocab")
    merges = put_merges(home, monkeypatch)
    beside = put(source.parent, "bort", "vocab", DATASET, ".vocab")
    assert find(source, cases.BORT) == Files(vocab=beside, merges=merges)


def test_the_name_of_the_source_tells_which_of_several(home: Path, source: Path) -> None:
    cased = put(home, "bert_cased", "vocab", "book_corpus_wiki_en_cased", ".vocab")
    uncased = put(home, "bert_uncased", "vocab", "book_corpus_wiki_en_uncased", ".vocab")
    for name, file in (("en_cased", cased), ("en_uncased", uncased)):
        path = source.with_name(f"bert_12_768_12_book_corpus_wiki_{name}-5656dac6.params")
        assert find(path, cases.BERT) == Files(vocab=file)
    for name in ("net.params", "bert_12_768_12_wiki_cn_cased-885ebb9a.params"):
        assert find(source.with_name(name), cases.BERT) == Files()  # never a guess


def test_koberts_sentencepiece_model_is_found(home: Path, source: Path) -> None:
    pieces = put(home, "kobert_cased", "sentencepiece", "kobert_news_wiki_ko_cased", ".spiece")
    path = source.with_name("bert_12_768_12_kobert_news_wiki_ko_cased-ccf0593e.params")
    assert find(path, cases.BERT) == Files(sentencepiece=pieces)
    assert find(path, replace(cases.BERT, kinds=("wordpiece",))) == Files()


def test_the_directory_of_a_model_of_gluonnlp_1(home: Path, source: Path) -> None:
    vocab = put(source.parent, "bert_cased", "vocab", "vocab", ".json")
    assert find(source, cases.BERT) == Files(vocab=vocab)
    shutil.copy(vocab, home)
    vocab.unlink()
    assert find(source, cases.BERT) == Files()  # that name tells nothing elsewhere


def test_a_file_whose_content_is_not_its_names_is_left(home: Path, source: Path) -> None:
    vocab = put(home, "bert_cased", "vocab", "wiki_cn_cased", ".vocab")
    path = source.with_name("bert_12_768_12_wiki_cn_cased-885ebb9a.params")
    assert find(path, cases.BERT) == Files(vocab=vocab)
    with vocab.open("ab") as file:
        file.write(b" ")
    assert find(path, cases.BERT) == Files()


def test_gluonnlps_home_is_mxnets(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MXNET_HOME", "/somewhere")
    monkeypatch.setenv("GLUONNLP_HOME", "/elsewhere")
    assert places(source) == [source.parent, Path("/somewhere/models")]
    assert places(source, "gpt2_124M")[2:] == [
        Path("/somewhere/models/nlp/gpt2_124M"),
        Path("/elsewhere/models/gpt2_124M"),
    ]
    monkeypatch.delenv("MXNET_HOME")
    monkeypatch.setenv("HOME", "/users/me")
    monkeypatch.setenv("USERPROFILE", "/users/me")
    assert places(source)[1] == Path("/users/me/.mxnet/models")


ZOO = {  # a model of 1.x's zoo: its directory here, and its files
    "google_electra_base": ("google_electra", {"vocab": "vocab.json"}),
    "gpt2_124M": ("gpt2", {"vocab": "gpt2.vocab", "merges": "gpt2.merges"}),
    "google_albert_base_v2": (
        "google_albert",
        {"vocab": "vocab.json", "sentencepiece": "spm.model"},
    ),
    "fairseq_xlmr_base": ("fairseq_xlmr", {"sentencepiece": "sentencepiece.model"}),
    "google_t5_base": ("google_t5", {"sentencepiece": "t5.vocab"}),
    "google_mt5_base": ("google_mt5", {"sentencepiece": "mt5.vocab"}),
}


def hashed(folder: Path, name: str) -> Path:
    """The file under the name that the zoo gives it."""
    path = folder / name
    digits = hashlib.sha1(path.read_bytes()).hexdigest()[:8]
    return path.rename(folder / f"{path.stem}-{digits}{path.suffix}")


@pytest.mark.parametrize("of_zoo", [True, False])
@pytest.mark.parametrize("model", ZOO)
def test_every_directory_of_gluonnlp_1(model: str, of_zoo: bool, source: Path, home: Path) -> None:
    """As its scripts write it, and as it is downloaded."""
    name, files = ZOO[model]
    rule = cases.rule_of(cases_1x.CASES[name]["family"])
    shutil.copytree(cases_1x.FOLDER / name, source.parent, dirs_exist_ok=True)
    paths = {option: source.parent / file for option, file in files.items()}
    if of_zoo:
        paths = {option: hashed(source.parent, file) for option, file in files.items()}
    assert find(source, rule) == Files(**paths)
    at_home = home / "nlp" / model
    shutil.copytree(source.parent, at_home)
    for path in paths.values():
        path.unlink()
    assert find(source, rule) == Files()
    found = {option: at_home / path.name for option, path in paths.items()}
    assert find(source, rule, model) == Files(**found)
    assert find(source, rule, "another") == Files()


def test_two_vocabularies_in_a_directory_are_none(source: Path, home: Path) -> None:
    shutil.copytree(cases_1x.FOLDER / "google_electra", source.parent, dirs_exist_ok=True)
    shutil.copy(source.parent / "vocab.json", source.parent / "copy")
    rule = cases.rule_of("electra_1x")
    assert find(source, rule) == Files(vocab=source.parent / "vocab.json")
    (source.parent / "copy").rename(source.parent / "vocab-00000000.json")
    assert find(source, rule) == Files()
    (source.parent / "vocab.json").unlink()
    assert find(source, rule) == Files()  # its sha1 is another
