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


@dataclass(frozen=True)
class Refused:
    """A model without an equal in Transformers. `names`: parameters that no other has together."""

    title: str
    names: frozenset[str]
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.title}: {self.reason}; `bort-convert export` takes its tensors out, "
            "under their own names"
        )


def refused(index: Index) -> Refused | None:
    """The model that a file is, if it is one of these."""
    names = index.tensors.keys()
    return next((model for model in _models() if model.names <= names), None)


@cache
def _models() -> tuple[Refused, ...]:
    import tomllib

    text = files("converter.tables").joinpath("unsupported.toml").read_text("utf-8")
    return tuple(
        Refused(entry["title"], frozenset(entry["names"]), entry["reason"])
        for entry in tomllib.loads(text)["refused"]
    )
