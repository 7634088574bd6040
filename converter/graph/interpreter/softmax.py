"""Softmax, and what the loss heads of training are at inference."""

from __future__ import annotations

import numpy as np

from converter.graph.interpreter.elementwise import sigmoid
from converter.graph.interpreter.operator import Array, Unhandled, computes, dtype_named, require

GRADIENT = (
    "grad_scale",
    "ignore_label",
    "use_ignore",
    "normalization",
    "out_grad",
    "smooth_alpha",
)


def _softmax(data: Array, axis: int) -> Array:
    out: Array = data - data.max(axis=axis, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=axis, keepdims=True)
    return out


def _tempered(data: Array, temperature: float | None, dtype: str | None) -> Array:
    """The exponents, in the dtype that is asked for."""
    divided = data if temperature in (None, 1.0) else data / data.dtype.type(temperature)
    return divided if dtype is None else divided.astype(dtype_named(dtype))


@computes("softmax")
def softmax(
    data: Array,
    length: Array | None = None,
    *,
    axis: int,
    temperature: float | None,
    dtype: str | None,
    use_length: bool | None,
) -> Array:
    """Softmax along one axis; with `use_length`, over the first values of it, and zeros behind.

    apache/mxnet 1.9.1 src/operator/nn/softmax-inl.h; 1.5.0 has no length.
    """
    require(bool(use_length) == (length is not None), "use_length does not agree with the inputs")
    data = _tempered(data, temperature, dtype)
    if length is None:
        return _softmax(data, axis)
    axis = axis % data.ndim
    rest = (*data.shape[:axis], *data.shape[axis + 1 :])
    require(length.shape == rest, f"the length has shape {length.shape}, not {rest}")
    places = np.arange(data.shape[axis]).reshape(-1, *(1,) * (data.ndim - axis - 1))
    inside = places < np.expand_dims(length, axis)
    masked = np.where(inside, data, np.finfo(data.dtype).min)
    return np.where(inside, _softmax(masked, axis), data.dtype.type(0))


@computes("log_softmax")
def log_softmax(
    data: Array,
    *,
    axis: int,
    temperature: float | None,
    dtype: str | None,
    use_length: bool | None,
) -> Array:
    """The logarithm of softmax: apache/mxnet 1.9.1 src/operator/nn/log_softmax.cc."""
    if use_length:
        raise Unhandled("use_length", use_length)
    data = _tempered(data, temperature, dtype)
    out: Array = data - data.max(axis=axis, keepdims=True)
    out -= np.log(np.exp(out).sum(axis=axis, keepdims=True))
    return out


@computes("softmin")
def softmin(
    data: Array,
    *,
    axis: int,
    temperature: float | None,
    dtype: str | None,
    use_length: bool | None,
) -> Array:
    """Softmax of the negative: apache/mxnet 1.9.1 src/operator/nn/softmin.cc."""
    if use_length:
        raise Unhandled("use_length", use_length)
    return _softmax(-_tempered(data, temperature, dtype), axis)


@computes("SoftmaxActivation")
def softmax_activation(data: Array, *, mode: str) -> Array:
    """Softmax over channels, or over the last axis of (all others, last).

    apache/mxnet 1.9.1 src/operator/nn/softmax_activation-inl.h.
    """
    match mode:
        case "instance":
            return _softmax(data, -1)
        case "channel":
            require(data.ndim > 2, "mode channel takes (batch, channels, *sizes)")
            return _softmax(data, 1)
    raise Unhandled("mode", mode)


@computes("SoftmaxOutput", without_effect=GRADIENT, unread=("label",))
def softmax_output(
    data: Array, label: Array | None = None, *, multi_output: bool, preserve_shape: bool
) -> Array:
    """At inference a softmax: over channels, over the last axis, or over all that is not batch.

    apache/mxnet 1.9.1 src/operator/softmax_output-inl.h, SoftmaxOutputOp::Forward. Without either
    attribute its MKL-DNN takes the last axis of one and of four axes, so such data is refused.
    """
    if multi_output:
        return _softmax(data, 1)
    if preserve_shape:
        return _softmax(data, -1)
    if data.ndim == 1 or (data.ndim == 4 and data.size != data.shape[0] * data.shape[-1]):
        raise Unhandled("preserve_shape", f"{preserve_shape} of data {data.shape}")
    return _softmax(data.reshape(data.shape[0], -1), 1).reshape(data.shape)


@computes(
    "LinearRegressionOutput", "MAERegressionOutput", without_effect=GRADIENT, unread=("label",)
)
@computes(
    "SVMOutput",
    without_effect=("margin", "regularization_coefficient", "use_linear"),
    unread=("label",),
)
@computes("MakeLoss", without_effect=("grad_scale", "valid_thresh", "normalization"))
@computes("make_loss", "BlockGrad", "_copy")
@computes("_contrib_gradientmultiplier", without_effect=("scalar", "is_int"))
@computes(
    "IdentityAttachKLSparseReg",
    without_effect=("sparseness_target", "penalty", "momentum"),
    unread=("moving_avg",),
)
def identity(data: Array, label: Array | None = None) -> Array:
    """What changes gradients alone: apache/mxnet 1.9.1 src/operator/regression_output.cc,
    svm_output-inl.h, make_loss-inl.h, tensor/elemwise_unary_op_basic.cc.
    """
    return data


@computes("LogisticRegressionOutput", without_effect=GRADIENT, unread=("label",))
def logistic_regression_output(data: Array, label: Array | None = None) -> Array:
    """At inference a sigmoid: apache/mxnet 1.9.1 src/operator/regression_output.cc."""
    return sigmoid(data)


@computes("Dropout", without_effect=("p", "axes", "cudnn_off"))
def dropout(data: Array, *, mode: str) -> Array:
    """Nothing at inference: apache/mxnet 1.9.1 src/operator/nn/dropout-inl.h.

    `mode` always draws at random at inference too, which no two runs do alike.
    """
    if mode != "training":
        raise Unhandled("mode", mode)
    return data
