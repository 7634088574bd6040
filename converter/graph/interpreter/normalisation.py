"""Normalisation: by stored statistics, by those of the data itself, by length."""

from __future__ import annotations

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, computes, real_axis, require

TRAINING = ("momentum", "use_global_stats")
QUANTISED = ("cudnn_off", "min_calib_range", "max_calib_range")


def _beside(values: Array, axis: int, dimensions: int) -> Array:
    """A vector as it stands along one axis of data with so many dimensions."""
    return values.reshape(tuple(-1 if n == axis else 1 for n in range(dimensions)))


def _none(output_mean_var: bool) -> None:
    """Mean and variance beside the result: what they are differs from operator to operator."""
    if output_mean_var:
        raise Unhandled("output_mean_var", output_mean_var)


def _by_statistics(
    data: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    *,
    eps: float,
    fix_gamma: bool,
    axis: int = 1,
) -> Array:
    """Normalised along one axis; `fix_gamma` takes gamma for 1, whatever it is."""
    axis = real_axis(axis, data)
    shape = (data.shape[axis],)
    for given in (gamma, beta, mean, variance):
        require(given.shape == shape, f"a parameter has shape {given.shape}, not {shape}")
    inverse = 1 / np.sqrt(variance + variance.dtype.type(eps))
    out: Array = data - _beside(mean, axis, data.ndim)
    out *= _beside(inverse if fix_gamma else inverse * gamma, axis, data.ndim)
    out += _beside(beta, axis, data.ndim)
    return out.astype(data.dtype, copy=False)  # float16 data has float32 statistics


@computes("BatchNorm", without_effect=(*TRAINING, *QUANTISED))
def batch_norm(
    data: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    *,
    eps: float,
    fix_gamma: bool,
    output_mean_var: bool,
    axis: int,
) -> Array:
    """By the stored mean and variance.

    apache/mxnet 1.9.1 src/operator/nn/batch_norm.cc, BatchNormForwardImpl; the same in 1.5.0.
    """
    _none(output_mean_var)
    statistics = (moving_mean, moving_var)
    return _by_statistics(data, gamma, beta, *statistics, eps=eps, fix_gamma=fix_gamma, axis=axis)


@computes("_contrib_BatchNormWithReLU", without_effect=(*TRAINING, *QUANTISED))
def batch_norm_with_relu(
    data: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    *,
    eps: float,
    fix_gamma: bool,
    output_mean_var: bool,
    axis: int,
) -> Array:
    """BatchNorm, then nothing below zero: src/operator/contrib/batch_norm_relu.cc, 1.9.1."""
    _none(output_mean_var)
    statistics = (moving_mean, moving_var)
    out = _by_statistics(data, gamma, beta, *statistics, eps=eps, fix_gamma=fix_gamma, axis=axis)
    return np.maximum(out, 0)


@computes("BatchNorm_v1", without_effect=TRAINING)
@computes("_contrib_SyncBatchNorm", without_effect=(*TRAINING, "ndev", "key"))
def batch_norm_of_channels(
    data: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    *,
    eps: float,
    fix_gamma: bool,
    output_mean_var: bool,
) -> Array:
    """BatchNorm along axis 1.

    apache/mxnet 1.9.1 src/operator/batch_norm_v1-inl.h, contrib/sync_batch_norm-inl.h.
    """
    _none(output_mean_var)
    statistics = (moving_mean, moving_var)
    return _by_statistics(data, gamma, beta, *statistics, eps=eps, fix_gamma=fix_gamma)


def _by_itself(data: Array, axis: int, eps: float) -> Array:
    """Less its mean along one axis, by the root of its variance + eps."""
    out: Array = data - data.mean(axis=axis, keepdims=True)
    out /= np.sqrt(np.mean(out * out, axis=axis, keepdims=True) + data.dtype.type(eps))
    return out


@computes("LayerNorm")
def layer_norm(
    data: Array, gamma: Array, beta: Array, *, axis: int, eps: float, output_mean_var: bool
) -> Array:
    """Normalised along one axis: apache/mxnet 1.9.1 src/operator/nn/layer_norm.cc."""
    _none(output_mean_var)
    axis = real_axis(axis, data)
    shape = (data.shape[axis],)
    require(gamma.shape == beta.shape == shape, f"gamma and beta are not of shape {shape}")
    out = _by_itself(data, axis, eps)
    out *= _beside(gamma, axis, data.ndim)
    out += _beside(beta, axis, data.ndim)
    return out


@computes("GroupNorm")
def group_norm(
    data: Array, gamma: Array, beta: Array, *, num_groups: int, eps: float, output_mean_var: bool
) -> Array:
    """Normalised over each group of channels and all sizes; gamma and beta are one number a group.

    apache/mxnet 1.9.1 src/operator/nn/group_norm-inl.h; 1.5.0 has no such operator.
    """
    _none(output_mean_var)
    require(data.ndim > 2, "GroupNorm takes (batch, channels, *sizes)")
    require(num_groups > 0 == data.shape[1] % num_groups, "the groups do not divide the channels")
    require(gamma.shape == beta.shape == (num_groups,), f"gamma and beta are not ({num_groups},)")
    out = _by_itself(data.reshape(data.shape[0], num_groups, -1), 2, eps)
    out *= gamma[:, None]
    out += beta[:, None]
    return out.reshape(data.shape)


@computes("InstanceNorm")
def instance_norm(data: Array, gamma: Array, beta: Array, *, eps: float) -> Array:
    """Normalised over the sizes of each channel: src/operator/instance_norm-inl.h, 1.9.1."""
    require(data.ndim > 2, "InstanceNorm takes (batch, channels, *sizes)")
    shape = (data.shape[1],)
    require(gamma.shape == beta.shape == shape, f"gamma and beta are not of shape {shape}")
    out = _by_itself(data.reshape(*data.shape[:2], -1), 2, eps)
    out *= gamma[:, None]
    out += beta[:, None]
    return out.reshape(data.shape)


@computes("L2Normalization")
def l2_normalization(data: Array, *, eps: float, mode: str) -> Array:
    """Divided by sqrt(sum of squares + eps), over an instance, over channels, or over sizes.

    apache/mxnet 1.9.1 src/operator/l2_normalization-inl.h.
    """
    require(mode == "instance" or data.ndim > 2, f"mode {mode} takes (batch, channels, *sizes)")
    match mode:
        case "instance":
            axes = tuple(range(1, data.ndim))
        case "channel":
            axes = (1,)
        case "spatial":
            axes = tuple(range(2, data.ndim))
        case _:
            raise Unhandled("mode", mode)
    squares = np.sum(data * data, axis=axes, keepdims=True)
    return np.asarray(data / np.sqrt(squares + data.dtype.type(eps)))


@computes("LRN")
def local_response_norm(
    data: Array, *, alpha: float, beta: float, knorm: float, nsize: int
) -> Array:
    """Divided by (knorm + alpha / nsize × squares of `nsize` channels around each) ** beta.

    apache/mxnet 1.9.1 src/operator/nn/lrn-inl.h.
    """
    require(nsize % 2 == 1, f"nsize is odd, not {nsize}")
    squares, total, reach = data * data, np.zeros_like(data), nsize // 2
    for offset in range(-reach, reach + 1):
        if abs(offset) < data.shape[1]:
            to = slice(max(0, -offset), data.shape[1] - max(0, offset))
            total[:, to] += squares[:, to.start + offset : to.stop + offset]
    scale = knorm + total * data.dtype.type(alpha / nsize)
    return np.asarray(data * scale ** data.dtype.type(-beta))
