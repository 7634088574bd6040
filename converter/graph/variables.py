"""Which variables of a graph are parameters, which are inputs, and which labels disappear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from converter.graph.operators import Call, Program

# How MXNet's layers call what is trained, and the statistics they keep: their own inputs' names,
# and the ends of the names of variables (apache/mxnet python/mxnet/initializer.py, 1.9.1)
TRAINED = (
    *("weight", "bias", "gamma", "beta", "moving_mean", "moving_var", "moving_avg", "parameters"),
    *("running_mean", "running_var", "moving_inv_var", "h2h_weight", "i2h_weight"),
)
FILE_KINDS = ("arg:", "aux:")


@dataclass(frozen=True)
class Variables:
    """What the variables of a graph are, each name once, in the graph's order.

    `parameters` maps those with a value to their name in the file; `missing` are parameters
    without one; `labels` feed nothing but loss heads and disappear; `unused` are the names of the
    file that no variable has.
    """

    parameters: Mapping[str, str]
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def inputs_of(program: Program, names: Iterable[str]) -> Variables:
    """Tell the variables of a graph apart by the names in its parameters file.

    A file of `HybridBlock.export` or `Module.save_checkpoint` has `arg:NAME` and `aux:NAME`, one of
    `collect_params().save` the plain NAME. A variable without a value is a parameter where a layer
    takes it as one (weight, bias, gamma, …), has a name that ends so, or states an initializer
    (`__init__`); else it is an input.
    """
    by_variable: dict[str, str] = {}
    unused: dict[str, None] = dict.fromkeys(names)
    for name in unused:
        kind = next((kind for kind in FILE_KINDS if name.startswith(kind)), "")
        by_variable.setdefault(name.removeprefix(kind), name)
    needed = needed_nodes(program)
    taken = _taken_as(program)
    parameters, kinds = dict[str, str](), dict[str, str]()
    for number, name in program.variables().items():
        if name in by_variable:
            parameters[name] = by_variable[name]
            unused.pop(by_variable[name], None)
            continue
        trained = (
            "__init__" in program.graph.nodes[number].user
            or name.endswith(tuple(f"_{end}" for end in TRAINED))
            or any(end in TRAINED for end in taken[number])
        )
        kind = "label" if number not in needed else "missing" if trained else "input"
        # Of two nodes with one name, the one that something is needed for decides
        if kinds.get(name) in (None, "label"):
            kinds[name] = kind
    by_kind = {
        kind: tuple(n for n, own in kinds.items() if own == kind)
        for kind in ("input", "label", "missing")
    }
    return Variables(
        parameters, by_kind["input"], by_kind["label"], by_kind["missing"], tuple(unused)
    )


def needed_nodes(program: Program) -> frozenset[int]:
    """The nodes that the outputs need at inference: all but what feeds labels of loss heads."""
    calls = {call.number: call for call in program.calls}
    needed, waiting = set[int](), [head.node for head in program.graph.heads]
    while waiting:
        number = waiting.pop()
        if number in needed:
            continue
        needed.add(number)
        call = calls.get(number)
        if call is None:  # a variable, or what is not supported
            waiting += [source.node for source in program.graph.nodes[number].inputs]
        else:
            pairs = zip(call.names, call.inputs, strict=True)
            waiting += [source.node for name, source in pairs if name not in call.operator.labels]
    return frozenset(needed)


def first_steps(program: Program, name: str) -> tuple[Call, ...]:
    """What the graph itself does with an input first: the constants it adds or multiplies.

    They are a part of the preprocessing (mean, scale); what the file does not hold is the rest.
    """
    takers: dict[int, list[Call]] = defaultdict(list)
    for call in program.calls:
        for number in {source.node for source in call.inputs}:
            takers[number].append(call)
    place = next((n for n, own in program.variables().items() if own == name), None)
    found: list[Call] = []
    while place is not None and len(takers[place]) == 1:
        (call,) = takers[place]
        if call.op.endswith("_scalar"):
            found.append(call)
        elif call.op not in ("_copy", "Cast", "amp_cast"):
            break
        place = call.number
    return tuple(found)


def _taken_as(program: Program) -> Mapping[int, set[str]]:
    """The names of the inputs that each node feeds."""
    taken: dict[int, set[str]] = defaultdict(set)
    for call in program.calls:
        for name, source in zip(call.names, call.inputs, strict=True):
            taken[source.node].add(name)
    return taken
