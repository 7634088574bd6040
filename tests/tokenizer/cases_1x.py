"""The directories of fixtures/tokenizers/1x, as the program prepares them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.tokenizer import Files, TokenizerSpec, make_spec
from tests.tokenizer import cases

FOLDER = cases.FOLDER / "1x"
GOLDEN = cases.FOLDER / "gluonnlp-1.x.json"
CASES: Mapping[str, Mapping[str, Any]] = {
    case["name"]: case for case in json.loads((FOLDER / "cases.json").read_text("utf-8"))
}


def files(name: str) -> Files:
    return cases.files_of(CASES[name], FOLDER)


def recorded() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(GOLDEN.read_text("utf-8"))["cases"]
    return found


def spec_of(case: Mapping[str, Any], folder: Path, tokens: int) -> TokenizerSpec:
    """Nothing is told but what the case's version is: names and tables tell the rest."""
    rule = cases.rule_of(case["family"])
    config = cases.config(tokens) | {"n_positions": 512}
    return make_spec(rule, cases.files_of(case, folder), config, {}, version=case.get("version"))
