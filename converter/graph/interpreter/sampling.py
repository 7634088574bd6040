"""Images sampled at places that are computed: grids, and transformed ones."""

from __future__ import annotations

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, computes, require


@computes("BilinearSampler", without_effect=("cudnn_off",))
def bilinear_sampler(data: Array, grid: Array) -> Array:
    """Interpolated at the grid's (batch, x and y, height, width), from -1 to 1; beyond it, zeros.

    apache/mxnet 1.9.1 src/operator/bilinear_sampler.cc, BilinearSamplerForward.
    """
    require(len(grid) == len(data) and grid.shape[1] == 2, f"a grid of {grid.shape}")
    height, width = data.shape[2:]
    x, y = (grid[:, 0] + 1) * (width - 1) / 2, (grid[:, 1] + 1) * (height - 1) / 2
    left, top = np.floor(x), np.floor(y)
    right_share, lower_share = (x - left)[:, None], (y - top)[:, None]
    batch = np.arange(len(data))[:, None, None]

    def pixel(down: int, right: int) -> Array:
        row, column = top.astype(np.int64) + down, left.astype(np.int64) + right
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        found = data[batch, :, row.clip(0, height - 1), column.clip(0, width - 1)]
        return np.where(inside[:, None], np.moveaxis(found, -1, 1), data.dtype.type(0))

    upper = pixel(0, 0) * (1 - right_share) + pixel(0, 1) * right_share
    lower = pixel(1, 0) * (1 - right_share) + pixel(1, 1) * right_share
    return np.asarray(upper * (1 - lower_share) + lower * lower_share)


def _affine(matrices: Array, shape: tuple[int, ...]) -> Array:
    """The places (x, y, 1) of a grid from -1 to 1, moved by (batch, 2 × 3) numbers."""
    require(len(shape) == 2 and min(shape) > 1, f"target_shape is two sizes, not {shape}")
    y, x = (
        -1 + np.arange(size, dtype=matrices.dtype) * matrices.dtype.type(2 / (size - 1))
        for size in shape
    )
    places = np.stack([*np.meshgrid(x, y), np.ones(shape, matrices.dtype)]).reshape(3, -1)
    return np.asarray(matrices.reshape(-1, 2, 3) @ places).reshape(-1, 2, *shape)


@computes("GridGenerator")
def grid_generator(data: Array, *, transform_type: str, target_shape: tuple[int, ...]) -> Array:
    """A grid for `bilinear_sampler`, moved by an affine matrix, or by a flow in pixels.

    apache/mxnet 1.9.1 src/operator/grid_generator-inl.h.
    """
    match transform_type:
        case "affine":
            return _affine(data, target_shape)
        case "warp":
            height, width = data.shape[2:]
            y, x = np.indices((height, width)).astype(data.dtype)
            half = np.array(((width - 1) / 2, (height - 1) / 2), data.dtype)
            return np.asarray((data + np.stack((x, y))) / half.reshape(2, 1, 1) - 1)
    raise Unhandled("transform_type", transform_type)


@computes("SpatialTransformer", without_effect=("cudnn_off",))
def spatial_transformer(
    data: Array,
    loc: Array,
    *,
    target_shape: tuple[int, ...],
    transform_type: str,
    sampler_type: str,
) -> Array:
    """The data at a grid that an affine matrix moves: spatial_transformer.cc, 1.9.1."""
    if transform_type != "affine":
        raise Unhandled("transform_type", transform_type)
    if sampler_type != "bilinear":
        raise Unhandled("sampler_type", sampler_type)
    return bilinear_sampler(data, _affine(loc, target_shape))
