"""Plan → `model.safetensors`, or shards of it, and what the plan has to stand beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConvertError, PlanError
from converter.files.progress import Progress, silent
from converter.operations import OPERATIONS
from converter.params import TensorEntry, Weights
from converter.params.nonfinite import Nonfinite, Tally
from converter.params.weights import PIECE
from converter.planning.base import UNCONVERTED_FILE, Plan
from converter.planning.options import Options, parse_size
from converter.planning.steps import Step
from converter.writing.safetensors import Pieces, Tensor, write_safetensors
from converter.writing.shards import write_shards


def write_model(
    plan: Plan,
    directory: Path,
    progress: Progress = silent,
    max_shard_size: int | str = Options.max_shard_size,
) -> Mapping[str, Nonfinite]:
    """Write `model.safetensors`, and what stands beside it, into an existing directory.

    Weights of more than `max_shard_size` (bytes, or as in "5GB") become several files and an
    index. What the class has no place for goes into `not_converted.safetensors`.

    Returns the source tensors that hold NaN or infinity, and how many; these are written too.
    Raises `PlanError` when tensors that must be equal, or zero, are not, `ConvertError` when a cast
    overflows (naming the tensor), `WriteError` when there is no room for it.
    """
    # In the source's order, so that it is read in one direction; zeros, which have none, last.
    end = plan.index.size
    steps = sorted(plan.steps, key=lambda step: step.source.offset if step.source else end)
    tally = Tally()
    with Weights(plan.index) as weights:
        _check_tied(plan, weights)
        _check_zero(plan, weights)
        tensors = [_tensor(step, weights, tally) for step in steps]
        write_shards(directory, tensors, parse_size(max_shard_size), progress)
        if plan.exported:
            write_safetensors(
                directory / UNCONVERTED_FILE,
                [_stored(e, weights, tally) for e in plan.exported],
            )
    for name, content in plan.beside().items():
        write = write_text if isinstance(content, str) else write_json
        write(directory / name, content)
    return tally.found


def write_json(path: Path, content: Any) -> None:
    """JSON as people read it: UTF-8, two spaces, a newline at the end."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """UTF-8 on every system; a file name that is no text is escaped in it (as JSON does)."""
    path.write_text(text, "utf-8", errors="backslashreplace", newline="\n")


def _tensor(step: Step, weights: Weights, tally: Tally) -> Tensor:
    def pieces() -> Pieces:
        return _pieces(step, weights, tally)

    return Tensor(step.target, step.dtype, step.shape, step.nbytes, pieces)


def _stored(entry: TensorEntry, weights: Weights, tally: Tally) -> Tensor:
    """A tensor as it is, under its own name."""

    def pieces() -> Pieces:
        return tally.watch(entry, weights.pieces(entry))

    return Tensor(entry.name, entry.dtype, entry.shape, entry.nbytes, pieces)


def _pieces(step: Step, weights: Weights, tally: Tally) -> Pieces:
    """The target's bytes of one step, in order, in pieces of at most `PIECE` where it can be."""
    if step.source is None:
        yield from constant(step)
        return
    operation, itemsize = OPERATIONS[step.operation], step.source.dtype.itemsize
    if operation.run:
        run = operation.run(step.source.shape, step.part, step.number)
        yield from _zeros(run.zeros * step.dtype.itemsize)
        pieces = weights.pieces(step.source, run.start * itemsize, run.stop * itemsize)
        if not (step.part and run.start == 0):  # else another copy: its values are counted already
            pieces = tally.watch(step.source, pieces)
        for piece in pieces:
            yield _cast(piece, step) if step.casts else piece
        return
    sources = [weights.whole(source) for source in step.sources]
    for _ in tally.watch(step.source, [_bytes_of(sources[step.part])]):
        pass
    data = _bytes_of(operation.forward(sources, step.number)[step.part])
    for piece in (data[start : start + PIECE] for start in range(0, len(data), PIECE)):
        yield _cast(piece, step) if step.casts else piece


def constant(step: Step) -> Pieces:
    """The bytes of a step without source: zeros, ones, or the identity, row by row."""
    if step.operation == "ones":
        count = math.prod(step.shape)
        for start in range(0, count, PIECE):
            yield _bytes_of(np.ones(min(PIECE, count - start), step.dtype))
        return
    if step.operation != "identity":
        yield from _zeros(step.nbytes)
        return
    for number in range(step.shape[0]):
        row = np.zeros(step.shape[1], step.dtype)
        row[number] = 1
        yield _bytes_of(row)


def _zeros(nbytes: int) -> Pieces:
    for start in range(0, nbytes, PIECE):
        yield bytes(min(PIECE, nbytes - start))


def _bytes_of(values: np.ndarray) -> memoryview:
    return values.reshape(-1).view(np.uint8).data


def _cast(piece: memoryview, step: Step) -> memoryview:
    assert step.source is not None
    values = np.frombuffer(piece, step.source.dtype)
    cast = step.cast(values)
    if not np.array_equal(np.isfinite(cast), np.isfinite(values)):
        largest = float(np.abs(values[np.isfinite(values)].astype(np.float64)).max())
        raise ConvertError(
            f"{step.source.name}: {largest:.6g} is too large for {step.dtype.name}; "
            "use --dtype bfloat16 or --dtype keep"
        )
    return cast.view(np.uint8).data


def _check_tied(plan: Plan, weights: Weights) -> None:
    """Tensors under two names are stored once: only when they are equal, byte for byte."""
    for second, first in plan.tied:
        pairs = zip(weights.pieces(second), weights.pieces(first), strict=True)
        for number, (a, b) in enumerate(pairs):
            if not np.array_equal(np.frombuffer(a, np.uint8), np.frombuffer(b, np.uint8)):
                raise PlanError(
                    f"{plan.index.path} cannot be converted as {plan.name}:",
                    [
                        f"{second.name} must equal {first.name} (one tensor under two names) and "
                        f"differs within its bytes from {number * PIECE:,} on: this decoder is "
                        f"not tied to the embedding{plan.untied(second, first)}"
                    ],
                )


def _check_zero(plan: Plan, weights: Weights) -> None:
    """Tensors that the target has no place for are left out: only when they add nothing."""
    problems = [
        f"{entry.name} must be all zeros and is not: {plan.dropped[entry.name]}"
        for entry in plan.zero
        if not is_zero(weights.pieces(entry), entry.dtype)
    ]
    if problems:
        raise PlanError(f"{plan.index.path} cannot be converted as {plan.name}:", problems)


def is_zero(pieces: Pieces, dtype: np.dtype) -> bool:
    """Whether every value is 0 (of either sign)."""
    return not any(np.frombuffer(piece, dtype).any() for piece in pieces)
