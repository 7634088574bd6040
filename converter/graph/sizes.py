"""The shapes of a graph's inputs: said, stated by the file, or following from the weights.

A network of convolutions up to a dense layer fits few sizes of a square picture: they are searched.
Behind a global pooling every size fits, and none follows.
What follows from nothing is asked for by name, all at once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from converter.errors import GraphError, OptionError, safe
from converter.graph.operators import Call, Program
from converter.graph.shapes.elementwise import BINARY, BROADCAST, SCALAR, UNARY
from converter.graph.shapes.rules import product, shown
from converter.graph.shapes.solve import Solution, Spec, solve
from converter.graph.shapes.two_way import Dims, full
from converter.graph.shapes.types import FLOAT32, Dtype, named
from converter.graph.symbol import Output

LARGEST = 2048  # the side of a picture that is searched for
TRIED = 64  # sizes of those that fit the first dense layer
# What published networks take: tried first, in this order
USUAL = (224, 299, 112, 28, 32, 24, 48, 64, 96, 128, 160, 227, 256, 300, 320, 416, 512)
# mshadow's numbers of dtypes, in __dtype__ (apache/mxnet 1.9.1 3rdparty/mshadow/mshadow/base.h)
DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")
TYPED = re.compile(r"(.*?)(?::(float16|float32|float64|uint8|int8|int32|int64|bool))?", re.DOTALL)
SIZES = re.compile(r"\(?([1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8}){0,31}),?\)?", re.ASCII)
AXES = {3: "NCW", 4: "NCHW", 5: "NCDHW"}


@dataclass(frozen=True)
class Input:
    """An input: what it is, and how that is known.

    `told`: "said" by the user, "stated" by the file, or what it follows from. `assumed`: what was
    taken for granted, in words; empty where nothing was.
    """

    name: str
    spec: Spec
    told: str
    assumed: tuple[str, ...] = ()


def parse_input(text: str) -> tuple[str, tuple[int, ...], Dtype | None]:
    """`NAME=SHAPE`, as in `data=1,3,112,112` or `ids=1,128:int32`: name, shape, and dtype if said.

    Raises `OptionError`.
    """
    name, equals, rest = text.rpartition("=")
    typed = TYPED.fullmatch(rest.replace(" ", ""))
    sizes = SIZES.fullmatch(typed[1]) if typed else None
    if not name or not equals or not typed or not sizes:
        raise OptionError(
            f"{safe(text)!r}: an input is given as NAME=SHAPE, such as data=1,3,224,224, or "
            "ids=1,128:int32 with its dtype"
        )
    shape = tuple(int(size) for size in sizes[1].split(","))
    return name, shape, named(typed[2]) if typed[2] else None


def inputs_with_sizes(
    program: Program,
    inputs: Sequence[str],
    parameters: Mapping[str, Spec],
    said: Mapping[str, tuple[tuple[int, ...], Dtype | None]],
) -> tuple[Input, ...]:
    """The shape and dtype of each input.

    inputs: their names (`inputs_of`)
    parameters: by the names of their variables
    said: of the inputs that the user gave a shape for

    Raises `GraphError` with every input whose shape follows from nothing, and with every shape
    that does not fit the weights; `OptionError` for a name that is no input.
    """
    if strangers := [name for name in said if name not in inputs]:
        raise OptionError(
            f"the graph has no input {', '.join(map(safe, strangers))}; its inputs are "
            f"{', '.join(map(safe, inputs)) or 'none'}"
        )
    search = _Search(program, parameters)
    told: dict[str, str] = {}
    for name in inputs:
        if name in said:
            search.known[name], told[name] = said[name][0], "said"
        elif (dims := _stated(program, name)) is not None:
            search.known[name] = dims
            told[name] = "stated by the file" if full(dims) else ""
    search.learn(inputs)
    missing = [name for name in inputs if not full(search.known.get(name))]
    if missing:
        raise GraphError(
            "the shapes of these inputs are not in the file and do not follow from the weights; "
            "say them:",
            [_asked(name, search.known.get(name)) for name in missing],
        )
    types = _dtypes(program, parameters, inputs)
    found = []
    for name in inputs:
        shape = search.known[name]
        assert full(shape)  # or it is missing
        own = said.get(name, ((), None))[1] or _stated_dtype(program, name)
        spec = Spec(shape, own or types.get(name, FLOAT32))
        how = told.get(name) or "follows from the weights"
        found.append(Input(name, spec, how, tuple(search.assumed[name])))
    return tuple(found)


def _asked(name: str, dims: Dims) -> str:
    """The option that is missing, with what is known of the shape."""
    if dims is None:
        return f"--input {safe(name)}=SHAPE"
    letters = AXES[len(dims)] if _picture(dims) else "?" * len(dims)
    sizes = [str(size or letter) for size, letter in zip(dims, letters, strict=True)]
    return f"--input {safe(name)}={','.join(sizes)}"


def _nodes(program: Program, name: str) -> list[int]:
    return [number for number, own in program.variables().items() if own == name]


def _stated(program: Program, name: str) -> Dims:
    """What `__shape__` says: a size of 0, and in later files of -1, is not known."""
    for number in _nodes(program, name):
        text = program.graph.nodes[number].user.get("__shape__", "")
        sizes = re.fullmatch(r"[(\[]([0-9, -]{1,400})[)\]]", text, re.ASCII)
        if sizes:
            try:
                found = [int(size) for size in sizes[1].split(",") if size.strip()]
            except ValueError:
                continue
            return tuple(size if size > 0 else None for size in found) or None
    return None


def _stated_dtype(program: Program, name: str) -> Dtype | None:
    """What `__dtype__` says, one of mshadow's numbers; -1 is not known."""
    for number in _nodes(program, name):
        text = program.graph.nodes[number].user.get("__dtype__", "")
        if re.fullmatch(r"[0-7]", text, re.ASCII):
            return named(DTYPES[int(text)])
    return None


