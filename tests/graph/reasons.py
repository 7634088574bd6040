"""Why a change of a graph makes no difference to what MXNet computes at inference.

A reason is a word and a check of it: on the node's attributes before and after, and on the values
that it takes with the recorded inputs and with those of the proof. A mutant that nothing notices
must have a reason that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.graph.operators import Call
from tests.graph.mutating import Ground, Mutant, same


@dataclass(frozen=True)
class Site:
    """A changed node: attributes before (`a`) and after (`b`), and what it takes and gives."""

    call: Call
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    key: str
    grounds: Sequence[Ground]

    @property
    def both(self) -> tuple[Any, Any]:
        """The changed attribute before and after."""
        return self.a[self.key], self.b[self.key]

    def inputs(self, name: str | int = 0) -> list[np.ndarray]:
        """The values of an input, of all runs."""
        return [ground.input(self.call, name) for ground in self.grounds]

    def pairs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The first input and the first output, of all runs."""
        outputs = [ground.output(self.call) for ground in self.grounds]
        return [*zip(self.inputs(), outputs, strict=True)]

    def rank(self) -> int:
        """How many axes the first input has."""
        return self.inputs()[0].ndim

    def moved(self) -> list[int]:
        """The places of a tuple whose numbers are others now."""
        return [n for n, (one, two) in enumerate(zip(*self.both, strict=True)) if one != two]


Check = Callable[[Site], bool]
BIASES = "two biases that are added"
PLAIN = (None, "NCW", "NCHW", "NCDHW")  # MXNet's default layouts, and their names


def _one_window(s: Site) -> bool:
    """Along the axes whose stride is another, the kernel fits once: there is no step."""
    kernel = s.a["kernel"]
    pad, dilate = (s.a[name] or (one,) * len(kernel) for name, one in (("pad", 0), ("dilate", 1)))
    return all(
        x.shape[2 + n] + 2 * pad[n] == dilate[n] * (kernel[n] - 1) + 1
        for x in s.inputs()
        for n in s.moved()
    )


def _windows_fit(s: Site) -> bool:
    """No window is cut at the end, so that `valid` and `full` are alike; `same` without padding."""
    kernel = s.a["kernel"]
    stride, pad = (s.a[name] or (one,) * len(kernel) for name, one in (("stride", 1), ("pad", 0)))
    fits = all(
        (x.shape[2 + n] + 2 * pad[n] - k) % stride[n] == 0
        for x in s.inputs()
        for n, k in enumerate(kernel)
    )
    return fits and ("same" not in s.both or (tuple(kernel) == tuple(stride) and not any(pad)))


def _inferred(s: Site) -> bool:
    """A size that was copied is the one that is inferred, or the other way about."""
    kinds = {(s.both[0][n], s.both[1][n]) for n in s.moved()}
    return kinds <= {(-1, 0), (0, -1)} and all(
        n < x.ndim and x.shape[n] == y.shape[n] for x, y in s.pairs() for n in s.moved()
    )


def _stated(s: Site) -> bool:
    """The size that was copied is the one that is stated, or the other way about."""
    return all(
        0 in (s.both[0][n], s.both[1][n])
        and n < x.ndim
        and x.shape[n] == y.shape[n] == (s.both[0][n] or s.both[1][n])
        for x, y in s.pairs()
        for n in s.moved()
    )


def _axis_by_axis(s: Site) -> bool:
    """The codes name each axis by its own place, or copy none: either end reads the same."""
    codes = s.a["shape"]
    copies = any(code in (0, -2, -3, -4) for code in codes)
    return not copies or (min(codes) >= -1 and len(codes) == s.rank())


def _middle(s: Site) -> bool:
    """The offset is that of the middle."""
    return all(
        (x.shape[2 + n] - y.shape[2 + n]) // 2 == s.a["offset"][n]
        for x, y in s.pairs()
        for n in (0, 1)
    )


def _within(s: Site) -> bool:
    """No number lies beyond either bound."""
    return all(((s.a["a_min"] <= x) & (x <= s.a["a_max"])).all() for x in s.inputs())


