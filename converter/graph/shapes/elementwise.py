"""Shapes of what is computed number by number, broadcast, and reduced over axes."""

from __future__ import annotations

from collections.abc import Sequence

from converter.graph.shapes.rules import At, Shape, Unfit, rule

UNARY = (
    *("abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil", "cos"),
    *("cosh", "degrees", "erf", "erfinv", "exp", "expm1", "fix", "floor", "gamma", "gammaln"),
    *("hard_sigmoid", "log", "log10", "log1p", "log2", "logical_not", "negative", "radians"),
    *("rcbrt", "reciprocal", "relu", "rint", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh"),
    *("smooth_l1", "softsign", "sqrt", "square", "tan", "tanh", "trunc", "clip", "_copy"),
    *("BlockGrad", "make_loss", "MakeLoss", "Cast", "amp_cast", "ones_like", "zeros_like"),
    *("_contrib_div_sqrt_dim", "_contrib_gradientmultiplier", "_contrib_quadratic"),
    *("SoftmaxActivation", "IdentityAttachKLSparseReg"),
    *("Activation", "Dropout", "LRN", "L2Normalization", "reverse"),
)
SCALAR = (
    *("_div_scalar", "_equal_scalar", "_greater_equal_scalar", "_greater_scalar", "_hypot_scalar"),
    *("_lesser_equal_scalar", "_lesser_scalar", "_logical_and_scalar", "_logical_or_scalar"),
    *("_logical_xor_scalar", "_maximum_scalar", "_minimum_scalar", "_minus_scalar", "_mod_scalar"),
    *("_mul_scalar", "_not_equal_scalar", "_plus_scalar", "_power_scalar", "_rdiv_scalar"),
    *("_rminus_scalar", "_rmod_scalar", "_rpower_scalar"),
)
BINARY = (
    *("elemwise_add", "elemwise_div", "elemwise_mul", "elemwise_sub", "_grad_add", "_equal"),
    *("_greater", "_greater_equal", "_hypot", "_lesser", "_lesser_equal", "_logical_and"),
    *("_logical_or", "_logical_xor", "_maximum", "_minimum", "_mod", "_not_equal", "_power"),
    *("add_n", "_identity_with_attr_like_rhs"),
)
BROADCAST = (
    *("broadcast_add", "broadcast_div", "broadcast_equal", "broadcast_greater", "broadcast_hypot"),
    *("broadcast_greater_equal", "broadcast_lesser", "broadcast_lesser_equal", "broadcast_sub"),
    *("broadcast_logical_and", "broadcast_logical_or", "broadcast_logical_xor", "broadcast_mod"),
    *("broadcast_maximum", "broadcast_minimum", "broadcast_mul", "broadcast_not_equal"),
    "broadcast_power",
)


@rule(*UNARY, *SCALAR)
def unary(at: At) -> Sequence[Shape]:
    """As the input: src/operator/elemwise_op_common.h, ElemwiseShape."""
    return [at.data]


@rule("softmax", "log_softmax", "softmin")
def softmax(at: At) -> Sequence[Shape]:
    """src/operator/nn/softmax-inl.h, SoftmaxOpShape: a length for each row along the axis."""
    at.must("length", reduced(at, (at.axis("axis"),), keepdims=False))
    return [at.data]


@rule(*BINARY)
def binary(at: At) -> Sequence[Shape]:
    """All inputs alike: src/operator/elemwise_op_common.h, ElemwiseShape."""
    for place in range(1, len(at.shapes)):
        if at.shape(place) != at.data:
            raise at.unlike(place)
    return [at.data]


@rule("amp_multicast")
def each(at: At) -> Sequence[Shape]:
    """Every input as it is: src/operator/tensor/amp_cast.h, AMPMultiCast."""
    return at.all


@rule(*BROADCAST)
def broadcast(at: At) -> Sequence[Shape]:
    """Sizes of 1 are stretched: src/operator/tensor/elemwise_binary_broadcast_op.h."""
    left, right = at.shape(0), at.shape(1)
    rank = max(len(left), len(right))
    left, right = ((1,) * (rank - len(shape)) + shape for shape in (left, right))
    if any(a != b and 1 not in (a, b) for a, b in zip(left, right, strict=True)):
        raise at.unlike(1)
    return [tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))]


