"""Question 1: run the plan backwards; every source tensor must come back bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from converter.params.load import map_tensors
from converter.plan import Plan, Step
from converter.stream import CODES
from converter.verbs import VERBS

BLOCK = 4 * 1024 * 1024  # bytes of a tensor that are compared at once


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
    """Compare `model.safetensors` in `directory` with the source, through the plan's inverse."""
    with plan.index.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        with safe_open(directory / "model.safetensors", framework="numpy") as written:
            problems = [*_unaccounted(plan), *_differences(plan, written)]
    except (OSError, SafetensorError) as error:
        problems = [f"model.safetensors cannot be read: {error}"]
    moved = [step for step in plan.steps if step.source]
    cast = sum(step.casts for step in moved)
    identical = len(moved) - cast
    return Bits(not problems, identical, cast, tuple(problems), sha256)


def _unaccounted(plan: Plan) -> Iterator[str]:
    used = {step.source.name for step in plan.steps if step.source}
    used |= {second.name for second, _ in plan.tied} | {*plan.dropped}
    for name in plan.index.tensors:
        if name not in used:
            yield f"{name} is nowhere in the target"


def _differences(plan: Plan, written: Any) -> Iterator[str]:
    source = map_tensors(plan.index)
    there = set(written.keys())
    for step in plan.steps:
        if step.target not in there:
            yield f"{step.target} was not written"
            continue
        stored = written.get_slice(step.target)
        if (stored.get_dtype(), tuple(stored.get_shape())) != (CODES[step.dtype.name], step.shape):
            yield f"{step.target} is {stored.get_dtype()} {stored.get_shape()}, not as planned"
        elif step.source is None:
            if any(block.any() for block, _ in _blocks(step, stored, None)):
                yield f"{step.target} should be all zeros"
        elif any(not _same_bits(a, b) for a, b in _blocks(step, stored, source[step.source.name])):
            yield f"{step.source.name} does not come back from {step.target}"
    for first, second in ((source[a.name], source[b.name]) for a, b in plan.tied):
        if not _same_bits(first, second):
            yield "a tied tensor differs from the one that stands for it"


def _blocks(step: Step, stored: Any, source: np.ndarray | None) -> Iterator[tuple[Any, Any]]:
    """Pairs of (restored, expected) arrays; in rows where the verb leaves rows in their place."""
    verb = VERBS.get(step.verb)
    if not step.shape or (verb is not None and not verb.moves_bytes):
        restored = stored[...]
        yield (verb.inverse(restored) if verb else restored), _cast(source, step)
        return
    rows = max(1, BLOCK * step.shape[0] // max(1, step.nbytes))
    for start in range(0, step.shape[0], rows):
        end = min(start + rows, step.shape[0])
        part = None if source is None else source[start:end]
        yield stored[start:end], _cast(part, step)


def _cast(source: np.ndarray | None, step: Step) -> np.ndarray | None:
    return None if source is None else step.cast(source)


def _same_bits(first: np.ndarray, second: np.ndarray) -> bool:
    """Equality of the bytes: NaN equals itself, 0.0 is not -0.0."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    width = np.dtype(f"u{first.dtype.itemsize}")
    return np.array_equal(
        np.ascontiguousarray(first).view(width), np.ascontiguousarray(second).view(width)
    )