# operators, attributes, the check, and the reason
FLIPS: list[tuple[str, str, Check, str]] = [
    ("Convolution", "dilate", lambda s: all(s.a["kernel"][n] == 1 for n in s.moved()),
     "the kernel is 1 along that axis"),
    ("Convolution", "stride", _one_window, "the kernel fits once: there is no step"),
    ("Convolution Deconvolution Pooling", "layout", lambda s: {*s.both} <= {*PLAIN},
     "the default by its name"),
    ("Crop", "center_crop", _middle, "the offset is that of the middle"),
    ("Crop", "h_w", lambda s: len(s.call.inputs) == 2, "the second input tells the size"),
    ("Crop", "offset", lambda s: s.a["center_crop"], "the middle is cropped"),
    ("FullyConnected", "flatten", lambda s: s.rank() == 2, "of a matrix"),
    ("LeakyReLU", "lower_bound upper_bound", lambda s: s.a["act_type"] != "rrelu",
     "of rrelu alone"),
    ("LeakyReLU", "slope", lambda s: s.a["act_type"] not in ("leaky", "elu"),
     "of leaky and elu alone"),
    ("Pooling", "count_include_pad", lambda s: s.a["pool_type"] != "avg" or s.a["global_pool"]
     or not any(s.a["pad"] or ()), "of averages at the padding alone"),
    ("Pooling", "count_include_pad", lambda s: {*s.both} == {None, True},
     "the default by its name"),
    ("Pooling", "kernel stride pad pooling_convention", lambda s: s.a["global_pool"],
     "global_pool overrules it"),
    ("Pooling", "pooling_convention", _windows_fit, "no window is cut at the end"),
    ("Pooling", "p_value", lambda s: s.a["pool_type"] != "lp", "of pool_type lp alone"),
    ("Reshape", "keep_highest", lambda s: bool(s.a["shape"]), "shape overrules it"),
    ("Reshape", "reverse", _axis_by_axis, "no code means another axis from the other end"),
    ("Reshape", "shape", _inferred, "the size that is inferred is the axis' own"),
    ("Reshape", "shape", _stated, "the size that is stated is the axis' own"),
    ("SoftmaxOutput", "multi_output preserve_shape", lambda s: s.rank() == 2, "of a matrix"),
    ("SoftmaxOutput", "preserve_shape", lambda s: s.a["multi_output"], "multi_output overrules it"),
    ("_arange", "infer_range", lambda s: s.a["stop"] is not None, "stop tells the size"),
    ("_contrib_BilinearResize2D", "scale_width", lambda s: s.a["scale_height"] is None,
     "scale_height decides"),
    ("_contrib_BilinearResize2D", "align_corners",
     lambda s: all(x.shape[2:] == (1, 1) for x in s.inputs()), "of one pixel"),
    ("_contrib_MultiBoxPrior", "steps", lambda s: max(*s.both[0], *s.both[1]) <= 0,
     "below 1 the image tells them"),
    ("_contrib_box_nms", "background_id",
     lambda s: not any(np.isin(x[..., s.a["id_index"]], s.both).any() for x in s.inputs()),
     "no box has that class"),
    ("_mul_scalar _div_scalar _plus_scalar _minus_scalar _rminus_scalar", "is_int",
     lambda s: all(x.dtype.kind == "f" for x in s.inputs()), "of real numbers"),
    ("_rnn_param_concat", "dim", lambda s: s.rank() == 1, "of vectors, that have one axis"),
    ("_zeros", "shape", lambda s: all(s.b["shape"][n] == 0 for n in s.moved()),
     "a size of 0 is told by what takes the value"),
    ("clip", "a_min a_max", _within, "no number is beyond either bound"),
    ("expand_dims", "axis",
     lambda s: all(np.expand_dims(x, s.both[1]).shape == y.shape for x, y in s.pairs()),
     "beside an axis of size 1"),
    ("mean", "exclude", lambda s: s.a["axis"] in (None, ()), "of all axes, without an axis"),
    ("mean", "keepdims", lambda s: s.rank() == 1, "of a vector, one number either way"),
    ("softmax", "dtype", lambda s: all({*s.both} <= {None, str(x.dtype)} for x in s.inputs()),
     "the data's own"),
    ("softmax", "temperature", lambda s: {*s.both} == {None, 1.0}, "the default by its name"),
    ("softmax", "use_length", lambda s: {*s.both} == {None, False}, "the default by its name"),
]  # fmt: skip
HANDS_ON = "Dropout _copy BlockGrad MakeLoss"
# operators whose node is left out, the check, and the reason
DROPS: list[tuple[str, Check, str]] = [
    (HANDS_ON, lambda s: True, "it hands on what it takes"),
    ("Reshape", lambda s: all(x.shape == y.shape for x, y in s.pairs()), "the shape is the same"),
    ("_mul_scalar", lambda s: s.a["scalar"] == 1, "times 1"),
    ("clip", _within, "no number is beyond either bound"),
    ("elemwise_add", lambda s: not any(x.any() for x in s.inputs(1)), "plus zeros"),
    ("elemwise_mul", lambda s: all(
        ((y == 1) | (x == 0)).all() for x, y in zip(s.inputs(0), s.inputs(1), strict=True)),
     "times 1, or of zeros"),
]  # fmt: skip


def reason_of(mutant: Mutant, grounds: Sequence[Ground]) -> str | None:
    """Why nothing can notice the mutant, or None where no reason holds on all these values."""
    if mutant.before is None or mutant.call is None:
        return _reason_of_swap(mutant, grounds[0])
    op, after = mutant.before.op, mutant.call.attributes
    site = Site(mutant.before, mutant.before.attributes, after, mutant.key, grounds)
    if mutant.kind == "drop":
        found = (why for ops, check, why in DROPS if op in ops.split() and check(site))
        return next(found, None)
    for ops, keys, check, why in FLIPS:
        if op in ops.split() and mutant.key in keys.split() and check(site):
            return why
    return None


def _reason_of_swap(mutant: Mutant, ground: Ground) -> str | None:
    if all(same(ground.values[name], value) for name, value in mutant.values.items()):
        return "their values are the same"
    one, two = (step.target for step in mutant.steps)
    if one.replace("bias_ih", "bias_hh") == two.replace("bias_ih", "bias_hh"):
        layers = [call for call in ground.calls if call.op == "RNN"]
        return BIASES if all(call.attributes["mode"] != "gru" for call in layers) else None
    sums = [{*_sums_with(ground, name)} for name in mutant.values]
    return BIASES if len(sums) == 2 and sums[0] and sums[0] == sums[1] else None


def _sums_with(ground: Ground, bias: str) -> Iterator[int]:
    """The sums that the layers with this bias go to, if they go nowhere else."""
    names = ground.program.variables()
    layers = {
        call.number
        for call in ground.calls
        for name, source in zip(call.names, call.inputs, strict=True)
        if call.op == "FullyConnected" and name == "bias" and names.get(source.node) == bias
    }
    takers = [call for call in ground.calls if layers & {source.node for source in call.inputs}]
    if all(call.op in ("elemwise_add", "broadcast_add") for call in takers):
        yield from (call.number for call in takers)
