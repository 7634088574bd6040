"""An output of a graph by its name, as MXNet's `list_outputs` and `get_internals` have it."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from converter.errors import GraphError, safe
from converter.graph.operators import operators, outputs_of
from converter.graph.symbol import Graph, Output

# FListOutputNames and ListOutputs of apache/mxnet 1.9.1, where they are none of output, output0, …
NAMED: Mapping[str, Sequence[str]] = {
    "BatchNorm": ("output", "mean", "var"),
    "BatchNorm_v1": ("output", "mean", "var"),
    "_contrib_SyncBatchNorm": ("output", "mean", "var"),
    "_contrib_BatchNormWithReLU": ("output", "mean", "var"),
    "LayerNorm": ("output", "mean", "std"),
    "GroupNorm": ("output", "mean", "std"),
    "RNN": ("output", "state_output", "statecell_output"),
}
COMPARED = 20_000  # names that a wrong one is compared with
LISTED = 5


def cut_at(graph: Graph, names: Sequence[str]) -> Graph:
    """The part of a graph that these outputs need: `--output`, as users do with `get_internals()`.

    A name is a node's, or an output's as MXNet lists it: `conv0` or `conv0_output`, and
    `split0_output1` where a node has several. Raises `GraphError` with every name that is none,
    and those that are near.
    """
    found: list[Output] = []
    problems: list[str] = []
    names_of = _Names(graph)
    for name in names:
        told = names_of.find(name)
        if isinstance(told, str):
            problems.append(told)
        else:
            found.append(told)
    if problems:
        raise GraphError("the graph cannot be cut there:", problems)
    return graph.cut(tuple(found))


def output_names(graph: Graph) -> tuple[str, ...]:
    """What MXNet calls the outputs of a graph (`list_outputs`)."""
    return tuple(map(_Names(graph).name_of, graph.heads))


class _Names:
    """The names of a graph's nodes and outputs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.taken = _taken(graph)
        self.nodes: dict[str, list[int]] = defaultdict(list)
        for number, node in enumerate(graph.nodes):
            self.nodes[node.name].append(number)

    def find(self, name: str) -> Output | str:
        """The output of this name, or why there is none."""
        if name in self.nodes:
            return self._of_node(name)
        for end in range(len(name) - 1, 0, -1):  # a node's name may hold underscores too
            if name[end] == "_" and name[:end] in self.nodes:
                number, *more = self.nodes[name[:end]]
                ends = self._ends(number)
                if name[end + 1 :] in ends:
                    if more:
                        return self._several(name[:end])
                    return Output(number, ends.index(name[end + 1 :]))
        bare = re.sub(r"_output[0-9]*$", "", name)
        near = difflib.get_close_matches(bare, [*self.nodes][-COMPARED:], n=LISTED)
        last = [node.name for node in self.graph.nodes if not node.is_variable][-LISTED:]
        told = f"near are {', '.join(map(safe, near))}"
        if not near:
            told = f"the last nodes are {', '.join(map(safe, last))}"
        return f"no node and no output is called {name[:200]!r}: {told}"

    def name_of(self, output: Output) -> str:
        """What MXNet calls an output."""
        node = self.graph.nodes[output.node]
        if node.is_variable:
            return node.name
        ends = self._ends(output.node)
        end = ends[output.number] if output.number < len(ends) else f"output{output.number}"
        return f"{node.name}_{end}"

    def _of_node(self, name: str) -> Output | str:
        number, *more = self.nodes[name]
        if more:
            return self._several(name)
        ends = self._ends(number)
        if len(ends) > 1:
            listed = ", ".join(f"{safe(name)}_{end}" for end in ends[:8])
            return f"{safe(name)} has {len(ends)} outputs; name one: {listed}"
        return Output(number, 0)

    def _several(self, name: str) -> str:
        return f"{len(self.nodes[name])} nodes are called {safe(name)}, and none can be told"

    def _ends(self, number: int) -> Sequence[str]:
        """How the names of a node's outputs end."""
        node = self.graph.nodes[number]
        count = outputs_of(node, self.graph.version) or self.taken[number]
        operator = operators().get(node.op)
        ends = NAMED.get(operator.name if operator else node.op, ())[:count]
        if len(ends) == count:
            return ends
        return ("output",) if count == 1 else [f"output{n}" for n in range(count)]


def _taken(graph: Graph) -> Mapping[int, int]:
    """How many outputs of each node others take: the least that one not supported has."""
    counts: dict[int, int] = defaultdict(lambda: 1)
    for node in graph.nodes:
        for source in node.inputs:
            counts[source.node] = max(counts[source.node], source.number + 1)
    for head in graph.heads:
        counts[head.node] = max(counts[head.node], head.number + 1)
    return counts
