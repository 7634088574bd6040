"""What only the weights tell: tensors that are equal, values that are not finite, the hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from converter.errors import ParamsError
from converter.params.entries import Index, TensorEntry
from converter.params.nonfinite import NONE, Nonfinite, count_nonfinite
from converter.params.weights import Weights


@dataclass(frozen=True)
class Content:
    """What was found while every tensor was read once.

    sha1: of the file, hexadecimal; None for a file within an archive
    equal: groups of tensors with the same dtype, shape and bytes: one tensor under several names
    constant: how many tensors hold one value throughout, as fresh biases do; not in `equal`
    nonfinite: how many values are NaN or infinite, by tensor, where there are any
    """

    sha1: str | None
    equal: tuple[tuple[str, ...], ...]
    constant: int
    nonfinite: Mapping[str, Nonfinite]


def read_content(
    index: Index, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Content:
    """Read every tensor once, in small pieces. Raises `ParamsError`, as reading does."""
    groups: dict[object, list[str]] = {}
    nonfinite, constant, done = {}, 0, 0
    total = sum(entry.nbytes for entry in index.tensors.values())
    try:
        with Weights(index) as weights:
            for entry in index.tensors.values():
                found = _Found(entry)
                for piece in weights.stored(entry):
                    found.add(piece)
                    done += len(piece)
                    progress("reading", done, total)
                constant += found.constant
                if found.nonfinite:
                    nonfinite[entry.name] = found.nonfinite
                if entry.storage == "dense" and entry.nbytes and not found.constant:
                    key = entry.dtype.name, entry.shape, entry.fortran, found.hash.digest()
                    groups.setdefault(key, []).append(entry.name)
        equal = tuple(tuple(names) for names in groups.values() if len(names) > 1)
        return Content(_sha1(index), equal, constant, nonfinite)
    except OSError as error:
        raise ParamsError(f"{index.path}: {error.strerror or error}") from error


def _sha1(index: Index) -> str | None:
    if index.container != "params":
        return None
    with index.path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


class _Found:
    """What one tensor's pieces told so far."""

    def __init__(self, entry: TensorEntry) -> None:
        self._dtype = entry.dtype
        self._first: bytes | None = None
        self._same = entry.storage == "dense"
        self.nonfinite = NONE
        self.hash = hashlib.sha256()

    @property
    def constant(self) -> bool:
        return self._same and self._first is not None

    def add(self, piece: memoryview) -> None:
        self.hash.update(piece)
        size = self._dtype.itemsize
        if self._first is None:
            self._first = bytes(piece[:size])
        if self._same:
            bits = np.frombuffer(piece, f"u{size}")
            self._same = bool((bits == np.frombuffer(self._first, f"u{size}")).all())
        self.nonfinite += count_nonfinite(piece, self._dtype)
