"""The fixture Borts, for the tests: names, plans, recordings, and a directory written of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.params import read_index
from converter.planning.plan import TablePlan, make_plan
from converter.tables.load import load_family
from converter.tables.table import Table
from converter.writing.model import write_model

FIXTURES = Path(__file__).parents[1] / "fixtures"
MANIFEST: Mapping[str, Mapping[str, Any]] = json.loads((FIXTURES / "manifest.json").read_text())
NAMES = sorted(MANIFEST)


def source(name: str) -> Path:
    return FIXTURES / f"{name}.params"


def golden(name: str) -> Path:
    return FIXTURES / f"{name}.golden.npz"


def heads(name: str) -> dict[str, Any]:
    """The one config field that a fixture's file does not tell."""
    return {"num_attention_heads": MANIFEST[name]["num_attention_heads"]}


def plan_of(
    name: str, dtype: str = "keep", table: Table | None = None, **overrides: Any
) -> TablePlan:
    table = table or load_family("bort")
    return make_plan(read_index(source(name)), [table], {**heads(name), **overrides}, dtype)


def written(plan: TablePlan, directory: Path) -> Path:
    directory.mkdir()
    write_model(plan, directory)
    return directory


def recorded(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays that MXNet recorded, and what the file says about itself."""
    with np.load(golden(name)) as file:
        arrays = {key: file[key] for key in file.files}
    return arrays, json.loads(str(arrays.pop("about")))
