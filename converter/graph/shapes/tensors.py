"""Shapes of what is reshaped, cut, joined and repeated."""

from __future__ import annotations

from collections.abc import Sequence

from converter.graph.shapes.rules import At, Shape, Unfit, product, rule, shown


@rule("Reshape")
def reshape(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, InferReshapeShape: codes 0, -1, -2, -3 and -4."""
    codes = at["shape"]
    if codes:
        made = _reshaped(at, list(codes))
    elif at["target_shape"]:
        made = list(at["target_shape"])  # of MXNet before 0.9: 0 is the size left over
        if at["keep_highest"]:
            made[0] = at.data[0]
        if made.count(0) == 1:
            made[made.index(0)] = -1
        made = _rest(at, made)
    else:
        raise Unfit("it has neither shape nor target_shape")
    if min(made) < 0 or product(made) != product(at.data):
        raise Unfit(f"{at.tensor(0)} of {shown(at.data)} cannot be reshaped to {shown(made)}")
    return [tuple(made)]


def _reshaped(at: At, codes: list[int]) -> list[int]:
    data, made, place = list(at.data), list[int](), 0
    if at["reverse"]:
        data.reverse()
        codes.reverse()
    left = iter(codes)
    refusal = Unfit(f"shape={at['shape']} does not go with {at.tensor(0)} {shown(at.data)}")
    for code in left:
        taken = data[place : place + 2]
        match code:
            case 0 if taken:
                made.append(taken[0])
            case -2:
                made += data[place:]
                place = len(data)
                continue
            case -3 if len(taken) == 2:
                made.append(taken[0] * taken[1])
                place += 1
            case -4 if taken:
                one, two = next(left, 0), next(left, 0)
                if -1 not in (one, two) or (one == two) or 0 in (one, two):
                    made += [one, two]
                else:
                    made += [taken[0] // two, two] if one == -1 else [one, taken[0] // one]
                if one < -1 or two < -1 or made[-1] * made[-2] != taken[0]:
                    raise refusal
            case -1:
                made.append(-1)
            case _ if code > 0:
                made.append(code)
            case _:
                raise refusal
        place += 1
    if made.count(-1) > 1:
        raise refusal
    made = _rest(at, made)
    return made[::-1] if at["reverse"] else made


def _rest(at: At, sizes: list[int]) -> list[int]:
    """Sizes with the one that is -1 computed from the others."""
    if -1 not in sizes:
        return sizes
    others = product(size for size in sizes if size != -1)
    if others < 1:
        raise Unfit(f"{at.tensor(0)} of {shown(at.data)} cannot be reshaped to {shown(sizes)}")
    return [product(at.data) // others if size == -1 else size for size in sizes]


def _range(at: At, side: str, rank: int) -> tuple[int, int]:
    begin, end = at[f"{side}_begin"], at[f"{side}_end"]
    begin = 0 if begin is None else begin + rank * (begin < 0)
    end = rank if end is None else end + rank * (end < 0)
    if not 0 <= begin <= end <= rank:
        raise Unfit(f"{side}_begin={begin}, {side}_end={end} are no dimensions of {rank}")
    return begin, end


@rule("reshape_like")
def reshape_like(at: At) -> Sequence[Shape]:
    """src/operator/tensor/elemwise_unary_op_basic.cc, ReshapeLikeShapeCompute."""
    data, other = at.data, at.shape(1)
    begin, end = _range(at, "lhs", len(data))
    other_begin, other_end = _range(at, "rhs", len(other))
    made = (*data[:begin], *other[other_begin:other_end], *data[end:])
    if product(made) != product(data):
        raise at.unlike(1)
    return [made]


@rule("transpose")
def transpose(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, TransposeShape."""
    axes = at.axes("axes") if at["axes"] else tuple(range(len(at.data)))[::-1]
    if len(axes) != len(at.data):
        raise Unfit(f"axes={axes} are not those of {at.tensor(0)} {shown(at.data)}")
    return [tuple(at.data[axis] for axis in axes)]


@rule("SwapAxis")
def swap_axis(at: At) -> Sequence[Shape]:
    """src/operator/swapaxis-inl.h, InferShape."""
    one, two = at.axis("dim1"), at.axis("dim2")
    shape = list(at.data)
    shape[one], shape[two] = shape[two], shape[one]
    return [tuple(shape)]


@rule("expand_dims")
def expand_dims(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, ExpandDimShape."""
    axis = at.axis("axis", len(at.data) + 1)
    return [(*at.data[:axis], 1, *at.data[axis:])]


@rule("squeeze")
def squeeze(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, SqueezeShape: of sizes 1 alone, (1,) remains."""
    if at["axis"] is None:
        return [tuple(size for size in at.data if size != 1) or (1,)]
    axes = at.axes("axis")
    if any(at.data[axis] != 1 for axis in axes):
        raise Unfit(f"axis={at['axis']} of {at.tensor(0)} {shown(at.data)} is not of size 1")
    return [tuple(size for axis, size in enumerate(at.data) if axis not in axes) or (1,)]


@rule("slice")
def slice_(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, GetIndexRange and SetSliceOpOutputDimSize."""
    begin, end = at["begin"], at["end"]
    step = at["step"] or (None,) * len(begin)
    if not len(begin) == len(end) == len(step) or len(begin) > len(at.data):
        raise Unfit(f"begin={begin}, end={end}, step={step} do not go with {shown(at.data)}")
    shape = list(at.data)
    for axis, (b, e, s) in enumerate(zip(begin, end, step, strict=True)):
        size, s = shape[axis], 1 if s is None else s
        if s == 0:
            raise Unfit(f"step={step} has a 0")
        first = (size - 1 if s < 0 else 0) if b is None else b + size * (b < 0)
        last = (-1 if s < 0 else size) if e is None else e + size * (e < 0)
        first = max(first, 0) if s > 0 else min(first, size - 1)
        last = min(max(last, -1), size)
        span = (last - first) * (1 if s > 0 else -1)
        shape[axis] = (span - 1) // abs(s) + 1 if 0 <= first < size and span > 0 else 0
    return [tuple(shape)]


@rule("slice_axis")
def slice_axis(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, GetSliceAxisParams."""
    axis = at.axis("axis")
    size, begin, end = at.data[axis], at["begin"], at["end"]
    first = begin + size * (begin < 0)
    last = size if end is None else end + size * (end < 0)
    if not 0 <= first < last <= size:
        raise Unfit(f"begin={begin}, end={end} take nothing of {shown(at.data)} along {axis}")
    return [(*at.data[:axis], last - first, *at.data[axis + 1 :])]


@rule("slice_like")
def slice_like(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, SliceLikeShape."""
    other, axes = at.shape(1), at.axes("axes")
    if not axes and len(other) != len(at.data):
        raise at.unlike(1)
    shape = list(at.data)
    for axis in axes or range(len(at.data)):
        if axis >= len(other) or other[axis] > shape[axis]:
            raise at.unlike(1)
        shape[axis] = other[axis]
    return [tuple(shape)]


@rule("SliceChannel")
def slice_channel(at: At) -> Sequence[Shape]:
    """src/operator/slice_channel-inl.h, InferShape."""
    axis, count = at.axis("axis"), at["num_outputs"]
    size = at.data[axis]
    if count < 1 or size % count or (at["squeeze_axis"] and size != count):
        raise Unfit(f"{at.tensor(0)} of {shown(at.data)} cannot be split into {count} along {axis}")
    middle = () if at["squeeze_axis"] else (size // count,)
    return [(*at.data[:axis], *middle, *at.data[axis + 1 :])] * count


@rule("_split_v2")
def split(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, SplitOpShapeImpl and GetSplitIndices."""
    axis, sections = at.axis("axis"), at["sections"]
    size = at.data[axis]
    if sections > 0:
        small, more = divmod(size, sections)
        sizes = [small + (n < more) for n in range(sections)]
    else:
        begins = at["indices"]
        sizes = [b - a for a, b in zip(begins, (*begins[1:], size), strict=True)]
    if min(sizes, default=0) < 1 or (at["squeeze_axis"] and max(sizes) > 1):
        raise Unfit(f"{at.tensor(0)} of {shown(at.data)} cannot be split into {sizes}")
    before, after = at.data[:axis], at.data[axis + 1 :]
    return [(*before, *(() if at["squeeze_axis"] else (size,)), *after) for size in sizes]


@rule("Concat", "_rnn_param_concat")
def concat(at: At) -> Sequence[Shape]:
    """src/operator/nn/concat.cc, ConcatShape."""
    axis = at.axis("dim")
    total = 0
    for place, shape in enumerate(at.all):
        if len(shape) != len(at.data) or any(
            a != b for n, (a, b) in enumerate(zip(shape, at.data, strict=True)) if n != axis
        ):
            raise at.unlike(place)
        total += shape[axis]
    return [(*at.data[:axis], total, *at.data[axis + 1 :])]


@rule("stack")
def stack(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, StackOpShape."""
    axis = at.axis("axis", len(at.data) + 1)
    for place, shape in enumerate(at.all):
        if shape != at.data:
            raise at.unlike(place)
    return [(*at.data[:axis], len(at.shapes), *at.data[axis:])]


@rule("tile")
def tile(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, TileOpShape."""
    reps = at["reps"]
    rank = max(len(reps), len(at.data))
    sizes = (1,) * (rank - len(at.data)) + at.data
    return [tuple(a * b for a, b in zip(sizes, (1,) * (rank - len(reps)) + reps, strict=True))]


@rule("repeat")
def repeat(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, RepeatOpShape: flat without an axis."""
    if at["axis"] is None:
        return [(product(at.data) * at["repeats"],)]
    axis = at.axis("axis")
    return [(*at.data[:axis], at.data[axis] * at["repeats"], *at.data[axis + 1 :])]


@rule("Pad")
def pad(at: At) -> Sequence[Shape]:
    """src/operator/pad-inl.h, InferShape: 4-D and 5-D, none of batch and channels."""
    data, width = at.rank(0, 4, 5), at["pad_width"]
    if len(width) != 2 * len(data) or min(width) < 0 or any(width[:4]):
        raise Unfit(f"pad_width={width} does not go with {at.tensor(0)} {shown(data)}")
    if at["mode"] == "reflect" and any(
        max(width[2 * n], width[2 * n + 1]) >= size for n, size in enumerate(data)
    ):
        raise Unfit(f"pad_width={width} reflects more than there is of {shown(data)}")
    return [tuple(size + width[2 * n] + width[2 * n + 1] for n, size in enumerate(data))]


@rule("depth_to_space")
def depth_to_space(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, DepthToSpaceOpShape."""
    batch, channels, height, width = at.rank(0, 4)
    block = at["block_size"]
    if block < 1 or channels % block**2:
        raise Unfit(f"block_size={block} does not divide {shown(at.data)}")
    return [(batch, channels // block**2, height * block, width * block)]


@rule("space_to_depth")
def space_to_depth(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, SpaceToDepthOpShape."""
    batch, channels, height, width = at.rank(0, 4)
    block = at["block_size"]
    if block < 1 or height % block or width % block:
        raise Unfit(f"block_size={block} does not divide {shown(at.data)}")
    return [(batch, channels * block**2, height // block, width // block)]


@rule("diag")
def diag(at: At) -> Sequence[Shape]:
    """src/operator/tensor/diag_op-inl.h, DiagShapeImpl."""
    k = at["k"]
    if len(at.data) == 1:
        return [(at.data[0] + abs(k),) * 2]
    one, two = at.axis("axis1"), at.axis("axis2")
    if one == two:
        raise Unfit("axis1 and axis2 are the same")
    size = min(at.data[one] + min(k, 0), at.data[two] - max(k, 0))
    return [(*(s for n, s in enumerate(at.data) if n not in (one, two)), max(size, 0))]
