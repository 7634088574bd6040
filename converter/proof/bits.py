"""Question 1: run the plan backwards; every source tensor must come back bit for bit."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError

from converter.operations import OPERATIONS
from converter.params import Weights
from converter.params.weights import PIECE
from converter.planning.base import UNCONVERTED_FILE, Plan
from converter.planning.steps import Step
from converter.proof.copies import check_copies, same_bytes
from converter.writing.safetensors import CODES
from converter.writing.shards import INDEX, WEIGHTS, stored_in

NAMED = {"identity": "the identity", "ones": "all ones"}


@dataclass(frozen=True)
class Bits:
    """`identical` tensors came back bit for bit, `cast` ones equal the cast source.

    Where it did not pass, `problems` says what differs.

    `source_sha256` is the hash of the whole source file, hexadecimal.
    """

    passed: bool
    identical: int
    cast: int
    problems: tuple[str, ...]
    source_sha256: str


def check_bits(plan: Plan, directory: Path) -> Bits:
    """Compare the weights written into `directory` with the source, through the plan's inverse.

    Both are read in pieces, the source's hash is made meanwhile: memory does not depend on sizes.
    """
    back: list[Step] = []  # one of every row that comes back
    copied = 0
    with ThreadPoolExecutor(1) as other:
        sha256 = other.submit(_sha256, plan.index.path)
        try:
            problems = [*_unaccounted(plan), *_differences(plan, directory, back)]
            wrong, copied = _exported(plan, directory / UNCONVERTED_FILE)
            problems += wrong
        except (OSError, SafetensorError, ValueError) as error:
            file = INDEX if (directory / INDEX).exists() else WEIGHTS
            problems = [f"{file} cannot be read: {error}"]
        cast = sum(len(step.sources) for step in back if step.casts)
        identical = sum(len(step.sources) for step in back) - cast + copied
        return Bits(not problems, identical, cast, tuple(problems), sha256.result())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unaccounted(plan: Plan) -> Iterator[str]:
    used = {step.source.name for step in plan.steps if step.source}
    used |= {second.name for second, _ in plan.tied} | {*plan.dropped}
    used |= {entry.name for entry in plan.exported}
    for entry in plan.index.tensors.values():
        if entry.name not in used:
            yield f"{entry.name} is nowhere in the target"


def _exported(plan: Plan, path: Path) -> tuple[Sequence[str], int]:
    """What is wrong with the heads that were written under their own names; how many are not."""
    if not plan.exported:
        return ([f"{path.name} should not be there"] if path.exists() else []), 0
    with Weights(plan.index) as weights:
        names = {entry.name: entry for entry in plan.exported}
        copies = check_copies(names, weights, path, npz=False)
        return copies.problems, copies.identical


@dataclass(frozen=True)
class _Stored:
    """Where a tensor lies in a written file, as its header says."""

    file: BinaryIO
    code: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes from `start` to `stop`."""
        stop = self.nbytes if stop is None else stop
        for at in range(start, stop, PIECE):
            self.file.seek(self.offset + at)
            yield self.file.read(min(PIECE, stop - at))


@contextmanager
def _opened(directory: Path) -> Iterator[dict[str, _Stored]]:
    """Every tensor that was written, its file open; `stored_in` has found the files sound."""
    with ExitStack() as stack:
        there: dict[str, _Stored] = {}
        for path in sorted({*stored_in(directory).values()}):
            there |= _stored(stack.enter_context(path.open("rb", buffering=0)))
        yield there


def _stored(file: BinaryIO) -> dict[str, _Stored]:
    """The header of a safetensors file."""
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: _Stored(
            file,
            entry["dtype"],
            tuple(entry["shape"]),
            8 + length + start,
            entry["data_offsets"][1] - start,
        )
        for name, entry in header.items()
        for start in entry["data_offsets"][:1]
    }


def _differences(plan: Plan, directory: Path, back: list[Step]) -> Iterator[str]:
    """What differs; `back` gets a step of every row whose sources come back."""
    with Weights(plan.index) as weights, _opened(directory) as there:
        wrong: set[str] = set()
        for step in plan.steps:
            stored = there.get(step.target)
            if stored is None:
                yield f"{step.target} was not written"
            elif (stored.code, stored.shape) != (CODES[step.dtype.name], step.shape):
                yield f"{step.target} is {stored.code} {list(stored.shape)}, not as planned"
            elif step.source is None:
                if not _is_constant(step, stored):
                    yield f"{step.target} should be {NAMED.get(step.operation, 'all zeros')}"
                continue
            else:
                continue
            wrong.add(step.target)
        for steps in plan.rows():
            if not wrong & {step.target for step in steps}:
                lines = [*_come_back(steps, weights, [there[s.target] for s in steps])]
                yield from lines
                back += [] if lines else steps[:1]
        for second, first in plan.tied:
            if not same_bytes(weights.pieces(second), weights.pieces(first)):
                yield f"{second.name} differs from {first.name}, which stands for it"
        for entry in plan.zero:
            pieces = weights.pieces(entry)
            if any(np.frombuffer(piece, entry.dtype).any() for piece in pieces):
                yield f"{entry.name} is not all zeros, and was left out"


def _is_constant(step: Step, stored: _Stored) -> bool:
    """Whether a tensor without a source is what its step says: zeros, ones, or the identity."""
    if step.operation == "ones":
        one = np.ones(1, step.dtype)
        return all((np.frombuffer(p, step.dtype) == one).all() for p in stored.pieces())
    if step.operation != "identity":
        return not any(np.frombuffer(piece, np.uint8).any() for piece in stored.pieces())
    values = np.frombuffer(b"".join(stored.pieces()), step.dtype).reshape(step.shape)
    return bool(np.array_equal(values, np.eye(*step.shape, dtype=step.dtype)))


def _come_back(steps: Sequence[Step], weights: Weights, stored: Sequence[_Stored]) -> Iterator[str]:
    """A line for each source that the inverse of what is stored does not give, bit for bit.

    `steps` are all of one row; of a cast, the cast source is expected.
    """
    first, targets = steps[0], " and ".join(step.target for step in steps)
    operation = OPERATIONS[first.operation]
    if not operation.run:
        written = [
            np.frombuffer(b"".join(where.pieces()), step.dtype).reshape(step.shape)
            for step, where in zip(steps, stored, strict=True)
        ]
        restored = operation.inverse(written, first.number)
        for source, values in zip(first.sources, restored, strict=True):
            expected = first.cast(weights.whole(source))
            if values.shape != expected.shape or values.tobytes() != expected.tobytes():
                yield f"{source.name} does not come back from {targets}"
        return
    (source,) = first.sources
    end = 0  # up to where the targets, one after the other, give the source's values
    for step, where in zip(steps, stored, strict=True):
        run = operation.run(source.shape, step.part, step.number)
        begin, itemsize = run.zeros * step.dtype.itemsize, source.dtype.itemsize
        if any(map(any, where.pieces(0, begin))):
            yield f"the rows before those of {source.name} should be zeros in {step.target}"
        pieces = weights.pieces(source, run.start * itemsize, run.stop * itemsize)
        expected_bytes: Iterator[bytes | memoryview] = pieces
        if first.casts:
            read = (np.frombuffer(piece, source.dtype) for piece in pieces)
            expected_bytes = (first.cast(piece).tobytes() for piece in read)
        if run.start > end or not same_bytes(expected_bytes, where.pieces(begin)):
            yield f"{source.name} does not come back from {targets}"
            return
        end = max(end, run.stop)
    if end < math.prod(source.shape):
        yield f"{source.name} does not come back whole from {targets}"