class _Search:
    """What is known of the variables, and what was assumed to know it."""

    def __init__(self, program: Program, parameters: Mapping[str, Spec]) -> None:
        self.program = program
        self.known: dict[str, Dims] = {name: spec.shape for name, spec in parameters.items()}
        self.assumed: dict[str, list[str]] = defaultdict(list)
        self.places = {name: node for node, name in program.variables().items()}

    def solved(self, name: str | None = None, dims: Dims = None) -> Solution:
        """What follows from what is known, and from other dims of one variable."""
        return solve(self.program, self.known | ({name: dims} if name is not None else {}))

    def take(self, solution: Solution, names: Sequence[str]) -> None:
        """Keep what a solution tells of these variables. Raises `GraphError` if it does not fit."""
        if solution.problems:
            raise GraphError("the shapes of the graph do not fit:", solution.problems)
        for name in names:
            self.known[name] = solution.dims[Output(self.places[name], 0)]

    def learn(self, inputs: Sequence[str]) -> None:
        """Fill in what follows, then what is assumed: a matrix, a batch of 1, a square."""
        self.take(self.solved(), inputs)
        for name in inputs:
            if self.known.get(name) is None:
                any(self._as_rank(name, inputs, rank) for rank in (2, 3))
        self._one_batch(inputs)
        open_ = [name for name in inputs if not full(self.known.get(name))]
        if len(open_) == 1:
            self._as_square(open_[0], inputs)

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
            if dims and dims[0] is None and (None not in dims[1:] or _picture(dims)):
                solution = self.solved(name, (1, *dims[1:]))
                if not solution.problems:
                    self.take(solution, inputs)
                    self.assumed[name].append("a batch of 1")

    def _as_square(self, name: str, inputs: Sequence[str]) -> None:
        """Height and width alike, so that the first dense layer behind them fits its weight."""
        dims = self.known.get(name)
        if dims is None or not _picture(dims):
            return
        solution = self.solved()
        dense = next((call for call in self.program.calls if _open(call, solution)), None)
        if dense is None:
            return
        weight = solution.dims[dense.inputs[1]]
        wanted = weight[1] if full(weight) and len(weight) == 2 else 0
        before = _needed(self.program, dense.inputs[0].node)

        def features(side: int) -> int:
            """What the dense layer would get; 0 where the size is too small."""
            tried = solve(before, self.known | {name: _sided(dims, side)})
            got = tried.dims[dense.inputs[0]]
            return product(got[1:]) if not tried.problems and full(got) else 0

        low = _least(lambda side: features(side) >= wanted)
        high = _least(lambda side: features(side) > wanted) - 1
        if high >= LARGEST:  # as behind a global pooling: nothing follows
            return
        usual = [side for side in USUAL if low <= side <= high]
        for side in [*usual, *range(low, high + 1)][:TRIED]:
            solution = self.solved(name, _sided(dims, side))
            if features(side) == wanted and not solution.problems:
                self.take(solution, inputs)
                fitting = f"{low} to {high} fit" if high > low else "no other fits"
                self.assumed[name].append(
                    f"square, {side} wide, so that {solution.name(dense.inputs[1])} "
                    f"{shown(weight)} fits ({fitting})"
                )
                return


def _picture(dims: tuple[int | None, ...]) -> bool:
    """Whether the channels are known, and neither height nor width: (?, 3, ?, ?)."""
    channels = dims[1] if len(dims) > 1 else None
    return len(dims) in AXES and channels is not None and {*dims[2:]} == {None}


def _sided(dims: tuple[int | None, ...], side: int) -> Dims:
    return tuple(side if size is None else size for size in dims)


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
    """The least side for which it holds, if for all larger ones too; else one beyond all."""
    low, high = 1, LARGEST + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


# Calls whose inputs are all of one dtype
UNIFORM = {
    *(*UNARY, *SCALAR, *BINARY, *BROADCAST, "Convolution", "Deconvolution", "FullyConnected"),
    *("LeakyReLU", "Concat", "stack", "dot", "batch_dot", "RNN", "Pooling", "Flatten", "Reshape"),
    *("transpose", "SwapAxis", "expand_dims", "squeeze", "SliceChannel", "slice_axis", "Pad"),
} - {"Cast", "amp_cast"}
FREE = ("sequence_length",)


def _dtypes(
    program: Program, parameters: Mapping[str, Spec], inputs: Sequence[str]
) -> dict[str, Dtype]:
    """The dtypes that inputs must have because what they meet has it: float16 weights, say."""
    types: dict[int, Dtype] = {}
    variables = program.variables()
    for node, name in variables.items():
        if name in parameters:
            types[node] = parameters[name].dtype
    calls = [call for call in program.calls if call.op in UNIFORM]
    for order in (calls, calls[::-1]):
        for call in order:
            nodes = [
                source.node
                for name, source in zip(call.names, call.inputs, strict=True)
                if name not in FREE
            ]
            met = next((types[node] for node in nodes if node in types), types.get(call.number))
            if met is not None:
                for node in (*nodes, call.number):
                    types.setdefault(node, met)
    return {
        variables[node]: types[node]
        for node in variables
        if variables[node] in inputs and node in types
    }
