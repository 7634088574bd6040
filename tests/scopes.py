"""What GluonNLP calls its parameters, as recorded (fixtures/scopes/), and their tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from converter.params import Index
from converter.tables.load import family_names, load_family
from converter.tables.table import Table
from tests.indexes import make_index

FOLDER = Path(__file__).parents[1] / "fixtures" / "scopes"
RECORDED: Mapping[str, Mapping[str, Any]] = {
    path.stem.removeprefix("gluonnlp-"): json.loads(path.read_text())["models"]
    for path in sorted(FOLDER.glob("gluonnlp-*.json"))
}
MODELS = [(version, name) for version, models in RECORDED.items() for name in models]
TABLES = {name: load_family(name) for name in family_names()}


def names_of(version: str, model: str) -> dict[str, str]:
    """Structural name → name-scope name."""
    return dict(RECORDED[version][model])


def index_of(names: Iterable[str], kind: str = "") -> Index:
    """An index of these names, each once; the shapes do not matter here."""
    return make_index({kind + name: (1,) for name in names})


def table_of(model: str) -> Table:
    """The family of a recorded model."""
    return TABLES.get(model.partition("_")[0], TABLES["bert"])
