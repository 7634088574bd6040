"""A small Bort with the small vocabulary of its kind, converted, and what tests do with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

import converter
from converter.cli.main import main
from tests import borts
from tests.tokenizer import cases

ROWS = 605
OPTIONS: dict[str, Any] = cases.files("bort").given()
CASED: Any = cases.files("bert_cased").vocab
CHOICE = ("--family", "bort", "--config", "num_attention_heads=4")
IDS = {"pad": 1, "bos": 0, "eos": 2, "cls": 0, "sep": 2, "mask": 604, "unk": 3}


def sized(path: Path) -> Path:
    """The fixture Bort with its decoder, and as many rows as the small vocabulary has tokens."""
    arrays = dict(converter.load_params(borts.source("bort_decoder")))
    random = np.random.default_rng(6)
    for name in ("word_embed.0.weight", "decoder.3.bias"):
        old = np.asarray(arrays[name])
        arrays[name] = random.normal(0, 0.1, (ROWS, *old.shape[1:])).astype(np.float32)
    arrays["decoder.3.weight"] = arrays["word_embed.0.weight"]
    converter.save_params(path, arrays)
    return path


def convert(source: Path, out: Path, **more: Any) -> converter.Report:
    choice = more if "table" in more else {"family": "bort", **more}
    return converter.convert(source, out, config={"num_attention_heads": 4}, **choice)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def contents(folder: Path) -> Mapping[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
