"""docs/stopped.md: each message that it explains is one that the program prints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import converter
from tests import borts, own
from tests.api.test_installed import run as run_without
from tests.conftest import ROOT
from tests.docs.test_pages import PAGES, SMALL
from tests.tokenizer.bort import invoke

PAGE = PAGES["stopped.md"].read_text("utf-8")
MESSAGES = re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)
BROUGHT = ROOT / "fixtures" / "brought"


def command(*arguments: str | Path) -> str:
    return invoke(*arguments).output


def bort(name: str = "bort_decoder") -> Path:
    return Path(shutil.copy(borts.source(name), f"{name}.params"))


def written(name: str, content: bytes) -> Path:
    path = Path(name)
    path.write_bytes(content)
    return path


def full() -> Path:
    Path("out").mkdir()
    written("out/mine.txt", b"")
    return Path("out")


def damaged() -> Path:
    arrays = {k: np.array(a) for k, a in converter.load_params(bort()).items()}
    arrays["encoder.layer_norm.gamma"][0] = np.nan
    converter.save_params("nan.params", arrays)
    return Path("nan.params")


def weak() -> str:
    arrays = {k: np.array(a) for k, a in converter.load_params(bort("bort_backbone")).items()}
    for name in arrays:
        arrays[name] *= 2e-5 if name.endswith(("gamma", "beta")) else 1
    converter.save_params("weak.params", arrays)
    return command("weak.params", "out", *SMALL)


def without_proof() -> str:
    done = run_without("--src", bort(), "--dst", "out", *SMALL)
    assert done.returncode == 1
    return done.stderr


def pooler() -> str:
    """What Transformers logs of it, when a Bort is loaded as if it had one."""
    from transformers import AutoModel

    command(bort("bort_backbone"), "out", *SMALL, "--no-verify")
    AutoModel.from_pretrained("out")
    return ""


BERT = ROOT / "fixtures" / "zoo" / "0.10.0" / "bert_pooler.params"
GPT2 = ROOT / "fixtures" / "zoo" / "scripts" / "gpt2.params"
HEADS = ("--family", "bert", "--config", "num_attention_heads=2", "--no-verify")
PRINTED: dict[str, Callable[[], str]] = {
    "the file does not store num_attention_heads": lambda: command(bort(), "out", *SMALL[:2]),
    "fits more than one family; choose with --family": lambda: command(bort(), "out"),
    "say what it is for": lambda: command(own.source("0.8.3/bert_tagger", "scopes"), "out"),
    "the file does not store activation_function": lambda: command(GPT2, "out"),
    "is a network of one's own": lambda: command(own.source("0.8.3/bert_tagger"), "out"),
    "is of no family here": lambda: command(BROUGHT / "cnn" / "cnn-0019.params", "out"),
    "not an MXNet .params file": lambda: command(written("page.params", b"<html></html>"), "out"),
    "truncated": lambda: command(written("cut.params", bort().read_bytes()[:20000]), "out"),
    "a model quantised to int8": lambda: command(
        BROUGHT / "int8" / "classifier-0000.params", "out"
    ),
    "exists; choose another --dst": lambda: command(bort(), full(), *SMALL),
    "weights are NaN or infinite": lambda: command(damaged(), "out", *SMALL, "--no-verify"),
    "pip install 'bort-convert[proof]'": without_proof,
    "parity  weak": weak,
    "The file cannot tell which GluonNLP trained it": lambda: command(BERT, "out", *HEADS),
    "assumed, not in the file": lambda: command(BERT, "out", *HEADS),
    "no text becomes ids": lambda: command(BERT, "out", *HEADS),
    "pooler.dense.weight": pooler,
}


def test_every_message_of_the_page_is_tried() -> None:
    assert [*PRINTED] == MESSAGES


@pytest.mark.parametrize("message", PRINTED)
def test_the_program_prints_the_message(
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in PRINTED[message]() + caplog.text


def test_the_messages_of_the_readme_are_among_them() -> None:
    table = PAGES["README.md"].read_text("utf-8").split("## It stopped")[1].split("\n## ")[0]
    said = re.findall(r"^\| `([^`]*)` \|", table, re.MULTILINE)
    assert len(said) == 6
    assert all(any(message.startswith(one) for message in MESSAGES) for one in said)
