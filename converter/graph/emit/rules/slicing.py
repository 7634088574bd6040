"""Operators that take values apart, put them together, or repeat them."""

from __future__ import annotations

from converter.graph.emit.literals import literal
from converter.graph.emit.site import Site, rule


@rule("Concat", "_rnn_param_concat")
def concat(site: Site) -> str:
    """`torch.cat`."""
    site.one_dtype()
    texts = site.all()
    if len(texts) == 1:
        return texts[0]
    return f"torch.cat(({', '.join(texts)}), {site.axis(site.attributes['dim'])})"


@rule("stack")
def stack(site: Site) -> str:
    """`torch.stack`."""
    site.one_dtype()
    texts, axis = site.all(), site.axis(site.attributes["axis"], more=1)
    if len(texts) == 1:
        return f"{texts[0]}.unsqueeze({axis})"
    return f"torch.stack(({', '.join(texts)}), {axis})"


@rule("SliceChannel")
def slice_channel(site: Site) -> str:
    """`chunk`, or `unbind` where the axis of size 1 goes."""
    a = site.attributes
    axis, count = site.axis(a["axis"]), a["num_outputs"]
    if count < 1 or site.shape()[axis] % count:
        raise site.refuse(f"num_outputs={count} of {site.shape()[axis]}")
    if count == 1:
        return f"{site['data']}.squeeze({axis})" if a["squeeze_axis"] else site["data"]
    if not a["squeeze_axis"]:
        return f"{site['data']}.chunk({count}, {axis})"
    if site.shape()[axis] != count:
        raise site.refuse(f"squeeze_axis=True of {site.shape()[axis]} in {count}")
    return f"{site['data']}.unbind({axis})"


@rule("_split_v2")
def split_v2(site: Site) -> str:
    """`tensor_split`, at places or in equal parts."""
    a, x = site.attributes, site["data"]
    axis = site.axis(a["axis"])
    if a["sections"]:
        by, counts = a["sections"], [site.shape()[axis] // a["sections"]] * a["sections"]
        if site.shape()[axis] % a["sections"]:
            raise site.refuse(f"sections={by} of {site.shape()[axis]}")
    else:
        places = [*a["indices"]]
        if not places or None in places or places[0] != 0 or sorted(places) != places:
            raise site.refuse(f"indices={tuple(places)}")
        by, ends = tuple(places[1:]), [*places[1:], site.shape()[axis]]
        counts = [end - begin for begin, end in zip(places, ends, strict=True)]
    if len(counts) == 1:
        return f"{x}.squeeze({axis})" if a["squeeze_axis"] else x
    text = f"{x}.tensor_split({literal(by)}, {axis})"
    if not a["squeeze_axis"]:
        return text
    if set(counts) != {1}:
        raise site.refuse("squeeze_axis=True of parts that are not of size 1")
    return f"{x}.unbind({axis})"


@rule("slice")
def slice_(site: Site) -> str:
    """`x[begin:end:step]`; PyTorch has no negative steps, so that those axes are flipped."""
    a, x, rank = site.attributes, site["data"], site.rank()
    begins, ends, steps = ([*a[name]] for name in ("begin", "end", "step"))
    steps += [None] * (len(begins) - len(steps))
    if not len(begins) == len(ends) == len(steps) <= rank or 0 in steps:
        raise site.refuse(f"begin={tuple(begins)}, end={tuple(ends)}, step={tuple(steps)}")
    flipped, items = [], []
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        if step is not None and step < 0:
            flipped.append(axis)
            begin, end = (None if place is None else -(place + 1) for place in (begin, end))
            step = -step
        items.append(_part(begin, end, step))
    if flipped:
        x = f"{x}.flip({literal(flipped[0] if len(flipped) == 1 else tuple(flipped))})"
    return _subscript(x, items)


def _part(begin: int | str | None, end: int | str | None, step: int | None = None) -> str:
    """The text of a slice, as ruff spaces it."""
    first = "" if begin in (None, 0) else str(begin)
    last = "" if end is None else str(end)
    space = " " if not last.removeprefix("-").isalnum() and last else ""
    text = f"{first}:{space}{last}" if not (space and first) else f"{first} : {last}"
    return text if step in (None, 1) else f"{text}:{step}"


def _subscript(x: str, items: list[str]) -> str:
    while items and items[-1] == ":":
        items.pop()
    return f"{x}[{', '.join(items)}]" if items else x


@rule("slice_axis")
def slice_axis(site: Site) -> str:
    """A part of one axis."""
    a = site.attributes
    axis = site.axis(a["axis"])
    return _subscript(site["data"], [":"] * axis + [_part(a["begin"], a["end"])])


@rule("slice_like")
def slice_like(site: Site) -> str:
    """The first values of some axes, as many as another value has."""
    x, like = site.all()
    axes = site.attributes["axes"]
    taken = {site.axis(axis) for axis in axes} if axes else set(range(site.rank()))
    if max(taken) >= site.rank(1):
        raise site.refuse(f"axis {max(taken)} of a value with {site.rank(1)} axes")
    parts = [
        _part(None, f"{like}.shape[{axis}]") if axis in taken else ":"
        for axis in range(max(taken) + 1)
    ]
    return _subscript(x, parts)


@rule("Crop")
def crop(site: Site) -> str:
    """A rectangle of the last two axes, at an offset or in the middle."""
    a, texts = site.attributes, site.all()
    if len(texts) > 2 or site.rank() != 4:
        raise site.refuse(f"{len(texts)} inputs, {site.rank()} axes")
    if not a["center_crop"] and len(a["offset"]) != 2:
        raise site.refuse(f"offset={tuple(a['offset'])}")
    size = f"{texts[1]}.shape[2:]" if len(texts) == 2 else literal(tuple(a["h_w"]))
    offset = "" if a["center_crop"] else f", {literal(tuple(a['offset']))}"
    return f"crop({texts[0]}, {size}{offset})"


@rule("Pad")
def pad(site: Site) -> str:
    """`F.pad`: the last axis first, as PyTorch takes it."""
    a, rank = site.attributes, site.rank()
    widths = list(a["pad_width"])
    if len(widths) != 2 * rank or rank not in (4, 5) or any(widths[:4]) or min(widths) < 0:
        raise site.refuse(f"pad_width={tuple(widths)} of a value with {rank} axes")
    pairs = [widths[2 * axis : 2 * axis + 2] for axis in range(2, rank)]
    flat = literal(tuple(width for pair in reversed(pairs) for width in pair))
    if a["mode"] == "constant":
        value = a["constant_value"]
        more = "" if value == 0 else f", value={literal(value)}"
        return f"F.pad({site['data']}, {flat}{more})"
    mode = {"edge": "replicate", "reflect": "reflect"}[a["mode"]]
    return f'F.pad({site["data"]}, {flat}, mode="{mode}")'


@rule("tile")
def tile(site: Site) -> str:
    """`tile`."""
    if not site.attributes["reps"]:
        return site["data"]
    return f"{site['data']}.tile({', '.join(map(str, site.attributes['reps']))})"


@rule("repeat")
def repeat(site: Site) -> str:
    """`repeat_interleave`, of all values where no axis is given."""
    axis, count = site.attributes["axis"], site.attributes["repeats"]
    where = "" if axis is None else f", {site.axis(axis)}"
    return f"{site['data']}.repeat_interleave({count}{where})"


@rule("reverse")
def reverse(site: Site) -> str:
    """`flip`."""
    axes = tuple(site.axis(axis) for axis in site.attributes["axis"])
    return f"{site['data']}.flip({literal(axes[0] if len(axes) == 1 else axes)})"
