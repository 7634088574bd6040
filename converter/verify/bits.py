"""Question 1: run the plan backwards; every source tensor must come back bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from converter.params import Weights
from converter.params.weights import PIECE
from converter.plan import Plan, Step
from converter.stream import CODES
from converter.verbs import VERBS
from converter.verify.bytes import same_bytes


@dataclass(frozen=True)
class Bits:
    """`identical` tensors came back bit for bit, `cast` ones equal the cast source.

    `source_sha256` is the hash of the whole source file, hexadecimal.
    """

    passed: bool
    identical: int
    cast: int
    problems: tuple[str, ...]
    source_sha256: str


def check_bits(plan: Plan, directory: Path) -> Bits:
    """Compare `model.safetensors` in `directory` with the source, through the plan's inverse.

    Both are read in pieces, the source's hash is made meanwhile: memory does not depend on sizes.
    """
    with ThreadPoolExecutor(1) as other:
        sha256 = other.submit(_sha256, plan.index.path)
        try:
            problems = [*_unaccounted(plan), *_differences(plan, directory / "model.safetensors")]
        except (OSError, SafetensorError) as error:
            problems = [f"model.safetensors cannot be read: {error}"]
        moved = [step for step in plan.steps if step.source]
        cast = sum(step.casts for step in moved)
        identical = len(moved) - cast
        return Bits(not problems, identical, cast, tuple(problems), sha256.result())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unaccounted(plan: Plan) -> Iterator[str]:
    used = {step.source.name for step in plan.steps if step.source}
    used |= {second.name for second, _ in plan.tied} | {*plan.dropped}
    for name in plan.index.tensors:
        if name not in used:
            yield f"{name} is nowhere in the target"


@dataclass(frozen=True)
class _Stored:
    """Where a tensor lies in the written file, as its header says."""

    code: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int

    def pieces(self, file: BinaryIO) -> Iterator[bytes]:
        for start in range(0, self.nbytes, PIECE):
            file.seek(self.offset + start)
            yield file.read(min(PIECE, self.nbytes - start))


def _stored(path: Path) -> dict[str, _Stored]:
    """The header of a safetensors file, once the library has found it sound."""
    with safe_open(path, framework="numpy"):
        pass
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: _Stored(
            entry["dtype"],
            tuple(entry["shape"]),
            8 + length + start,
            entry["data_offsets"][1] - start,
        )
        for name, entry in header.items()
        for start in entry["data_offsets"][:1]
    }


def _differences(plan: Plan, path: Path) -> Iterator[str]:
    there = _stored(path)
    with Weights(plan.index) as weights, path.open("rb", buffering=0) as file:
        for step in plan.steps:
            stored = there.get(step.target)
            if stored is None:
                yield f"{step.target} was not written"
            elif (stored.code, stored.shape) != (CODES[step.dtype.name], step.shape):
                yield f"{step.target} is {stored.code} {list(stored.shape)}, not as planned"
            elif step.source is None:
                if any(any(piece) for piece in stored.pieces(file)):
                    yield f"{step.target} should be all zeros"
            elif not _comes_back(step, weights, stored.pieces(file)):
                yield f"{step.source.name} does not come back from {step.target}"
        for second, first in plan.tied:
            if not same_bytes(weights.pieces(second), weights.pieces(first)):
                yield f"{second.name} differs from {first.name}, which stands for it"


def _comes_back(step: Step, weights: Weights, stored: Iterator[bytes]) -> bool:
    """Whether the verb's inverse of what is stored is the source, bit for bit, after the cast."""
    assert step.source is not None
    verb = VERBS[step.verb]
    if not verb.moves_bytes:
        written = np.frombuffer(b"".join(stored), step.dtype).reshape(step.shape)
        expected = step.cast(weights.whole(step.source))
        restored = verb.inverse(written)
        return restored.shape == expected.shape and restored.tobytes() == expected.tobytes()
    source, dtype = weights.pieces(step.source), step.source.dtype
    if not step.casts:
        return same_bytes(source, stored)
    cast = (step.cast(np.frombuffer(piece, dtype)).tobytes() for piece in source)
    return same_bytes(cast, stored)
