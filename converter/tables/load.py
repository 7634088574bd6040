"""TOML → Table: the package's own tables and a user's; what they say is checked at once."""

from __future__ import annotations

import os
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from converter.errors import TableError
from converter.files.regular import read_regular
from converter.tables.check import problems_of
from converter.tables.read import read_record
from converter.tables.table import Table

# The longest table of the package has 8,600. A key of 30,000 dots costs TOML's parser gigabytes.
MAX_BYTES = 2**15
LISTED = 50  # contradictions that are spelled out; the rest is counted
FAMILIES = resources.files("converter.tables") / "families"
SHARED = FAMILIES / "shared"
# The left side of a row, or of a kind of layer, with a layer's number in it
OF_A_LAYER = re.compile(r'^(?:from *= *)?"([^"]*\{[^"]*)"', re.MULTILINE)


def family_names() -> list[str]:
    """The names of the tables that come with the package."""
    return sorted(
        f.name.removesuffix(".toml") for f in FAMILIES.iterdir() if f.name[-5:] == ".toml"
    )


def layer_words(family: str) -> list[set[str]]:
    """What is in every name of a layer of the family, for each kind of layer."""
    text = (FAMILIES / f"{family}.toml").read_text("utf-8")
    return [{w for w in name.split(".") if w and "{" not in w} for name in OF_A_LAYER.findall(text)]


def load_family(name: str) -> Table:
    """A table of the package, by name. Raises `TableError` listing the names there are."""
    if name not in family_names():
        raise TableError(
            f"there is no family {name!r}; there are: {', '.join(family_names())}. "
            "A table of your own is given with --table FILE."
        )
    # That none of them contradicts itself is tested once, not in every run
    return _read_table((FAMILIES / f"{name}.toml").read_text("utf-8"), name, f"{name}.toml")


def load_table(path: str | os.PathLike[str]) -> Table:
    """A user's own table; its name is the file's. Raises `TableError`."""
    path = Path(path)
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TableError(f"{path}: cannot be read as a table: {reason or error}") from error
    return parse_table(text, path.stem, str(path))


def parse_table(text: str, name: str, origin: str) -> Table:
    """TOML text → checked table. Raises `TableError` naming `origin` and the key."""
    table = _read_table(text, name, origin)
    problems = [*dict.fromkeys(problems_of(table))]  # two targets may share one
    if len(problems) > LISTED:
        problems[LISTED:] = [f"  - … and {len(problems) - LISTED} more"]
    if problems:
        raise TableError("\n".join([f"{origin}: the table contradicts itself:", *problems]))
    return table


def _read_table(text: str, name: str, origin: str) -> Table:
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of 5,000 digits
        raise TableError(f"{origin}: not TOML: {error}") from error
    data = _with_shared(data, origin)
    table: Table = read_record(Table, data, origin, name=name, origin=origin, text=text)
    return table


def _with_shared(data: dict[str, Any], origin: str) -> dict[str, Any]:
    """What the table says, and what the files of `families/shared/` say that it includes.

    A list is longer by theirs, a section has their keys too; a key of its own is the table's.
    """
    names = data.get("include", [])
    there = sorted(f.name.removesuffix(".toml") for f in SHARED.iterdir())
    for name in names if isinstance(names, list) else ():
        if name not in there:
            raise TableError(f"{origin}: include: no {name!r}; there are: {', '.join(there)}")
        for key, shared in tomllib.loads((SHARED / f"{name}.toml").read_text("utf-8")).items():
            own = data.setdefault(key, type(shared)())
            if isinstance(own, list):
                data[key] = [*shared, *own]
            elif isinstance(own, dict):
                data[key] = {**shared, **own}
    return data
