"""`--labels`: a list, a text or a file; as many as the head has, each once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.planning.labels import read_labels
from tests.borts import heads, source
from tests.cli.test_main import invoke
from tests.faults.making import arguments

NAMES = ["schön", "n/a // b", "42"]


@pytest.mark.parametrize("way", ["text", "file", "list", "path"])
def test_labels_are_the_heads_in_every_form(way: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes("\ufeffschön\r\nn/a // b\r\n42\r\n".encode())
    out, labels = tmp_path / "out", {"text": ",".join(NAMES), "file": str(file)}
    if way in labels:
        args = arguments("bort_classifier", out, "--no-verify", "--labels", labels[way])
        assert invoke(*args).exit_code == 0
    else:
        told: Any = NAMES if way == "list" else file
        config = heads("bort_classifier")
        converter.convert(
            source("bort_classifier"), out, family="bort", config=config, labels=told, verify=False
        )
    config = json.loads((out / "config.json").read_text("utf-8"))
    assert config["id2label"] == {"0": NAMES[0], "1": NAMES[1], "2": NAMES[2]}
    assert config["label2id"] == {NAMES[0]: 0, NAMES[1]: 1, NAMES[2]: 2}
    assert str(tmp_path) not in (out / "conversion.json").read_text("utf-8")


def test_what_is_proven_again_has_the_labels(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke(*arguments("bort_classifier", out, "--labels", "a,b,c")).exit_code == 0
    again = invoke("verify", "--src", source("bort_classifier"), "--dst", out)
    assert again.exit_code == 0
    assert "edited" not in again.stdout


@pytest.mark.parametrize(
    ("name", "labels", "code", "said"),
    [
        ("bort_classifier", "good,bad", 1, "2 labels given, and the head of the file has 3"),
        ("bort_classifier", "labels.txt", 1, "1 label given, and the head of the file has 3"),
        ("bort_decoder", "good,bad", 1, "2 labels given, and the file has no head with any"),
        ("bort_classifier", "a,b,a", 2, "'a': given more than once"),
        ("bort_classifier", "a,,b", 2, "number 2 is empty"),
        ("bort_classifier", "", 2, "number 1 is empty"),
    ],
)
def test_labels_that_do_not_suit_are_refused(
    name: str, labels: str, code: int, said: str, tmp_path: Path
) -> None:
    result = invoke(*arguments(name, tmp_path / "out", "--labels", labels))
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "absent", tmp_path / "labels", tmp_path):
        with pytest.raises(converter.OptionError, match="cannot be read"):
            read_labels(path)


def test_labels_say_the_same_as_a_field_of_the_config(tmp_path: Path) -> None:
    more = ["--labels", "a,b,c", "--config", 'id2label={"0": "a"}']
    result = invoke(*arguments("bort_classifier", tmp_path / "out", *more))
    assert result.exit_code == 2
    assert "give one of them" in result.stderr
