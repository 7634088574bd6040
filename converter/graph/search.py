"""Sizes that are assumed where none is stated: those with which a graph's weights fit.

A network of convolutions up to a dense layer fits few sizes of a square picture: they are searched.
Behind a global pooling every size fits, and none follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from converter.errors import GraphError
from converter.graph.operators import Call, Program
from converter.graph.shapes.rules import product, shown
from converter.graph.shapes.solve import Solution, Spec, solve
from converter.graph.shapes.two_way import Dims, full
from converter.graph.symbol import Output

LARGEST = 2048  # the side of a picture, or the length, that is searched for
TRIED = 64  # sizes of those that fit the first dense layer
WORK = 300_000  # calls looked at while sizes are searched: some seconds
# What published networks take: tried first, in this order
USUAL = (224, 299, 112, 28, 32, 24, 48, 64, 96, 128, 160, 227, 256, 300, 320, 416, 512)
AXES = {3: "NCW", 4: "NCHW", 5: "NCDHW"}


class Search:
    """What is known of the variables, and what was assumed to know it."""

    def __init__(self, program: Program, parameters: Mapping[str, Spec]) -> None:
        self.program = program
        self.known: dict[str, Dims] = {name: spec.shape for name, spec in parameters.items()}
        self.assumed: dict[str, list[str]] = defaultdict(list)
        self.places = {name: node for node, name in program.variables().items()}
        self.left = WORK

    def solved(self, name: str | None = None, dims: Dims = None) -> Solution:
        """What follows from what is known, and from other dims of one variable."""
        self.left -= len(self.program.calls)
        return solve(self.program, self.known | ({name: dims} if name is not None else {}))

    def take(self, solution: Solution, names: Sequence[str]) -> None:
        """Keep what a solution tells of these variables. Raises `GraphError` if it does not fit."""
        if solution.problems:
            raise GraphError("the shapes of the graph do not fit:", solution.problems)
        for name in names:
            self.known[name] = solution.dims[Output(self.places[name], 0)]

    def learn(self, inputs: Sequence[str]) -> None:
        """Fill in what follows, then what is assumed: dimensions, a batch of 1, a size."""
        self.take(self.solved(), inputs)
        for name in inputs:
            if self.known.get(name) is None and self.left > 0:
                any(self._as_rank(name, inputs, rank) for rank in (2, 3))
        self._one_batch(inputs)
        open_ = [name for name in inputs if not full(self.known.get(name))]
        if len(open_) == 1:
            (name,) = open_
            for dims, assumed in _searchable(self.known.get(name)):
                if self._search(name, dims, assumed, inputs):
                    break

    def _as_rank(self, name: str, inputs: Sequence[str], rank: int) -> bool:
        """Dimensions of which all but the first then follow."""
        solution = self.solved(name, (None,) * rank)
        dims = solution.dims[Output(self.places[name], 0)]
        if solution.problems or dims is None or None in dims[1:]:
            return False
        self.take(solution, inputs)
        self.assumed[name].append(f"{rank} dimensions")
        return True

    def _one_batch(self, inputs: Sequence[str]) -> None:
        """A batch of 1, where the other sizes follow, or only those of a picture do not."""
        for name in inputs:
            dims = self.known.get(name)
            if dims and dims[0] is None and (None not in dims[1:] or is_picture(dims)):
                if self.left < 0:
                    return
                solution = self.solved(name, (1, *dims[1:]))
                if not solution.problems:
                    self.take(solution, inputs)
                    self.assumed[name].append("a batch of 1")

    def _search(self, name: str, dims: Dims, assumed: str, inputs: Sequence[str]) -> bool:
        """The size for all that are unknown, so that the first dense layer fits its weight."""
        solution = self.solved(name, dims)
        dense = next((call for call in self.program.calls if _open(call, solution)), None)
        if dense is None or solution.problems or dims is None:
            return False
        weight = solution.dims[dense.inputs[1]]
        wanted = weight[1] if full(weight) and len(weight) == 2 else 0
        before = _needed(self.program, dense.inputs[0].node)

        def features(size: int) -> int:
            """What the dense layer would get; 0 where the size is too small."""
            self.left -= len(before.calls)
            if self.left < 0:
                return 0
            tried = solve(before, self.known | {name: _filled(dims, size)})
            got = tried.dims[dense.inputs[0]]
            return product(got[1:]) if not tried.problems and full(got) else 0

        low = _least(lambda size: features(size) >= wanted)
        high = _least(lambda size: features(size) > wanted) - 1
        if high >= LARGEST:  # as behind a global pooling: nothing follows
            return False
        usual = [size for size in USUAL if low <= size <= high]
        for size in [*usual, *range(low, high + 1)][:TRIED]:
            if self.left < 0:
                break
            solution = self.solved(name, _filled(dims, size))
            if features(size) == wanted and not solution.problems:
                self.take(solution, inputs)
                fitting = f"{low} to {high} fit" if high > low else "no other fits"
                tensor = f"{solution.name(dense.inputs[1])} {shown(weight)}"
                told = f"{assumed.format(size)}, so that {tensor} fits ({fitting})"
                self.assumed[name].append(told)
                return True
        return False


def _searchable(dims: Dims) -> Iterator[tuple[Dims, str]]:
    """Dims with sizes to search for, all alike, and how to say what they are then."""
    if dims is None:
        yield (1, None), "2 dimensions, a batch of 1, a length of {}"
    elif is_picture(dims):
        yield dims, "square, {} wide" if len(dims) == 4 else "{} long in each direction"
    elif dims.count(None) == 1:
        yield dims, "a length of {}"
    elif dims.count(None) == 2 and dims[0] is None:
        yield (1, *dims[1:]), "a batch of 1, a length of {}"


def is_picture(dims: tuple[int | None, ...]) -> bool:
    """Whether the channels are known, and neither height nor width: (?, 3, ?, ?)."""
    channels = dims[1] if len(dims) > 1 else None
    return len(dims) in AXES and channels is not None and {*dims[2:]} == {None}


def _filled(dims: tuple[int | None, ...], size: int) -> Dims:
    return tuple(size if known is None else known for known in dims)


def _open(call: Call, solution: Solution) -> bool:
    """Whether it is a dense layer of all that came before, of which the size is not known."""
    data, weight = call.inputs[:2] if call.op == "FullyConnected" else (None, None)
    return (
        data is not None
        and weight is not None
        and call.attributes["flatten"]
        and full(solution.dims[weight])
        and data.node in solution.makers
        and data.node not in solution.done
    )


def _needed(program: Program, node: int) -> Program:
    """The same graph with only the calls that a node needs."""
    makers = {call.number: call for call in program.calls}
    needed, waiting = set[int](), [node]
    while waiting:
        number = waiting.pop()
        if number in makers and number not in needed:
            needed.add(number)
            waiting += [source.node for source in makers[number].inputs]
    return Program(program.graph, tuple(c for c in program.calls if c.number in needed))


def _least(holds: Callable[[int], bool]) -> int:
    """The least size for which it holds, if for all larger ones too; else one beyond all."""
    low, high = 1, LARGEST + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
