"""The source side of parity: GluonNLP's arithmetic on the tensors of the file."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from converter.errors import ConvertError
from converter.params import TensorEntry
from converter.params import Weights as Stored
from converter.planning.plan import TablePlan
from converter.proof.reference.layers import (
    Dropped,
    Inputs,
    InputSpec,
    Outputs,
    Place,
    Streamed,
    Weights,
)
from converter.proof.reference.settings import (
    expressible_settings,
    reference_of,
    source_settings,
)

BLOCK = 16 * 1024 * 1024  # bytes of a table of words that are in memory at once


def run_source(
    plan: TablePlan,
    inputs: Inputs,
    *,
    cast: bool = True,
    exported: bool = False,
    settings: Mapping[str, Any] | None = None,
    dense: Place | None = None,
) -> Outputs:
    """GluonNLP's arithmetic on the source's tensors, as they are or cast as the plan casts.

    `exported`: with the tensors that the target has no place for.
    `settings` replaces some of `expressible_settings`. `dense` is a place for what each Dense
    gives, in whatever form; without it they are dropped.
    """
    chosen = {**source_settings(plan), **expressible_settings(plan), **(settings or {})}
    with _forward_pass(plan) as reference, Stored(plan.index) as stored:
        params = _SourceTensors(plan, stored, cast, exported)
        weights = Weights(params, plan.match.prefix, Dropped() if dense is None else dense)
        outputs: Outputs = reference.forward(weights, inputs, **chosen)
    return outputs


def source_input_spec(plan: TablePlan) -> InputSpec:
    """What inputs the source takes, from its tensors; not from our tables."""
    with _forward_pass(plan) as reference, Stored(plan.index) as stored:
        params = _SourceTensors(plan, stored, False)
        spec: InputSpec = reference.input_spec(Weights(params, plan.match.prefix))
    return spec


@contextmanager
def _forward_pass(plan: TablePlan) -> Iterator[Any]:
    """The module of the reference that the table names; its failures say what they mean."""
    try:
        name = reference_of(plan).forward
        yield importlib.import_module(f"converter.proof.reference.{name}")
    except (KeyError, ValueError, IndexError) as error:  # a user's table for another reference
        raise ConvertError(
            f"{plan.index.path}: the reference {plan.table.reference!r} cannot run on its tensors "
            f"({type(error).__name__}: {error}); without it nothing is proven: --no-verify converts"
        ) from error


class _SourceTensors(Streamed):
    """The source's tensors by structural name, read when asked for; cast as the plan casts.

    Without the exported ones, unless asked for: the target has no place for what is made of them.
    What is around the model in a network of one's own is no part of it, whatever it is called.
    Not mapped into memory: a source that is cut short meanwhile is an error then, not a crash.
    """

    def __init__(
        self,
        plan: TablePlan,
        stored: Stored,
        cast: bool,
        exported: bool = False,
    ) -> None:
        left_out = {*plan.match.around}
        if not exported:
            left_out |= {entry.name for entry in plan.exported}
        self._tensors = {n: e for n, e in plan.index.tensors.items() if e.name not in left_out}
        self._stored = stored
        self._casts = {s.source.name: s for s in plan.steps if cast and s.source and s.casts}

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._tensors[name]
        return self._cast(entry, self._stored.whole(entry))

    def _cast(self, entry: TensorEntry, array: np.ndarray) -> np.ndarray:
        step = self._casts.get(entry.name)
        return step.cast(array) if step else array

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def rows(self, name: str, ids: np.ndarray) -> np.ndarray:
        entry = self._tensors[name]
        numbers, places = np.unique(ids.reshape(-1), return_inverse=True)
        if numbers.size and not 0 <= numbers[0] <= numbers[-1] < entry.shape[0]:
            raise IndexError(f"{entry.name} has {entry.shape[0]:,} rows, not {numbers[-1]:,}")
        found = np.empty((len(numbers), *entry.shape[1:]), entry.dtype)
        if entry.packed is None and not entry.fortran:
            nbytes = found[:1].nbytes
            for row, number in zip(found, numbers.tolist(), strict=True):
                pieces = self._stored.pieces(entry, number * nbytes, (number + 1) * nbytes)
                row.view(np.uint8)[:] = np.frombuffer(b"".join(pieces), np.uint8)
        else:  # its bytes are found by reading all that is before them: once, then
            start = 0
            for block in self._blocks(entry):
                here = (numbers >= start) & (numbers < start + len(block))
                found[here] = block[numbers[here] - start]
                start += len(block)
        return self._cast(entry, found)[places].reshape(*ids.shape, *entry.shape[1:])

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        entry = self._tensors[name]
        for block in self._blocks(entry):
            yield self._cast(entry, block)

    def _blocks(self, entry: TensorEntry) -> Iterator[np.ndarray]:
        nbytes = entry.dtype.itemsize * math.prod(entry.shape[1:])  # of a row
        block = np.empty(
            (max(1, min(entry.shape[0], BLOCK // max(1, nbytes))), *entry.shape[1:]), entry.dtype
        )
        data, filled = block.reshape(-1).view(np.uint8), 0
        for piece in self._stored.pieces(entry):
            while piece:
                count = min(len(piece), len(data) - filled)
                data[filled : filled + count] = np.frombuffer(piece[:count], np.uint8)
                filled, piece = filled + count, piece[count:]
                if filled == len(data):
                    yield block
                    filled = 0
        if filled:
            yield block[: filled // nbytes]

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)