@rule("broadcast_axis")
def broadcast_axis(at: At) -> Sequence[Shape]:
    """src/operator/tensor/broadcast_reduce_op.h, BroadcastAxesShape."""
    axes, sizes = at.axes("axis"), at["size"]
    if len(axes) != len(sizes):
        raise Unfit(f"axis={at['axis']} and size={sizes} are not as many")
    shape = list(at.data)
    for axis, size in zip(axes, sizes, strict=True):
        if shape[axis] != 1 or size < 1:
            raise Unfit(f"axis {axis} of {at.data} cannot become {size}")
        shape[axis] = size
    return [tuple(shape)]


@rule("broadcast_to")
def broadcast_to(at: At) -> Sequence[Shape]:
    """A size of 0 is the input's: src/operator/tensor/broadcast_reduce_op.h, BroadcastToShape."""
    target = at.sizes("shape")
    if len(target) != len(at.data) or any(
        size < 0 or (size and old not in (1, size))
        for size, old in zip(target, at.data, strict=True)
    ):
        raise Unfit(f"{at.tensor(0)} of {at.data} cannot be broadcast to {target}")
    return [tuple(size or old for size, old in zip(target, at.data, strict=True))]


@rule("broadcast_like")
def broadcast_like(at: At) -> Sequence[Shape]:
    """src/operator/tensor/broadcast_reduce_op.h, BroadcastLikeShape."""
    other = at.shape(1)
    left, right = at["lhs_axes"], at["rhs_axes"]
    if left is None or right is None:
        if len(other) != len(at.data) or any(
            a not in (1, b) for a, b in zip(at.data, other, strict=True)
        ):
            raise at.unlike(1)
        return [other]
    if len(left) != len(right) or not left:
        raise Unfit(f"lhs_axes={left} and rhs_axes={right} are not as many")
    shape = list(at.data)
    for a, b in zip(left, right, strict=True):
        axis = at.counted(a, "lhs_axes")
        if at.data[axis] != 1:
            raise at.unlike(1)
        shape[axis] = other[at.counted(b, "rhs_axes", len(other))]
    return [tuple(shape)]


def reduced(at: At, axes: Sequence[int] | None, keepdims: bool, exclude: bool = False) -> Shape:
    """A shape without `axes`; without any, and of all axes, one number remains: (1,)."""
    rank = len(at.data)
    if not axes:
        return (1,) * (rank if keepdims else 1)
    gone = {axis for axis in range(rank) if (axis in axes) != exclude}
    if keepdims:
        return tuple(1 if axis in gone else size for axis, size in enumerate(at.data))
    return tuple(size for axis, size in enumerate(at.data) if axis not in gone) or (1,)


@rule("sum", "mean", "prod", "nansum", "nanprod", "max", "min")
def reduce_axes(at: At) -> Sequence[Shape]:
    """src/operator/tensor/broadcast_reduce_op.h, ReduceAxesShape."""
    axes = None if at["axis"] is None else at.axes("axis")
    return [reduced(at, axes, at["keepdims"], at["exclude"])]


@rule("norm")
def norm(at: At) -> Sequence[Shape]:
    """src/operator/tensor/broadcast_reduce_op.h, NormShape."""
    axes = None if at["axis"] is None else at.axes("axis")
    return [reduced(at, axes, at["keepdims"])]


def reduced_axis(at: At, keepdims: bool) -> Shape:
    """src/operator/tensor/broadcast_reduce_op.h, ReduceAxisShapeImpl: one axis, or all."""
    if at["axis"] is None or len(at.data) == 1:
        return (1,) * (len(at.data) if keepdims else 1)
    return reduced(at, (at.axis("axis"),), keepdims)


@rule("argmax", "argmin")
def reduce_axis(at: At) -> Sequence[Shape]:
    """src/operator/tensor/broadcast_reduce_op.h, ReduceAxisShape."""
    return [reduced_axis(at, at["keepdims"])]


@rule("argmax_channel")
def argmax_channel(at: At) -> Sequence[Shape]:
    """Over axis 1: src/operator/tensor/broadcast_reduce_op_index.cc."""
    at.counted(1, "axis")
    return [reduced(at, (1,), keepdims=False)]
