"""Operators that move values and change none."""

from __future__ import annotations

from converter.graph.emit.literals import literal
from converter.graph.emit.site import Site, rule


@rule("Flatten")
def flatten(site: Site) -> str:
    """All axes but the first as one."""
    if site.rank() == 2:
        return site["data"]
    return f"{site['data']}.flatten(1)" if site.rank() > 2 else f"{site['data']}.unsqueeze(1)"


@rule("Reshape")
def reshape(site: Site) -> str:
    """`reshape`, `flatten` or `unflatten` by MXNet's codes 0, -1, -2, -3 and -4."""
    a, x = site.attributes, site["data"]
    if not a["shape"]:
        return _target_shape(site)
    if None in a["shape"]:
        raise site.refuse("a size that is None")
    sizes, kept = _sizes(site, list(a["shape"]), reverse=a["reverse"])
    if kept == list(range(site.rank())):
        return x
    whole = ["-1" if size is None else size for size in sizes]
    rank = site.rank()
    if whole[-1] == "-1" and kept[:-1] == list(range(len(kept) - 1)) and len(kept) < rank:
        return f"{x}.flatten({len(kept) - 1})" if len(kept) > 1 else f"{x}.reshape(-1)"
    return f"{x}.reshape({', '.join(whole)})"


def _sizes(
    site: Site, codes: list[int], *, reverse: bool
) -> tuple[list[str | None], list[int | None]]:
    """The text of each size (None for the one to infer), and the axis that each one keeps."""
    x, shape = site["data"], list(enumerate(site.shape()))
    if reverse:
        codes, shape = codes[::-1], shape[::-1]
    sizes: list[str | None] = []
    kept: list[int | None] = []
    place = 0

    def take() -> int:
        nonlocal place
        if place >= len(shape):
            raise site.refuse(f"shape={tuple(codes)} of a value with {len(shape)} axes")
        place += 1
        return shape[place - 1][0]

    waiting = iter(codes)
    for code in waiting:
        if code == 0:
            axis = take()
            sizes.append(f"{x}.shape[{axis}]")
            kept.append(axis)
        elif code == -2:
            while place < len(shape):
                axis = take()
                sizes.append(f"{x}.shape[{axis}]")
                kept.append(axis)
        elif code == -3:
            pair = take(), take()
            sizes.append(" * ".join(f"{x}.shape[{axis}]" for axis in sorted(pair)))
            kept.append(None)
        elif code == -4:
            axis, first, second = take(), next(waiting, 0), next(waiting, 0)
            if min(first, second) < -1 or 0 in (first, second) or first == second == -1:
                raise site.refuse(f"shape={tuple(codes)}")
            for one, other in ((first, second), (second, first)):
                sizes.append(f"{x}.shape[{axis}] // {other}" if one == -1 else str(one))
                kept.append(None)
        elif code == -1:
            if None in sizes:
                raise site.refuse(f"shape={tuple(codes)} has two sizes to infer")
            sizes.append(None)
            kept.append(None)
            place += 1
        elif code > 0:
            sizes.append(str(code))
            kept.append(None)
            place += 1
        else:
            raise site.refuse(f"shape={tuple(codes)}")
    return (sizes[::-1], kept[::-1]) if reverse else (sizes, kept)


def _target_shape(site: Site) -> str:
    """`target_shape` of old graphs: 0 is the size to infer."""
    target = list(site.attributes["target_shape"])
    if not target:
        raise site.refuse("has neither shape nor target_shape")
    sizes = ["-1" if size == 0 else str(size) for size in target]
    if site.attributes["keep_highest"]:
        sizes[0] = f"{site['data']}.shape[0]"
    if sizes.count("-1") > 1 or min(target) < 0:
        raise site.refuse(f"target_shape={tuple(target)}")
    return f"{site['data']}.reshape({', '.join(sizes)})"


@rule("reshape_like")
def reshape_like(site: Site) -> str:
    """The axes [lhs_begin, lhs_end) in the shape of the other value's [rhs_begin, rhs_end)."""
    a, (x, y) = site.attributes, site.all()

    def bounds(side: str, rank: int) -> tuple[int, int]:
        begin, end = a[f"{side}_begin"], a[f"{side}_end"]
        begin = 0 if begin is None else begin
        end = rank if end is None else end
        return (begin + rank if begin < 0 else begin, end + rank if end < 0 else end)

    (lb, le), (rb, re) = bounds("lhs", site.rank(0)), bounds("rhs", site.rank(1))
    if not (0 <= lb <= le <= site.rank(0) and 0 <= rb <= re <= site.rank(1)):
        raise site.refuse("axes that are not there")
    if (lb, le, rb, re) == (0, site.rank(0), 0, site.rank(1)):
        return f"{x}.reshape({y}.shape)"
    sizes = [f"{x}.shape[{axis}]" for axis in range(lb)]
    sizes += [f"{y}.shape[{axis}]" for axis in range(rb, re)]
    sizes += [f"{x}.shape[{axis}]" for axis in range(le, site.rank(0))]
    return f"{x}.reshape({', '.join(sizes)})"


