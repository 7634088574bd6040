"""Functions of each number alone: activations, roots, logarithms, rounding, casts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, computes, dtype_named, require

NARROW = (np.dtype(np.float16), np.dtype(np.float32))
SELU_ALPHA, SELU_LAMBDA = 1.6732632423543772, 1.0507009873554805


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), in the dtype of x."""
    return np.asarray(1 / (1 + np.exp(-x)))


def _softrelu(x: Array) -> Array:
    """Beyond 20, x itself: log(1 + exp(x)) would overflow."""
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


def _softsign(x: Array) -> Array:
    return np.asarray(x / (1 + np.abs(x)))


def _round(x: Array) -> Array:
    """Halves away from zero, as C has it; NumPy rounds them to even."""
    whole = np.trunc(x)
    return np.asarray(whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0))


def _rint(x: Array) -> Array:
    """Halves down."""
    floor, ceil = np.floor(x), np.ceil(x)
    return np.where(x - floor <= ceil - x, floor, ceil)


def _special(name: str) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        from scipy import special  # here: `import converter` must not cost scipy

        return np.asarray(getattr(special, name)(x))

    return function


# apache/mxnet 1.9.1 src/operator/mshadow_op.h; of integers, the whole part of the result
UNARY: dict[str, Callable[[Array], Array]] = {
    "relu": _relu,
    "sigmoid": sigmoid,
    "softsign": _softsign,
    "tanh": np.tanh,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "degrees": np.degrees,
    "radians": np.radians,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "cbrt": np.cbrt,
    "rcbrt": lambda x: 1 / np.cbrt(x),
    "square": np.square,
    "reciprocal": lambda x: 1 / x,
    "abs": np.abs,
    "sign": np.sign,
    "negative": np.negative,
    "round": _round,
    "rint": _rint,
    "ceil": np.ceil,
    "floor": np.floor,
    "trunc": np.trunc,
    "fix": np.trunc,
    "erf": _special("erf"),
    "erfinv": _special("erfinv"),
    "gamma": _special("gamma"),
    "gammaln": _special("gammaln"),
    "logical_not": np.logical_not,
}


def _in_reals(function: Callable[[Array], Array], data: Array) -> Array:
    """The function in the data's own dtype; integers are computed as MXNet does, in doubles."""
    real = data if data.dtype.kind == "f" else data.astype(np.float64)
    return np.asarray(function(real)).astype(data.dtype, copy=False)


def _declare(name: str, function: Callable[[Array], Array]) -> None:
    computes(name)(lambda data: _in_reals(function, data))


for _name, _function in UNARY.items():
    _declare(_name, _function)


@computes("Activation")
def activation(data: Array, *, act_type: str) -> Array:
    """apache/mxnet 1.9.1 src/operator/nn/activation-inl.h."""
    functions: dict[str, Callable[[Array], Array]] = {
        "relu": _relu,
        "sigmoid": sigmoid,
        "tanh": np.tanh,
        "softrelu": _softrelu,
        "softsign": _softsign,
    }
    if act_type not in functions:
        raise Unhandled("act_type", act_type)
    return np.asarray(functions[act_type](data))


@computes("LeakyReLU")
def leaky_relu(
    data: Array,
    gamma: Array | None = None,
    *,
    act_type: str,
    slope: float,
    lower_bound: float,
    upper_bound: float,
) -> Array:
    """The activations with a slope below zero; gamma of prelu stands along axis 1.

    At inference the slope of rrelu is the mean of its bounds. gelu is the exact one, by erf.
    apache/mxnet 1.9.1 src/operator/leaky_relu-inl.h, mshadow_op.h.
    """
    real = data.dtype.type
    match act_type:
        case "leaky":
            below = data * real(slope)
        case "rrelu":
            below = data * real((lower_bound + upper_bound) / 2)
        case "prelu" if gamma is not None:
            below = data * _along_channels(gamma, data)
        case "elu":
            below = real(slope) * np.expm1(np.minimum(data, 0))
        case "selu":
            scaled = real(SELU_ALPHA) * np.expm1(np.minimum(data, 0))
            return np.asarray(real(SELU_LAMBDA) * np.where(data > 0, data, scaled))
        case "gelu":
            inner = _special("erf")(data / np.float32(math.sqrt(2)))
            return np.asarray(np.float32(0.5) * data * (1 + inner)).astype(data.dtype)
        case _:
            raise Unhandled("act_type", act_type)
    return np.where(data > 0, data, below)


def _along_channels(gamma: Array, data: Array) -> Array:
    """Gamma beside data: its last size stands along axis 1, or 0 where that fits."""
    sizes, shape = list(gamma.shape), [1] * data.ndim
    for axis in range(min(1, data.ndim - 1), -1, -1):
        if sizes and sizes[-1] in (1, data.shape[axis]):
            shape[axis] = sizes.pop()
    if sizes:
        raise ValueError(f"gamma of shape {gamma.shape} does not fit data of {data.shape}")
    return gamma.reshape(shape)


@computes("hard_sigmoid")
def hard_sigmoid(data: Array, *, alpha: float, beta: float) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op.h."""
    real = data.dtype.type
    return np.asarray(np.clip(real(alpha) * data + real(beta), real(0), real(1)))


@computes("clip")
def clip(data: Array, *, a_min: float, a_max: float) -> Array:
    """Above a_max first, then below a_min: src/operator/tensor/matrix_op-inl.h, 1.9.1."""
    low, high = (np.array(bound).astype(data.dtype) for bound in (a_min, a_max))
    return np.where(data > a_max, high, np.where(data < a_min, low, data))


@computes("smooth_l1")
def smooth_l1(data: Array, *, scalar: float) -> Array:
    """apache/mxnet 1.9.1 src/operator/mshadow_op.h, smooth_l1_loss."""
    real = data.dtype.type
    square, bound, size = real(scalar**2), real(1 / scalar**2), np.abs(data)
    inner = real(0.5) * data * data * square
    return np.asarray(np.where(size > bound, size - real(0.5) * bound, inner))


@computes("_contrib_quadratic")
def quadratic(data: Array, *, a: float, b: float, c: float) -> Array:
    """The polynomial a x² + b x + c: apache/mxnet 1.9.1 src/operator/contrib/quadratic_op-inl.h."""
    real = data.dtype.type
    return np.asarray(real(a) * data * data + real(b) * data + real(c))


@computes("Cast")
def cast(data: Array, *, dtype: str) -> Array:
    """Real numbers lose their fraction where they become integers.

    apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op.h, CastCompute.
    """
    return data.astype(dtype_named(dtype))


@computes("amp_cast")
def amp_cast(data: Array, *, dtype: str) -> Array:
    """Of float16 and float32 alone: apache/mxnet 1.9.1 src/operator/tensor/amp_cast.h."""
    return data.astype(dtype_named(dtype)) if data.dtype in NARROW else data


@computes("amp_multicast", without_effect=("num_outputs",))
def amp_multicast(*data: Array, cast_narrow: bool) -> tuple[Array, ...]:
    """Of float16 and float32, all as the wider among them, or as the narrower.

    apache/mxnet 1.9.1 src/operator/tensor/amp_cast.h, AMPMultiCastType.
    """
    found = [dtype for dtype in NARROW if any(array.dtype == dtype for array in data)]
    require(len(found) > 0, "none of the arrays is of float16 or float32")
    wanted = found[0 if cast_narrow else -1]
    return tuple(array.astype(wanted) if array.dtype in NARROW else array for array in data)
