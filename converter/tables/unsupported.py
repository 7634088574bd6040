"""Files that are known and cannot be converted: said with the reason, not as a file of no family.

They are listed in `converter/tables/unsupported.toml`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what prints needs no more than this module
    from converter.params import Index

# Of a file that tables are tried on: each looks through all names many times. T5 of 11 billion
# weights has 900 tensors, and the longest name of any family 80 characters.
MAX_TENSORS, MAX_NAME = 2**14, 2**10


@dataclass(frozen=True)
class Refused:
    """What a file may be that no table converts: its own name, and names of tensors, tell it.

    file, names: patterns in which `*` is any text. The file's own name, or that in its archive, is
    one of `file`, if there are any, and each of `names` is some tensor's, without arg: and aux:.
    next: what is better than to copy the tensors, if anything is
    """

    title: str
    reason: str
    file: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    next: str = ""

    def fits(self, own: set[str], tensors: list[str]) -> bool:
        """Whether a file of these names of its own, with these tensors, is one."""
        told = not self.file or any(_met(pattern, own) for pattern in self.file)
        return told and all(_met(pattern, tensors) for pattern in self.names)

    def lines(self) -> list[str]:
        """What it is and why it is refused, and the better way."""
        return [f"{self.title}: {self.reason}", *([self.next] if self.next else [])]


def refused(index: Index) -> list[str]:
    """Why a file is of no family, where that is known, and what to do; else nothing."""
    if problem := outsized(index):
        return [problem]
    named = (entry.name for entry in index.tensors.values())
    tensors = [name.removeprefix("arg:").removeprefix("aux:") for name in named]
    own = {index.path.name, (index.member or "").rpartition("/")[2]}
    found = next((one for one in _listed() if one.fits(own, tensors)), None)
    return [*found.lines(), export_line(index)] if found else []


def outsized(index: Index) -> str:
    """Why no table is tried on a file: it has more than any model, or longer names."""
    count, longest = len(index.tensors), max(map(len, index.tensors), default=0)
    if count <= MAX_TENSORS and longest <= MAX_NAME:
        return ""
    return (
        f"it has {count:,} tensors, the longest name is of {longest:,} characters, and no model of "
        f"any family has more than {MAX_TENSORS:,}, or a name of more than {MAX_NAME:,}; "
        f"{export_line(index)}"
    )


def export_line(index: Index) -> str:
    """The command that takes the tensors of any file out, as it is typed."""
    path = str(index.path)
    source = shlex.quote(f"./{path}" if path.startswith("-") else path)
    sparse = any(entry.storage in ("row_sparse", "csr") for entry in index.tensors.values())
    return (
        f"to copy its tensors under their own names: bort-convert export {source} out.safetensors"
        + (" --densify" if sparse else "")
    )


def _met(pattern: str, names: set[str] | list[str]) -> bool:
    fits = _compiled(pattern).fullmatch
    return any(fits(name) for name in names)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@cache
def _listed() -> tuple[Refused, ...]:
    import tomllib

    text = files("converter.tables").joinpath("unsupported.toml").read_text("utf-8")
    kinds: list[dict[str, Any]] = tomllib.loads(text)["refused"]
    for kind in kinds:
        kind.update({key: tuple(kind[key]) for key in ("file", "names") if key in kind})
    return tuple(Refused(**kind) for kind in kinds)
