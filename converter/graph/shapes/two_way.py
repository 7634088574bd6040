"""Shapes of which a part is known: what a call lets pass forward and back.

Dims are a shape whose unknown sizes are None; of an unknown rank, they are None. Each function
takes the dims of a call's inputs and outputs and puts in what follows. They are fewer than the
rules: those that real graphs need to tell the first state of an RNN, and an input from the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeGuard

from converter.graph.operators import Call
from converter.graph.shapes import elementwise
from converter.graph.shapes.layers import GATES, LAST
from converter.graph.shapes.rules import Shape, Unfit, shown

Dims = tuple[int | None, ...] | None
Changing = list[Dims]


def full(dims: Dims) -> TypeGuard[Shape]:
    """Whether every size is known."""
    return dims is not None and None not in dims


def meet(one: Dims, two: Dims) -> Dims:
    """What both tell together. Raises `Unfit` where they contradict each other."""
    if one is None or two is None or one == two:
        return two if one is None else one
    if len(one) != len(two) or any(
        a != b and None not in (a, b) for a, b in zip(one, two, strict=True)
    ):
        raise Unfit(f"makes {shown(one)} on one side, and {shown(two)} on the other")
    return tuple(b if a is None else a for a, b in zip(one, two, strict=True))


def _all(dims: Iterable[Dims]) -> Dims:
    known: Dims = None
    for one in dims:
        known = meet(known, one)
    return known


def _unknown(rank: int, **sizes: int | None) -> Dims:
    """Dims of a rank, of which these (`_0=batch`) are known."""
    dims: list[int | None] = [None] * rank
    for place, size in sizes.items():
        dims[int(place[1:])] = size
    return tuple(dims)


def _size(dims: Dims, axis: int) -> int | None:
    return dims[axis] if dims is not None and -len(dims) <= axis < len(dims) else None


def same(call: Call, ins: Changing, outs: Changing) -> None:
    """All inputs and outputs alike."""
    ins[:] = [_all([*ins, *outs])] * len(ins)
    outs[:] = [_all([*ins, *outs])] * len(outs)


def data_same(call: Call, ins: Changing, outs: Changing) -> None:
    """The first input and output alike."""
    ins[0] = outs[0] = meet(ins[0], outs[0])


def chosen_same(call: Call, ins: Changing, outs: Changing) -> None:
    """Of `where`, both values and the output alike."""
    ins[1] = ins[2] = outs[0] = _all([ins[1], ins[2], outs[0]])


def normalized(call: Call, ins: Changing, outs: Changing) -> None:
    """Data and output alike, and of the channels that gamma has."""
    data_same(call, ins, outs)
    axis, channels = call.attributes.get("axis", 1), _size(ins[1], 0)
    if ins[0] is not None and channels is not None and -len(ins[0]) <= axis < len(ins[0]):
        rank = len(ins[0])
        ins[0] = outs[0] = meet(ins[0], _unknown(rank, **{f"_{axis % rank}": channels}))


def convolution(call: Call, ins: Changing, outs: Changing) -> None:
    """Batch both ways; channels from the weight, (out, in / groups, …) or, deconvolved, (in, …)."""
    rank, weight = len(call.attributes["kernel"]) + 2, ins[1]
    if rank > 5 or not full(weight) or len(weight) != rank:
        return
    place = rank - 1 if call.attributes["layout"] in LAST else 1
    if call.op == "Deconvolution":
        channels = weight[0]
    else:
        channels = weight[place] * call.attributes["num_group"]
    batch = _size(ins[0], 0) if _size(outs[0], 0) is None else _size(outs[0], 0)
    ins[0] = meet(ins[0], _unknown(rank, _0=batch, **{f"_{place}": channels}))
    outs[0] = meet(
        outs[0], _unknown(rank, _0=batch, **{f"_{place}": call.attributes["num_filter"]})
    )


def pooling(call: Call, ins: Changing, outs: Changing) -> None:
    """Batch and channels both ways."""
    known = next((dims for dims in (ins[0], outs[0]) if dims is not None), None)
    rank = len(known) if known is not None else len(call.attributes["kernel"] or ()) + 2
    if rank not in (3, 4, 5):
        return
    place = rank - 1 if call.attributes.get("layout") in LAST else 1
    both = [dims for dims in (ins[0], outs[0]) if dims is not None and len(dims) == rank]
    kept = _all(_unknown(rank, _0=dims[0], **{f"_{place}": dims[place]}) for dims in both)
    ins[0], outs[0] = (meet(dims, kept or _unknown(rank)) for dims in (ins[0], outs[0]))


def dense(call: Call, ins: Changing, outs: Changing) -> None:
    """Batch both ways; of a matrix, the size that the weight takes."""
    hidden, size = call.attributes["num_hidden"], _size(ins[1], 1)
    if not call.attributes["flatten"]:
        if ins[0] is not None and ins[0]:
            ins[0] = meet(ins[0], (*(None for _ in ins[0][1:]), size))
            outs[0] = meet(outs[0], (*ins[0][:-1], hidden))
        if outs[0] is not None and outs[0]:
            ins[0] = meet(ins[0], (*outs[0][:-1], size))
        return
    outs[0] = meet(outs[0], (_size(ins[0], 0), hidden))
    if ins[0] is not None and ins[0]:
        ins[0] = meet(ins[0], (_size(outs[0], 0), *(None for _ in ins[0][1:])))
        if len(ins[0] or ()) == 1:
            meet((1,), (size,))
        if len(ins[0] or ()) == 2:
            ins[0] = meet(ins[0], (None, size))


def flatten(call: Call, ins: Changing, outs: Changing) -> None:
    """Batch both ways."""
    outs[0] = meet(outs[0], (_size(ins[0], 0), None))
    if ins[0] is not None and ins[0]:
        ins[0] = meet(ins[0], (_size(outs[0], 0), *(None for _ in ins[0][1:])))


def rnn(call: Call, ins: Changing, outs: Changing) -> None:
    """Steps and batch both ways; the input's size from the length of the packed parameters."""
    hidden, layers = call.attributes["state_size"], call.attributes["num_layers"]
    directions = 2 if call.attributes["bidirectional"] else 1
    projected = call.attributes["projection_size"]
    out = hidden if projected is None else projected
    first, last = _size(ins[0], 0), _size(outs[0], 0)
    steps = first if last is None else last
    batches = [_size(ins[0], 1), _size(outs[0], 1), *(_size(state, 1) for state in ins[2:])]
    batch = next((size for size in batches if size is not None), None)
    ins[0] = meet(ins[0], (steps, batch, _rnn_input(call, _size(ins[1], 0))))
    outs[0] = meet(outs[0], (steps, batch, directions * out))
    states: dict[str, Dims] = {
        "state": (layers * directions, batch, out),
        "state_cell": (layers * directions, batch, hidden),
    }
    for place, name in enumerate(call.names):
        ins[place] = meet(ins[place], states.get(name))
    for place, dims in zip(range(1, len(outs)), states.values(), strict=False):
        outs[place] = meet(outs[place], dims)


