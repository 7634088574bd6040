"""Whatever small file is given or found: a pipe is never opened, for reading it has no end."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.errors import ConvertError
from converter.files.regular import read_regular
from converter.files.staging import RECORD_FILE
from converter.planning.file import plan_file
from converter.planning.model_yml import find_model_config, read_model_config
from converter.report.record import read_record
from converter.tables.load import load_family, load_table
from converter.tokenizer import find
from converter.tokenizer.sentencepiece import read_sentencepiece
from converter.tokenizer.vocabulary import read_merges, read_vocabulary
from tests import borts, zoo_1x
from tests.tokenizer.bort import OPTIONS

READERS: list[Callable[[Path], Any]] = [
    converter.inspect,
    load_table,
    read_model_config,
    read_vocabulary,
    read_merges,
    read_sentencepiece,
]


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """What waits for a pipe is ended, and has failed."""

    def late(*_: Any) -> None:
        raise AssertionError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_pipe_is_refused(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"(?s)a\.file.* not a regular file"):
        read(pipe(tmp_path / "a.file"))


def test_a_directory_whose_record_is_a_pipe_is_refused(tmp_path: Path) -> None:
    pipe(tmp_path / RECORD_FILE)
    with pytest.raises(ConvertError, match="not a regular file"):
        read_record(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "README.md", "mine"])
def test_a_pipe_in_a_written_directory_is_refused(name: str, tmp_path: Path) -> None:
    out, source = tmp_path / "out", borts.source("bort_backbone")
    converter.convert(source, out, family="bort", config={"num_attention_heads": 4}, verify=False)
    pipe(out / name)
    with pytest.raises(ConvertError, match=rf"(?s){name}.* not a regular file"):
        converter.verify(source, out)
    with pytest.raises(ConvertError, match=rf"(?s){name}.* not a regular file"):
        converter.add_tokenizer(out, **OPTIONS)


def test_a_golden_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    out, source = tmp_path / "out", borts.source("bort_backbone")
    converter.convert(source, out, family="bort", config={"num_attention_heads": 4}, verify=False)
    with pytest.raises(ConvertError, match="not a regular file"):
        converter.verify(source, out, golden=pipe(tmp_path / "golden.npz"))


def test_pipes_beside_the_parameters_are_left(tmp_path: Path) -> None:
    model = shutil.copytree(zoo_1x.source("bert_pretrain_sigmoid/model").parent, tmp_path / "model")
    for name in ("model.yml", "cfg.yml"):
        pipe(model / name)
    assert find_model_config(model / "model.params") is None
    names = ("gpt2-396d4d8e.merges", "book_corpus_wiki_en_uncased-a6607397.vocab")
    for name in names:
        pipe(model / name)
    rules = [load_family(name).tokenizer for name in ("bert", "gpt2")]
    for rule in rules:
        assert rule
        assert not find(model / "model.params", rule).given()
    pipe(model / "vocab.json")
    config = {"hidden_act": "gelu", "num_attention_heads": 4, "layer_norm_eps": 1e-12}
    made = plan_file(model, family="bert_1x", config=config)
    assert made.tokenizer is None
    assert "vocab.json: cannot be read: it is not a regular file" in made.no_tokenizer


def test_a_regular_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", 4) == b"1234"
    with pytest.raises(ValueError, match="more than 3 bytes"):
        read_regular(tmp_path / "a", 3)
    with pytest.raises(OSError, match="directory"):
        read_regular(tmp_path, 3)
