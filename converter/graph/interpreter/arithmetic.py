"""Arithmetic of two arrays, of an array and a number, and of many arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from converter.graph.interpreter.operator import Array, computes, require

Binary = Callable[[Any, Any], Any]


def _divide(a: Array, b: Array) -> Array:
    """Integers lose their fraction, towards zero: C divides so, NumPy towards minus infinity."""
    if np.result_type(a, b).kind == "f":
        return np.asarray(a / b)
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))


def _modulo(a: Array, b: Array) -> Array:
    """The sign is the divisor's, as in Python, and nothing is left of a division by zero."""
    return np.where(np.equal(b, 0), 0, np.mod(a, b))


# apache/mxnet 1.9.1 src/operator/mshadow_op.h: comparisons give 0 and 1 in the operands' dtype
BINARY: dict[str, Binary] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "mod": _modulo,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "hypot": np.hypot,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "lesser": np.less,
    "lesser_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
IN_REALS = ("power", "hypot")  # of integers too, and the fraction is lost
SAME_SHAPE: dict[str, tuple[str, ...]] = {name: (f"_{name}",) for name in BINARY}
SAME_SHAPE |= {name: (f"elemwise_{name}",) for name in ("sub", "mul", "div")}
SAME_SHAPE["add"] = ("elemwise_add", "_grad_add")
SCALAR = {"add": "plus", "sub": "minus"}  # the names that differ
REVERSED = {"minus": "_rminus_scalar", "div": "_rdiv_scalar"}
REVERSED |= {"mod": "_rmod_scalar", "power": "_rpower_scalar"}


def _apply(name: str, a: Array, b: Array) -> Array:
    """In the dtype of both. Raises `ValueError` where they differ, as MXNet does."""
    require(a.dtype == b.dtype, f"{a.dtype} and {b.dtype} are not the same dtype")
    dtype = a.dtype
    if name in IN_REALS and dtype.kind != "f":
        a, b = a.astype(np.float64), b.astype(np.float64)
    return np.asarray(BINARY[name](a, b)).astype(dtype, copy=False)


def _same_shape(name: str, lhs: Array, rhs: Array) -> Array:
    require(lhs.shape == rhs.shape, f"{lhs.shape} and {rhs.shape} are not the same shape")
    return _apply(name, lhs, rhs)


def _with_scalar(name: str, turned: bool, data: Array, scalar: float, is_int: bool) -> Array:
    """An array and a number, the number first where it is `turned`.

    apache/mxnet 1.9.1 src/operator/tensor/elemwise_binary_scalar_op.h: the number is cast to the
    array's dtype, but integers with a number that is none become doubles. MXNet 1.5.0 casts always;
    its files do not state `is_int`, whose default means just that.
    """
    dtype = data.dtype
    if dtype.kind not in "fb" and not is_int:
        dtype = np.dtype(np.float64)
    elif dtype.kind == "b":
        dtype = np.dtype(np.int64 if is_int else np.float64)
    data, number = data.astype(dtype, copy=False), np.array(scalar).astype(dtype)
    return _apply(name, number, data) if turned else _apply(name, data, number)


def _declare(name: str) -> None:
    def same(lhs: Array, rhs: Array) -> Array:
        return _same_shape(name, lhs, rhs)

    def broadcast(lhs: Array, rhs: Array) -> Array:
        return _apply(name, lhs, rhs)

    def scalar(data: Array, *, scalar: float, is_int: bool) -> Array:
        return _with_scalar(name, False, data, scalar, is_int)

    def turned(data: Array, *, scalar: float, is_int: bool) -> Array:
        return _with_scalar(name, True, data, scalar, is_int)

    called = SCALAR.get(name, name)
    computes(*SAME_SHAPE[name])(same)
    computes(f"broadcast_{name}")(broadcast)
    computes(f"_{called}_scalar")(scalar)
    if called in REVERSED:
        computes(REVERSED[called])(turned)


for _name in BINARY:
    _declare(_name)


@computes("add_n", without_effect=("num_args",))
def add_n(*args: Array) -> Array:
    """The sum of all: apache/mxnet 1.9.1 src/operator/tensor/elemwise_sum.cc."""
    return functools.reduce(functools.partial(_same_shape, "add"), args)


@computes("_identity_with_attr_like_rhs")
def identity_like(lhs: Array, rhs: Array) -> Array:
    """The left: apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op_basic.cc."""
    return lhs