def _rnn_input(call: Call, length: int | None) -> int | None:
    """How large the input must be for packed parameters of this length (GetRnnParamSize)."""
    hidden, layers = call.attributes["state_size"], call.attributes["num_layers"]
    directions = 2 if call.attributes["bidirectional"] else 1
    rows = hidden * directions * GATES[call.attributes["mode"]]
    if length is None or rows < 1 or call.attributes["projection_size"] is not None:
        return None
    later = (hidden * directions + hidden + 2) * rows
    size, rest = divmod(length - (layers - 1) * later, rows)
    size -= hidden + 2
    return size if not rest and size > 0 else None


def embedding(call: Call, ins: Changing, outs: Changing) -> None:
    """The output has one axis more."""
    if outs[0] is not None and outs[0]:
        ins[0] = meet(ins[0], outs[0][:-1])
    if ins[0] is not None:
        outs[0] = meet(outs[0], (*ins[0], call.attributes["output_dim"]))


def slice_channel(call: Call, ins: Changing, outs: Changing) -> None:
    """All outputs alike; the axis that is split both ways."""
    count, axis, squeezed = (call.attributes[k] for k in ("num_outputs", "axis", "squeeze_axis"))
    out = _all(outs)
    if ins[0] is not None:
        rank = len(ins[0])
    elif out is not None:
        rank = len(out) + squeezed
    else:
        return
    if not -rank <= axis < rank or count < 1:
        return
    axis %= rank
    if out is not None and len(out) == rank - squeezed:
        size = count if squeezed else out[axis] and out[axis] * count
        ins[0] = meet(ins[0], (*out[:axis], size, *out[axis + (not squeezed) :]))
    elif squeezed:
        ins[0] = meet(ins[0], _unknown(rank, **{f"_{axis}": count}))
    if ins[0] is not None:
        size = ins[0][axis]
        middle = () if squeezed else (None if size is None else size // count,)
        outs[:] = [meet(out, (*ins[0][:axis], *middle, *ins[0][axis + 1 :]))] * len(outs)


def concat(call: Call, ins: Changing, outs: Changing) -> None:
    """All alike but for the axis that is joined."""
    known = next((dims for dims in (*ins, *outs) if dims is not None), None)
    axis = call.attributes["dim"]
    if known is None or not -len(known) <= axis < len(known):
        return
    axis %= len(known)
    others = _all(
        (*dims[:axis], None, *dims[axis + 1 :]) for dims in (*ins, *outs) if dims is not None
    )
    ins[:], outs[:] = [meet(dims, others) for dims in ins], [meet(dims, others) for dims in outs]


def _permuted(ins: Changing, outs: Changing, axes: Sequence[int]) -> None:
    """Output axis n is input axis `axes[n]`."""
    if ins[0] is not None and len(ins[0]) == len(axes):
        outs[0] = meet(outs[0], tuple(ins[0][axis] for axis in axes))
    if outs[0] is not None and len(outs[0]) == len(axes):
        back = sorted(range(len(axes)), key=lambda n: axes[n])
        ins[0] = meet(ins[0], tuple(outs[0][n] for n in back))


def transpose(call: Call, ins: Changing, outs: Changing) -> None:
    """Both ways."""
    rank = next((len(dims) for dims in (ins[0], outs[0]) if dims is not None), 0)
    axes = [axis % rank if rank else axis for axis in call.attributes["axes"]]
    axes = axes or [*range(rank)][::-1]
    if sorted(axes) == [*range(len(axes))]:
        _permuted(ins, outs, axes)


def swap_axis(call: Call, ins: Changing, outs: Changing) -> None:
    """Both ways."""
    rank = next((len(dims) for dims in (ins[0], outs[0]) if dims is not None), 0)
    one, two = call.attributes["dim1"], call.attributes["dim2"]
    if -rank <= one < rank and -rank <= two < rank:
        axes = [*range(rank)]
        axes[one], axes[two] = axes[two], axes[one]
        _permuted(ins, outs, axes)


def expand_dims(call: Call, ins: Changing, outs: Changing) -> None:
    """One axis more, of size 1."""
    rank = len(ins[0]) + 1 if ins[0] is not None else len(outs[0]) if outs[0] is not None else 0
    axis = call.attributes["axis"]
    if not -rank <= axis < rank:
        return
    axis %= rank
    if ins[0] is not None:
        outs[0] = meet(outs[0], (*ins[0][:axis], 1, *ins[0][axis:]))
    if outs[0] is not None:
        ins[0] = meet(ins[0], (*outs[0][:axis], *outs[0][axis + 1 :]))


def broadcast(call: Call, ins: Changing, outs: Changing) -> None:
    """Where one side has size 1, the other has the output's."""
    out = outs[0]
    if out is None:
        return
    for side, other in ((0, 1), (1, 0)):
        constant = ins[other]
        if full(constant) and len(constant) <= len(out):
            sizes = (1,) * (len(out) - len(constant)) + constant
            own = ins[side]
            rank = len(own) if own is not None else len(out) if len(constant) < len(out) else 0
            if rank == len(out):
                ins[side] = meet(
                    own, tuple(o if s == 1 else None for o, s in zip(out, sizes, strict=True))
                )


TWO_WAY: Mapping[str, Callable[[Call, Changing, Changing], None]] = {
    **dict.fromkeys(elementwise.BINARY, same),
    **dict.fromkeys((*elementwise.UNARY, *elementwise.SCALAR), data_same),
    **dict.fromkeys(elementwise.BROADCAST, broadcast),
    **dict.fromkeys(
        (
            *("LeakyReLU", "LayerNorm", "InstanceNorm", "SoftmaxOutput", "LinearRegressionOutput"),
            *("LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput", "SequenceMask"),
            *("SequenceReverse", "GroupNorm", "softmax", "log_softmax", "softmin"),
        ),
        data_same,
    ),
    **dict.fromkeys(
        ("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU"),
        normalized,
    ),
    **dict.fromkeys(("Convolution", "Convolution_v1", "Deconvolution"), convolution),
    **dict.fromkeys(("Pooling", "Pooling_v1"), pooling),
    "FullyConnected": dense,
    "Flatten": flatten,
    "RNN": rnn,
    "Embedding": embedding,
    "SliceChannel": slice_channel,
    "Concat": concat,
    "transpose": transpose,
    "SwapAxis": swap_axis,
    "expand_dims": expand_dims,
    "where": chosen_same,
}
