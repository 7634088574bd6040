"""Models that are known and cannot be converted: said with the reason, not as a file of no family.

They are listed in `converter/tables/unsupported.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what prints needs no more than this module
    from converter.params import Index

# Of a file that tables are tried on: each looks through all names many times. T5 of 11 billion
# weights has 900 tensors, and the longest name of any family 80 characters.
MAX_TENSORS, MAX_NAME = 2**14, 2**10
EXPORT = "`bort-convert export` takes its tensors out, under their own names"


@dataclass(frozen=True)
class Refused:
    """A model without an equal in Transformers. `names`: parameters that no other has together."""

    title: str
    names: frozenset[str]
    reason: str

    def __str__(self) -> str:
        return f"{self.title}: {self.reason}; {EXPORT}"


def refused(index: Index) -> str:
    """Why a file is of no family, where that is known; else nothing."""
    names = index.tensors.keys()
    return outsized(index) or next((str(m) for m in _models() if m.names <= names), "")


def outsized(index: Index) -> str:
    """Why no table is tried on a file: it has more than any model, or longer names."""
    count, longest = len(index.tensors), max(map(len, index.tensors), default=0)
    if count <= MAX_TENSORS and longest <= MAX_NAME:
        return ""
    return (
        f"it has {count:,} tensors, the longest name is of {longest:,} characters, and no model of "
        f"any family has more than {MAX_TENSORS:,}, or a name of more than {MAX_NAME:,}; {EXPORT}"
    )


@cache
def _models() -> tuple[Refused, ...]:
    import tomllib

    text = files("converter.tables").joinpath("unsupported.toml").read_text("utf-8")
    return tuple(
        Refused(entry["title"], frozenset(entry["names"]), entry["reason"])
        for entry in tomllib.loads(text)["refused"]
    )
