"""The source side of parity: GluonNLP's arithmetic on the tensors of the file."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from converter.errors import ConvertError
from converter.params import Weights as Stored
from converter.planning.plan import TablePlan
from converter.proof.reference.layers import Inputs, InputSpec, Outputs, Weights
from converter.proof.reference.settings import (
    expressible_settings,
    reference_of,
    source_settings,
)


def run_source(
    plan: TablePlan,
    inputs: Inputs,
    *,
    cast: bool = True,
    exported: bool = False,
    settings: Mapping[str, Any] | None = None,
    kept: dict[str, np.ndarray] | None = None,
) -> Outputs:
    """GluonNLP's arithmetic on the source's tensors, as they are or cast as the plan casts.

    `exported`: with the tensors that the target has no place for.
    `settings` replaces some of `expressible_settings`. `kept` is a place for the largest tensor
    (the word embedding), so that another run on the same plan need not read it again.
    """
    chosen = {**source_settings(plan), **expressible_settings(plan), **(settings or {})}
    with _forward_pass(plan) as reference, Stored(plan.index) as stored:
        params = _SourceTensors(plan, stored, cast, {} if kept is None else kept, exported)
        outputs: Outputs = reference.forward(Weights(params, plan.match.prefix), inputs, **chosen)
    return outputs


def source_input_spec(plan: TablePlan) -> InputSpec:
    """What inputs the source takes, from its tensors; not from our tables."""
    with _forward_pass(plan) as reference, Stored(plan.index) as stored:
        params = _SourceTensors(plan, stored, False, {})
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


class _SourceTensors(Mapping[str, np.ndarray]):
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
        kept: dict[str, np.ndarray],
        exported: bool = False,
    ) -> None:
        left_out = {*plan.match.around}
        if not exported:
            left_out |= {entry.name for entry in plan.exported}
        self._tensors = {n: e for n, e in plan.index.tensors.items() if e.name not in left_out}
        self._stored, self._kept = stored, kept
        self._largest = max((e.dense_nbytes for e in self._tensors.values()), default=0)
        self._casts = {s.source.name: s for s in plan.steps if cast and s.source and s.casts}

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._tensors[name]
        array = self._kept.get(name)
        if array is None:
            array = self._stored.whole(entry)
            if entry.dense_nbytes == self._largest:
                self._kept[name] = array
        step = self._casts.get(entry.name)
        return step.cast(array) if step else array

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)
