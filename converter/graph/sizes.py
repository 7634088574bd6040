"""The shapes of a graph's inputs: said, stated by the file, or following from the weights.

What follows from nothing is asked for by name, all at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from converter.errors import GraphError, OptionError, safe
from converter.graph.attributes import Attribute
from converter.graph.operators import Program
from converter.graph.search import AXES, Search, is_picture
from converter.graph.shapes.elementwise import BINARY, BROADCAST, SCALAR, UNARY
from converter.graph.shapes.rules import MAX_RANK
from converter.graph.shapes.solve import Spec
from converter.graph.shapes.two_way import Dims, full
from converter.graph.shapes.types import FLOAT32, Dtype, named

# mshadow's numbers of dtypes, in __dtype__ (apache/mxnet 1.9.1 3rdparty/mshadow/mshadow/base.h)
DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")
TYPED = re.compile(r"(.*?)(?::(float16|float32|float64|uint8|int8|int32|int64|bool))?", re.DOTALL)
SIZES = re.compile(r"\(?([1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8}){0,31}),?\)?", re.ASCII)
INTEGERS = Attribute("shape")


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
            f"{text!r}: an input is given as NAME=SHAPE, its sizes in whole numbers: "
            "data=1,3,224,224, for one, or ids=1,128:int32 with its dtype"
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
    search = Search(program, parameters)
    user = {own: program.graph.nodes[node].user for node, own in program.variables().items()}
    told: dict[str, str] = {}
    for name in inputs:
        if name in said:
            search.known[name], told[name] = said[name][0], "said"
        elif (dims := _stated(user[name])) is not None:
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
        own = said.get(name, ((), None))[1] or _stated_dtype(user[name])
        spec = Spec(shape, own or types.get(name, FLOAT32))
        how = told.get(name) or "follows from the weights"
        found.append(Input(name, spec, how, tuple(search.assumed[name])))
    return tuple(found)


def told_by_weights(
    program: Program, inputs: Sequence[str], parameters: Mapping[str, Spec]
) -> list[str]:
    """`--input` for each input as far as the weights tell it; none where they do not fit either."""
    search = Search(program, parameters)
    try:
        search.learn(inputs)
    except GraphError:
        return []
    return [_asked(name, search.known.get(name)) for name in inputs if search.known.get(name)]


def _asked(name: str, dims: Dims) -> str:
    """The option that is missing, with what is known of the shape."""
    if dims is None:
        return f"--input {safe(name)}=SHAPE"
    letters = AXES[len(dims)] if is_picture(dims) else "?" * len(dims)
    sizes = [str(size or letter) for size, letter in zip(dims, letters, strict=True)]
    return f"--input {safe(name)}={','.join(sizes)}"


def _stated(user: Mapping[str, str]) -> Dims:
    """What `__shape__` says: a size of 0, and in later files of -1, is not known."""
    try:
        sizes = INTEGERS.read(user.get("__shape__", "()"))
    except ValueError:
        return None
    return tuple(size if size > 0 else None for size in sizes[:MAX_RANK]) or None


def _stated_dtype(user: Mapping[str, str]) -> Dtype | None:
    """What `__dtype__` says, one of mshadow's numbers; -1 is not known."""
    number = user.get("__dtype__", "")
    return named(DTYPES[int(number)]) if number in {*"01234567"} else None


# Calls whose inputs are all of one dtype, and that of the output; but for those in FREE
UNIFORM = {
    *(*UNARY, *SCALAR, *BINARY, *BROADCAST, "Convolution", "Deconvolution", "FullyConnected"),
    *(
        "softmax",
        "log_softmax",
        "LeakyReLU",
        "Concat",
        "stack",
        "dot",
        "batch_dot",
        "RNN",
        "Pooling",
        "Flatten",
        "Reshape",
    ),
    *("transpose", "SwapAxis", "expand_dims", "squeeze", "SliceChannel", "slice_axis", "Pad"),
    *("Embedding", "take", "where", "pick", "SequenceMask", "SequenceReverse", "SequenceLast"),
} - {"Cast", "amp_cast"}
FREE = {"sequence_length", "indices", "index", "condition"}


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
                if name not in FREE and (call.op, name) != ("Embedding", "data")
            ]
            met = next((types[node] for node in nodes if node in types), types.get(call.number))
            if met is not None:
                for node in (*nodes, call.number):
                    types.setdefault(node, met)
    wanted = {*inputs}
    return {
        variables[node]: types[node]
        for node in variables
        if variables[node] in wanted and node in types
    }