@rule("transpose")
def transpose(site: Site) -> str:
    """`permute`, or `t` of a matrix."""
    rank, axes = site.rank(), site.attributes["axes"]
    order = [site.axis(axis) for axis in axes] if axes else list(range(rank))[::-1]
    if sorted(order) != list(range(rank)):
        raise site.refuse(f"axes={tuple(axes)} of a value with {rank} axes")
    moved = [place for place, axis in enumerate(order) if place != axis]
    if not moved:
        return site["data"]
    if len(moved) == 2:
        return f"{site['data']}.transpose({moved[0]}, {moved[1]})"
    return f"{site['data']}.permute({', '.join(map(str, order))})"


@rule("SwapAxis")
def swap_axis(site: Site) -> str:
    """`transpose`."""
    one, other = site.axis(site.attributes["dim1"]), site.axis(site.attributes["dim2"])
    return site["data"] if one == other else f"{site['data']}.transpose({one}, {other})"


@rule("expand_dims")
def expand_dims(site: Site) -> str:
    """`unsqueeze`."""
    return f"{site['data']}.unsqueeze({site.axis(site.attributes['axis'], more=1)})"


@rule("squeeze")
def squeeze(site: Site) -> str:
    """`squeeze`; MXNet keeps one axis where all are of size 1."""
    axes, shape = site.attributes["axis"], site.shape()
    if axes is None:
        return f"{site['data']}.squeeze()" if max(shape) > 1 else f"{site['data']}.reshape(1)"
    taken = sorted(site.axis(axis) for axis in axes)
    if len(taken) == len(shape):
        return f"{site['data']}.reshape(1)"
    return f"{site['data']}.squeeze({literal(taken[0] if len(taken) == 1 else tuple(taken))})"


@rule("broadcast_axis")
def broadcast_axis(site: Site) -> str:
    """`expand` of axes of size 1."""
    a = site.attributes
    sizes = ["-1"] * site.rank()
    for axis, size in zip(a["axis"], a["size"], strict=False):
        sizes[site.axis(axis)] = str(size)
    if len(a["axis"]) != len(a["size"]):
        raise site.refuse(f"axis={tuple(a['axis'])}, size={tuple(a['size'])}")
    return f"{site['data']}.expand({', '.join(sizes)})"


@rule("broadcast_to")
def broadcast_to(site: Site) -> str:
    """`expand`; 0 keeps an axis."""
    shape = site.attributes["shape"]
    if len(shape) != site.rank():
        raise site.refuse(f"shape={tuple(shape)} of a value with {site.rank()} axes")
    return f"{site['data']}.expand({', '.join('-1' if s == 0 else str(s) for s in shape)})"


@rule("broadcast_like")
def broadcast_like(site: Site) -> str:
    """`expand` to another value's sizes."""
    a, (x, like) = site.attributes, site.all()
    ours, theirs = a["lhs_axes"], a["rhs_axes"]
    if ours is None and theirs is None:
        if site.rank(0) != site.rank(1):
            raise site.refuse("values with different numbers of axes")
        return f"{x}.expand_as({like})"
    if not ours or not theirs or len(ours) != len(theirs):
        raise site.refuse(f"lhs_axes={ours}, rhs_axes={theirs}")
    sizes = ["-1"] * site.rank()
    for our, their in zip(ours, theirs, strict=True):
        sizes[site.axis(our)] = f"{like}.shape[{site.axis(their, 1)}]"
    return f"{x}.expand({', '.join(sizes)})"


@rule("depth_to_space")
def depth_to_space(site: Site) -> str:
    """Channels become blocks of pixels, the block's rows and columns first."""
    return f"depth_to_space({site['data']}, {_block(site)})"


@rule("space_to_depth")
def space_to_depth(site: Site) -> str:
    """Blocks of pixels become channels, the block's rows and columns first."""
    return f"space_to_depth({site['data']}, {_block(site)})"


def _block(site: Site) -> int:
    block = int(site.attributes["block_size"])
    if site.rank() != 4 or block < 1:
        raise site.refuse(f"block_size={block} of a value with {site.rank()} axes")
    return block


@rule("diag")
def diag(site: Site) -> str:
    """A matrix's diagonal, or the matrix with it."""
    a = site.attributes
    if site.rank() == 1:
        return f"torch.diag({site['data']}, {a['k']})"
    axes = f"{site.axis(a['axis1'])}, {site.axis(a['axis2'])}"
    return f"{site['data']}.diagonal({a['k']}, {axes})"
