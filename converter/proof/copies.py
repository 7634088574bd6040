"""The proof of an export: every tensor, read back by the target's own library, is the source's.

Both sides are streamed. safetensors maps the whole file into memory, so the file is opened anew
every few megabytes: what was read is let go.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib import format as npy
from safetensors import SafetensorError, safe_open

from converter.files.progress import Progress, silent
from converter.params import TensorEntry, Weights
from converter.writing.npz import SUFFIX
from converter.writing.safetensors import CODES

BLOCK = 4 * 1024 * 1024  # bytes that are read back at once
HELD = 4 * BLOCK  # bytes that are read of one mapping


@dataclass(frozen=True)
class Copies:
    """`identical` tensors were read back bit for bit; `problems` names the others."""

    passed: bool
    identical: int
    problems: tuple[str, ...]


def check_copies(
    names: Mapping[str, TensorEntry],
    weights: Weights,
    path: Path,
    *,
    npz: bool,
    progress: Progress = silent,
) -> Copies:
    """Read `path` back: it must hold `names` (target name → source tensor) and nothing else."""
    open_target = _Npz if npz else _Safetensors
    problems, identical = [], 0
    done, total = 0, sum(entry.dense_nbytes for entry in names.values())
    try:
        with open_target(path) as target:
            there = target.names()
            problems += [f"unexpected: {name}" for name in sorted(there - names.keys())]
            for name, entry in names.items():
                if name not in there:
                    problems.append(f"{name} was not written")
                elif not target.is_like(name, entry):
                    problems.append(f"{name} has not the dtype and shape of {entry.name}")
                elif not same_bytes(weights.pieces(entry), target.pieces(name)):
                    problems.append(f"{name} is not {entry.name}, bit for bit")
                else:
                    identical += 1
                done += entry.dense_nbytes
                progress("checking", done, total)
    except (OSError, ValueError, EOFError, BadZipFile, SafetensorError) as error:
        problems.append(f"what was written cannot be read: {error}")
    return Copies(not problems, identical, tuple(problems))


class _Safetensors:
    """A safetensors file, through the safetensors library."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def __enter__(self) -> _Safetensors:
        opened: Any = safe_open(self._path, framework="numpy")
        self._file = opened.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__(None, None, None)

    def names(self) -> set[str]:
        return set(self._file.keys())

    def is_like(self, name: str, entry: TensorEntry) -> bool:
        stored = self._file.get_slice(name)
        found = stored.get_dtype(), tuple(stored.get_shape())
        self._shape, self._itemsize = entry.shape, entry.dtype.itemsize
        return bool(found == (CODES[entry.dtype.name], entry.shape))

    def pieces(self, name: str) -> Iterator[memoryview]:
        if not self._shape:  # older versions of the library cut no scalar
            yield np.ascontiguousarray(self._file.get_tensor(name)).reshape(-1).view(np.uint8).data
            return
        for place in _blocks(self._shape, self._itemsize):
            if self._read > HELD:
                self.__exit__()
                self.__enter__()
                self._read = 0
            block = np.ascontiguousarray(self._file.get_slice(name)[place])
            self._read += block.nbytes
            yield block.reshape(-1).view(np.uint8).data


class _Npz:
    """An `.npz`, opened by `numpy.load`; its members are streamed, which that cannot do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Npz:
        with ExitStack() as stack:  # numpy.load leaves a damaged file open
            opened = stack.enter_context(self._path.open("rb"))
            self._file = stack.enter_context(np.load(opened, allow_pickle=False))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def names(self) -> set[str]:
        return set(self._file.files)

    def is_like(self, name: str, entry: TensorEntry) -> bool:
        self._member = self._file.zip.open(name + SUFFIX)
        npy.read_magic(self._member)
        found = npy.read_array_header_1_0(self._member)
        return found == (entry.shape, False, entry.dtype)

    def pieces(self, name: str) -> Iterator[memoryview]:
        with self._member as member:
            while piece := member.read(BLOCK):
                yield memoryview(piece)


def _blocks(shape: tuple[int, ...], itemsize: int) -> Iterator[Any]:
    """Places of a tensor that follow one another in memory, each at most `BLOCK` bytes.

    shape: not that of a scalar, which has no place
    """
    if not math.prod(shape):
        return
    axis = 0
    while axis < len(shape) and math.prod(shape[axis + 1 :]) * itemsize > BLOCK:
        axis += 1
    rows = max(1, BLOCK // (math.prod(shape[axis + 1 :]) * itemsize))
    for before in product(*map(range, shape[:axis])):
        outer = tuple(slice(at, at + 1) for at in before)
        for start in range(0, shape[axis], rows):
            yield (*outer, slice(start, min(start + rows, shape[axis])))


def same_bytes(first: Iterator[bytes | memoryview], second: Iterator[bytes | memoryview]) -> bool:
    """Equality of the bytes, however each side is cut: NaN equals itself, 0.0 is not -0.0.

    Pieces are not empty; a piece may die when the next one is asked for.
    """
    a: bytes | memoryview = b""
    b: bytes | memoryview = b""
    while True:
        a, b = a or next(first, a), b or next(second, b)
        count = min(len(a), len(b))
        if not count:
            return not a and not b
        same = np.array_equal(
            np.frombuffer(a[:count], np.uint8), np.frombuffer(b[:count], np.uint8)
        )
        if not same:
            return False
        a, b = a[count:], b[count:]
