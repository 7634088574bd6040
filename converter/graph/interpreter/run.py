"""A whole graph, node by node, in NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from converter.errors import GraphError, safe
from converter.graph.interpreter.operator import REFERENCES, Array, Reference, Unhandled, require
from converter.graph.operators import Call, Program
from converter.graph.shapes import Spec, infer
from converter.graph.symbol import Output

# What NumPy and the functions here raise for inputs that do not fit, or are too large
FAILURES = (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError, MemoryError)
CONSTANTS = ("_zeros", "_ones", "_full")


def run(program: Program, values: Mapping[str, Array]) -> Iterator[tuple[Call, tuple[Array, ...]]]:
    """Compute a graph as MXNet does at inference: each call with its outputs, in order.

    `values` maps the names of variables to arrays, each taken when a call needs it, so it may read
    them from a file. What no later call needs is freed when the next is asked for. Calls that only
    the labels of loss heads come from are left out. Raises `GraphError` for variables without a
    value, and for a node that cannot be computed.
    """
    needed = computed_nodes(program)
    variables = program.variables()
    missing = sorted({name for n, name in variables.items() if n in needed} - set(values))
    if missing:
        raise GraphError(
            "the graph cannot be computed: these variables have no value:", [*map(safe, missing)]
        )
    calls = [call for call in program.calls if call.number in needed]
    sizes = open_sizes(program, calls, values)
    uses = Counter(source for call in calls for _, source in read(call))
    held: dict[Output, Array] = {}
    for call in calls:
        inputs = {
            name: _aligned(values[variables[source.node]])
            if source.node in variables
            else held[source]
            for name, source in read(call)
        }
        outputs = compute(call, inputs, sizes)
        del inputs
        held.update(
            (output, array)
            for n, array in enumerate(outputs)
            if uses[output := Output(call.number, n)]
        )
        for _, source in read(call):
            uses[source] -= 1
            if not uses[source]:
                held.pop(source, None)
        yield call, outputs
        del outputs


def _aligned(array: Array) -> Array:
    """As BLAS takes it: a file's arrays may begin anywhere."""
    return np.require(array, requirements="A")


def _reference(call: Call) -> Reference:
    if call.op not in REFERENCES:
        raise GraphError(f"{_where(call)}: the interpreter does not know the operator")
    return REFERENCES[call.op]


def read(call: Call) -> Iterator[tuple[str, Output]]:
    """The inputs of which the value matters, by name."""
    unread = _reference(call).unread
    return (
        (name, source)
        for name, source in zip(call.names, call.inputs, strict=True)
        if name not in unread
    )


def computed_nodes(program: Program) -> set[int]:
    """The nodes that the outputs come from."""
    needed = {head.node for head in program.graph.heads}
    for call in reversed(program.calls):
        if call.number in needed:
            needed |= {source.node for _, source in read(call)}
    return needed


def open_sizes(
    program: Program, calls: Sequence[Call], values: Mapping[str, Array]
) -> dict[int, tuple[int, ...]]:
    """The shapes of constants that leave a size open, by node: what takes them tells it."""
    numbers = [call.number for call in calls if _is_open(call)]
    if not numbers:
        return {}
    known = {
        name: Spec((array := values[name]).shape, array.dtype)
        for name in program.variables().values()
        if name in values
    }
    specs = infer(program, known)
    return {number: specs[Output(number, 0)].shape for number in numbers}


def _is_open(call: Call) -> bool:
    if call.op == "_arange":
        return call.attributes["stop"] is None and call.attributes["infer_range"]
    return call.op in CONSTANTS and 0 in (call.attributes["shape"] or ())


def _attributes(call: Call, reference: Reference) -> dict[str, Any]:
    """The attributes that the function takes. Raises `GraphError` for one that nobody knows."""
    unknown = {*call.attributes} - reference.attributes - reference.without_effect
    if unknown:
        names = ", ".join(sorted(unknown))
        raise GraphError(f"{_where(call)}: the interpreter does not know the attribute {names}")
    return {name: call.attributes[name] for name in reference.attributes}


def compute(
    call: Call, inputs: Mapping[str, Array], sizes: Mapping[int, tuple[int, ...]]
) -> tuple[Array, ...]:
    """The outputs of one call; `sizes` are of `open_sizes`. Raises `GraphError` that names it."""
    reference = _reference(call)
    attributes = _attributes(call, reference)
    if call.number in sizes:
        attributes["shape"] = sizes[call.number]
    try:
        _none_empty(inputs.values())
        with np.errstate(all="ignore"):  # MXNet does not warn either
            if call.operator.variadic:
                found = reference.function(*inputs.values(), **attributes)
            else:
                found = reference.function(**inputs, **attributes)
        outputs = found if isinstance(found, tuple) else (found,)
        _none_empty(outputs)
    except Unhandled as error:
        raise GraphError(
            f"{_where(call)}: {safe(str(error))[:80]} is not computed by the interpreter"
        ) from None
    except FAILURES as error:
        shapes = ", ".join(f"{safe(n)} {array.shape}" for n, array in inputs.items())
        raise GraphError(
            f"{_where(call)}: cannot be computed from {shapes}: {safe(str(error))[:200]}"
        ) from None
    if len(outputs) != call.outputs:
        raise GraphError(f"{_where(call)}: has {len(outputs)} outputs, and not {call.outputs}")
    return outputs


def _none_empty(arrays: Iterable[Array]) -> None:
    """MXNet reads a size of 0 as one that it does not know yet."""
    for array in arrays:
        require(array.size > 0, f"an array is empty: {array.shape}")


def _where(call: Call) -> str:
    return f"{safe(call.name)} ({call.op})"
