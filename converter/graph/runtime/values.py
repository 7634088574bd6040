"""Arithmetic, normalization, pooling, shapes, places."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def mod(a: Tensor | float, b: Tensor | float) -> Tensor:
    """The remainder with the divisor's sign; 0 where the divisor is 0."""
    a, b = (v if isinstance(v, Tensor) else torch.as_tensor(v) for v in (a, b))
    zero = b == 0
    return torch.where(zero, 0, torch.remainder(a, b.masked_fill(zero, 1)))


def round_away(x: Tensor) -> Tensor:
    """The nearest integer, halves away from zero."""
    return torch.sign(x) * torch.floor(torch.abs(x) + 0.5)


def cbrt(x: Tensor) -> Tensor:
    """The cube root, of negative numbers too."""
    return torch.sign(x) * torch.abs(x) ** (1 / 3)


def gamma(x: Tensor) -> Tensor:
    """The gamma function."""
    sign = torch.where((x < 0) & (torch.floor(x) % 2 != 0), -1.0, 1.0)
    return sign * torch.exp(torch.lgamma(x))


def smooth_l1(x: Tensor, sigma: float) -> Tensor:
    """The smooth L1 loss of a difference: a parabola within 1 / sigma²."""
    bound = 1 / sigma**2
    return torch.where(x.abs() > bound, x.abs() - 0.5 * bound, 0.5 * sigma**2 * x.square())


def masked_softmax(x: Tensor, length: Tensor, axis: int) -> Tensor:
    """Softmax along an axis of the first `length` values; the others become 0."""
    place = torch.arange(x.shape[axis], device=x.device)
    place = place.reshape([-1 if d == axis else 1 for d in range(x.dim())])
    valid = place < length.unsqueeze(axis)
    return torch.softmax(x.masked_fill(~valid, -torch.inf), axis).masked_fill(~valid, 0)


def div_sqrt_dim(x: Tensor) -> Tensor:
    """The values divided by the root of the last axis' size."""
    return x / math.sqrt(x.shape[-1])


def quadratic(x: Tensor, a: float, b: float, c: float) -> Tensor:
    """The parabola a x² + b x + c."""
    return a * x.square() + b * x + c


