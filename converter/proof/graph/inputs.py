"""What goes through both sides: seeded numbers, of the sizes that were said and of others.

An input whose values a node takes for places (the words of an embedding) gets whole numbers in
range, and one that says how long sequences are gets lengths; all others get normal numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.errors import GraphError
from converter.graph.operators import Call
from converter.graph.shapes import Spec, infer
from converter.graph.symbol import Output
from converter.planning.graph import GraphPlan

SMALL = 4096  # values of all inputs
SEED = 20201022  # any fixed number: the same check every time
# Operators that hand values on as they are, so that what becomes of them tells what they are
HANDS_ON = (
    *("Cast", "amp_cast", "Reshape", "reshape_like", "Flatten", "transpose", "SwapAxis", "slice"),
    *("expand_dims", "squeeze", "slice_axis", "slice_like", "SliceChannel", "_split_v2", "Concat"),
    *("stack", "tile", "repeat", "reverse", "_copy", "BlockGrad", "SequenceReverse"),
    *("broadcast_to", "broadcast_axis", "broadcast_like"),
)
# Operators with an input that holds places, and what says how many there are of them
PLACES: Mapping[str, tuple[str, str]] = {
    "Embedding": ("data", "input_dim"),
    "one_hot": ("indices", "depth"),
    "take": ("indices", "a"),
    "batch_take": ("indices", "a"),
    "pick": ("index", "data"),
    "gather_nd": ("indices", "data"),
    "_contrib_index_copy": ("index_vector", "old_tensor"),
}
COMPARES = ("lesser", "greater", "equal")


@dataclass(frozen=True)
class Range:
    """Whole numbers from `low` to below `high`; `what` they are, in a word.

    clipped: one outside is taken for the nearest, by all that take them
    """

    low: int
    high: int
    what: str
    clipped: bool = False


def sizes_to_try(plan: GraphPlan) -> Iterator[Mapping[str, Spec]]:
    """The shapes of the plan; then a larger batch, and another height and width, where they fit.

    They fit when the shapes of the whole graph follow from them.
    """
    own = {one.name: one.spec for one in plan.inputs}
    yield own
    for tries in (_batches(own), _pictures(own)):
        for specs in tries:
            if specs != own and _fits(plan, specs):
                yield specs
                break


def _batches(own: Mapping[str, Spec]) -> Iterator[dict[str, Spec]]:
    """More along the first axis; or along every axis that has the size of the batch.

    Of small inputs many more, so that each node has values of both signs.
    """
    values = sum(math.prod(spec.shape) for spec in own.values())
    more = 16 if values <= SMALL else 1
    yield {name: Spec((s.shape[0] + more, *s.shape[1:]), s.dtype) for name, s in own.items()}
    for axis in (0, 1):
        sizes = [spec.shape[axis] for spec in own.values() if len(spec.shape) > axis]
        batch = next(iter(sizes), 0)
        yield {
            name: Spec(tuple(n + more * (n == batch) for n in spec.shape), spec.dtype)
            for name, spec in own.items()
        }


def _pictures(own: Mapping[str, Spec]) -> Iterator[dict[str, Spec]]:
    """Other heights and widths of pictures, other lengths of sequences."""
    for more in (32, 8, 16, 64, 1):
        yield {name: Spec(_grown(s.shape, more), s.dtype) for name, s in own.items()}
    yield {
        name: Spec((*s.shape[:1], *(n + 1 for n in s.shape[1:2])), s.dtype)
        if len(s.shape) == 2
        else s
        for name, s in own.items()
    }


def _grown(shape: tuple[int, ...], more: int) -> tuple[int, ...]:
    return (*shape[:2], *(size + more for size in shape[2:])) if len(shape) > 3 else shape


def _fits(plan: GraphPlan, specs: Mapping[str, Spec]) -> bool:
    try:
        infer(plan.program, {**plan.parameters, **specs})
    except GraphError:
        return False
    return True


def values_of(plan: GraphPlan, specs: Mapping[str, Spec]) -> dict[str, np.ndarray]:
    """Seeded values of every input, the same for the same shapes."""
    ranges = ranges_of(plan)
    found = {}
    for number, (name, spec) in enumerate(specs.items()):
        random = np.random.default_rng((SEED, number))
        if one := ranges.get(name):
            values: np.ndarray = random.integers(one.low, one.high, spec.shape)
            if one.clipped and values.size > 2:
                values.flat[0] = one.high
                values.flat[-1] = one.low - (spec.dtype.kind != "u")
        elif spec.dtype.kind in "iu":
            values = random.integers(0, 2, spec.shape)
        else:
            values = random.standard_normal(spec.shape)
        found[name] = values.astype(spec.dtype)
    return found


def ranges_of(plan: GraphPlan) -> dict[str, Range]:
    """The inputs that hold places or lengths, and from where to where they may be."""
    takers: dict[Output, list[tuple[str, Call]]] = {}
    for call in plan.program.calls:
        for name, source in zip(call.names, call.inputs, strict=True):
            takers.setdefault(source, []).append((name, call))
    names = {one.name for one in plan.inputs}
    found = {}
    for node, name in plan.program.variables().items():
        if name in names and (one := _range(plan, Output(node, 0), takers)):
            found[name] = one
    return found


def _range(
    plan: GraphPlan, start: Output, takers: Mapping[Output, Sequence[tuple[str, Call]]]
) -> Range | None:
    """What becomes of a value: the fewest places that it is taken for, or lengths."""
    places, lengths, clipped = [], [], True
    waiting, seen = [start], {start}
    while waiting:
        output = waiting.pop()
        for name, call in takers.get(output, ()):
            if PLACES.get(call.op, ("", ""))[0] == name:
                places.append(_count(plan, call))
                clipped &= call.op == "Embedding"
            elif name == "sequence_length":
                lengths.append(_length(plan, call))
            elif call.op in HANDS_ON:
                handed = [Output(call.number, n) for n in range(call.outputs)]
                waiting += [one for one in handed if one not in seen]
                seen.update(handed)
            elif any(word in call.op for word in COMPARES) and len(_shape(plan, start)) == 1:
                others = [_shape(plan, source) for source in call.inputs]
                lengths.append(max(max(shape, default=1) for shape in others))
    if places:
        return Range(0, max(1, min(places)), "ids", clipped)
    return Range(1, max(1, min(lengths)) + 1, "lengths") if lengths else None


def _shape(plan: GraphPlan, output: Output) -> tuple[int, ...]:
    spec = plan.specs.get(output)
    return spec.shape if spec else ()


def _count(plan: GraphPlan, call: Call) -> int:
    """How many places there are in what a call takes them from."""
    told = PLACES[call.op][1]
    if told in call.attributes:
        return int(call.attributes[told])
    data = call.input(told)
    shape = _shape(plan, data) if data else ()
    axis: Any = call.attributes.get("axis", 0)
    if call.op == "gather_nd":  # along several axes at once: the smallest
        return min(shape, default=1)
    return shape[axis] if isinstance(axis, int) and -len(shape) <= axis < len(shape) else 1


def _length(plan: GraphPlan, call: Call) -> int:
    """How long the sequences are that a call cuts."""
    shape = _shape(plan, call.inputs[0])
    axis: Any = call.attributes.get("axis", 0)
    return shape[axis] if isinstance(axis, int) and axis < len(shape) else 1