def gemm(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    """The product alpha A B, and beta C."""
    return alpha * (a @ b) + beta * c


def scale_gradient(x: Tensor, scale: float) -> Tensor:
    """The value itself, whose gradient is multiplied."""
    return x + (scale - 1) * (x - x.detach())


def shared_dropout(x: Tensor, p: float, axes: tuple[int, ...], training: bool) -> Tensor:
    """Dropout with one mask for all positions along `axes`."""
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return x * F.dropout(torch.ones(shape, dtype=x.dtype, device=x.device), p, training)


def l2_normalize(x: Tensor, dim: int | tuple[int, ...], eps: float) -> Tensor:
    """The values divided by the root of their sum of squares and eps."""
    return x / (x.square().sum(dim, keepdim=True) + eps).sqrt()


def crop_to(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """The middle of the last axes, one further right where that is none."""
    for axis, wanted in enumerate(size, x.dim() - len(size)):
        x = x.narrow(axis, (x.shape[axis] - wanted + 1) // 2, wanted)
    return x


def pool(
    x: Tensor,
    kind: str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    convention: str = "valid",
    count_include_pad: bool = True,
    p: int = 1,
) -> Tensor:
    """Pooling by MXNet's windows, which may begin and end in the padding."""
    max_pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel) - 1]
    avg_pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    lowest = torch.finfo(x.dtype).min
    around, inside = [], []  # padding at both ends of each axis, last axis first
    for size, k, s, edge in reversed(list(zip(x.shape[2:], kernel, stride, pad, strict=True))):
        if convention == "valid":
            count = (size + 2 * edge - k) // s + 1
        elif convention == "full":
            count = -(-(size + 2 * edge - k) // s) + 1
        else:  # same
            count = -(-size // s)
        more = max((count - 1) * s + k - size - 2 * edge, 0)
        around += [edge, edge + more]
        inside += [0, more]
    if kind == "max":
        return max_pool(F.pad(x, around, value=lowest), kernel, stride)
    total = avg_pool(F.pad(x**p, around), kernel, stride) * math.prod(kernel)
    if kind == "avg":
        ones = torch.ones_like(x[:1, :1])
        if count_include_pad:
            counted = F.pad(F.pad(ones, [e for e in reversed(pad) for _ in "lr"], value=1), inside)
        else:
            counted = F.pad(ones, around)
        counted = avg_pool(counted, kernel, stride) * math.prod(kernel)
        # Of a window in the padding alone MXNet's volumes are 0 / 0, its images 0
        total = total / (counted if len(kernel) == 3 else counted.clamp(min=1))
    elif p == 2:
        total = total.sqrt()
    elif p == 3:
        total = torch.sign(total) * total.abs() ** (1 / 3)
    return total


def resize(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bilinear interpolation; one row or column is the first, as it is in MXNet."""
    for axis, wanted in ((2, size[0]), (3, size[1])):
        x = x.narrow(axis, 0, 1) if wanted == 1 else x
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


def odd_scale(size: int, scale: float) -> int:
    """A size times a scale; an odd one stays odd."""
    return int(size * scale) if size % 2 == 0 else int((size - 1) * scale) + 1


def crop(x: Tensor, size: tuple[int, ...], offset: tuple[int, ...] | None = None) -> Tensor:
    """A rectangle of the last two axes: at an offset, or in the middle."""
    for axis, wanted in ((2, size[0]), (3, size[1])):
        start = (x.shape[axis] - wanted) // 2 if offset is None else offset[axis - 2]
        x = x.narrow(axis, start, wanted)
    return x


def depth_to_space(x: Tensor, block: int) -> Tensor:
    """Channels become blocks of pixels; the block's rows and columns are the first channels."""
    n, c, h, w = x.shape
    x = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """Blocks of pixels become channels; the block's rows and columns are the first channels."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * block**2, h // block, w // block)


def topk(x: Tensor, k: int, axis: int, largest: bool, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The k largest or smallest values and their places; of equal values the first."""
    values, places = torch.sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, k), places.narrow(axis, 0, k).to(dtype)


def pick(x: Tensor, index: Tensor, axis: int, mode: str = "clip") -> Tensor:
    """The value at a place along an axis; a place outside is the nearest, or wraps around."""
    size = x.shape[axis]
    index = index.long() % size if mode == "wrap" else index.long().clamp(0, size - 1)
    return x.gather(axis, index)


def take(x: Tensor, index: Tensor, axis: int, mode: str = "clip") -> Tensor:
    """The values at places along an axis; a place outside is the nearest, or wraps around."""
    size, index = x.shape[axis], index.long()
    if mode != "raise":
        index = index % size if mode == "wrap" else index.clamp(0, size - 1)
    found = x.index_select(axis, index.flatten())
    return found.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1 :])


def scatter_nd(x: Tensor, index: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Zeros with values at places: the first axis of `index` counts the axes."""
    return x.new_zeros(shape).index_put(tuple(index.long()), x)


def one_hot(
    index: Tensor,
    depth: int,
    on: float = 1.0,
    off: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """`on` at a place along a new last axis, `off` elsewhere; a place outside has none."""
    hit = index.long().unsqueeze(-1) == torch.arange(depth, device=index.device)
    return torch.where(hit, on, off).to(dtype)


def ravel(index: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Places along several axes, in the first axis, as places in all values."""
    place = torch.zeros_like(index[0])
    for along, size in zip(index, shape, strict=True):
        place = place * size + along
    return place


def unravel(place: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Places in all values as places along several axes, in a new first axis."""
    found = []
    for size in reversed(shape[1:]):
        found.append(place % size)
        place = torch.div(place, size, rounding_mode="floor")
    return torch.stack([place, *found[::-1]])


def index_array(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The place of each value along axes, in a new last axis."""
    places = [torch.arange(size, device=x.device) for size in x.shape]
    grids = torch.meshgrid(places, indexing="ij")
    return torch.stack([grids[axis] for axis in axes], -1)


def arange_like(
    x: Tensor, axis: int | None = None, start: float = 0.0, step: float = 1.0, repeat: int = 1
) -> Tensor:
    """Numbers in the shape of a value, or as many as one of its axes has."""
    count = x.numel() if axis is None else x.shape[axis]
    places = torch.arange(count, device=x.device) // repeat
    numbers = start + step * places.to(x.dtype)
    return numbers.reshape(x.shape) if axis is None else numbers
