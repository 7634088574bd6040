"""Reductions, sorting, and what picks values by place."""

from __future__ import annotations

import numpy as np

from converter.graph.emit.literals import literal
from converter.graph.emit.rules.arithmetic import cast
from converter.graph.emit.site import Site, rule


def dims(site: Site) -> tuple[int, ...]:
    """The axes that a reduction takes, counted from 0."""
    axes, rank = site.attributes["axis"], site.rank()
    taken = {site.axis(axis) for axis in axes} if axes else set(range(rank))
    if axes and site.attributes.get("exclude"):
        taken = set(range(rank)) - taken
    return tuple(sorted(taken))


def reduced(site: Site, text: str, axes: tuple[int, ...]) -> str:
    """A reduction's text: MXNet keeps one axis where all are gone."""
    gone = len(axes) == site.rank() and not site.attributes["keepdims"]
    return f"{text}.reshape(1)" if gone else text


@rule("sum", "mean", "max", "min", "prod", "nansum", "nanprod")
def reduction(site: Site) -> str:
    """`sum`, `mean`, `amax`, `amin`, `nansum`, along axes."""
    a, x, axes, op = site.attributes, site["data"], dims(site), site.call.op
    dtype = site.spec().dtype
    if not axes:
        return x
    if dtype.kind != "f" and op in ("mean", "nansum", "nanprod"):
        raise site.refuse("integers are not supported")
    keep = ", keepdim=True" if a["keepdims"] else ""
    every = len(axes) == site.rank() and not keep
    if op in ("prod", "nanprod"):
        if op == "nanprod":
            x = f"{x}.nan_to_num(1.0, torch.inf, -torch.inf)"
        for axis in reversed(axes):
            x = f"{x}.prod({axis}{keep}{_same(dtype)})"
        return reduced(site, x, axes)
    name = {"max": "amax", "min": "amin"}.get(op, op)
    where = "" if every and op != "nansum" else literal(axes[0] if len(axes) == 1 else axes)
    more = _same(dtype) if op == "sum" else ""
    arguments = (where + keep + more).removeprefix(", ")
    return reduced(site, f"{x}.{name}({arguments})", axes)


def _same(dtype: np.dtype[np.generic]) -> str:
    """The argument without which PyTorch sums integers in int64."""
    return "" if dtype.kind == "f" or dtype == np.int64 else f", dtype={literal(dtype)}"


@rule("norm")
def norm(site: Site) -> str:
    """The 1-norm or 2-norm of the values along axes."""
    a, axes = site.attributes, dims(site)
    if a["ord"] not in (1, 2) or site.spec().dtype.kind != "f":
        raise site.refuse(f"ord={a['ord']} of {site.spec().dtype}")
    arguments = [site["data"]] + (["1"] if a["ord"] == 1 else [])
    arguments += [f"dim={literal(axes[0] if len(axes) == 1 else axes)}"]
    arguments += ["keepdim=True"] if a["keepdims"] else []
    text = reduced(site, f"torch.linalg.vector_norm({', '.join(arguments)})", axes)
    given = site.out().dtype
    return text if given == site.spec().dtype else cast(text, given)


@rule("argmax", "argmin")
def argmax(site: Site) -> str:
    """The place of the largest value, as a number of the output's dtype."""
    a, x = site.attributes, site["data"]
    if a["axis"] is None:
        ones = ", ".join(["1"] * (site.rank() if a["keepdims"] else 1))
        return cast(f"{x}.{site.call.op}()", site.out().dtype) + f".reshape({ones})"
    keep = ", keepdim=True" if a["keepdims"] else ""
    text = cast(f"{x}.{site.call.op}({site.axis(a['axis'])}{keep})", site.out().dtype)
    return f"{text}.reshape(1)" if site.rank() == 1 and not keep else text


@rule("argmax_channel")
def argmax_channel(site: Site) -> str:
    """The place of the largest value of each row."""
    if site.rank() != 2:
        raise site.refuse(f"a value with {site.rank()} axes")
    return cast(f"{site['data']}.argmax(1)", site.out().dtype)


def _flat(site: Site) -> tuple[str, int]:
    """The value and the axis that is sorted: all values where none is given."""
    axis = site.attributes["axis"]
    if axis is None:
        return f"{site['data']}.flatten()", 0
    return site["data"], site.axis(axis)


@rule("sort", "argsort")
def sort(site: Site) -> str:
    """`torch.sort`, equal values in their order."""
    x, axis = _flat(site)
    down = "" if site.attributes["is_ascend"] else ", descending=True"
    text = f"torch.sort({x}, dim={axis}{down}, stable=True)"
    return f"{text}[0]" if site.call.op == "sort" else cast(f"{text}[1]", site.out().dtype)


@rule("topk")
def topk(site: Site) -> str:
    """`torch.topk` where only the values count: it leaves open which of equal ones it takes. Places
    and masks come of a helper that takes the first.
    """
    a, (x, axis) = site.attributes, _flat(site)
    if a["k"] < 1 and a["ret_typ"] == "mask":
        raise site.refuse(f"k={a['k']}")
    count = str(a["k"]) if a["k"] > 0 else f"{x}.shape[{axis}]"
    down = ", largest=False" if a["is_ascend"] else ""
    text = f"topk({x}, {count}, {axis}, {literal(not a['is_ascend'])}, "
    match a["ret_typ"]:
        case "value":
            return f"torch.topk({x}, {count}, {axis}{down})[0]"
        case "indices":
            return f"{text}{literal(site.out().dtype)})[1]"
        case "both":
            return f"{text}{_index(site, 1)})"
    if site.attributes["axis"] is None:
        raise site.refuse("a mask of all values")
    return f"torch.zeros_like({x}).scatter({axis}, {text}torch.int64)[1], 1)"


def _index(site: Site, number: int) -> str:
    return literal(site.out(number).dtype)


@rule("pick")
def pick(site: Site) -> str:
    """The value at a place along an axis."""
    a = site.attributes
    if a["axis"] is None:
        raise site.refuse("axis=None")
    axis = site.axis(a["axis"])
    more = "" if a["mode"] == "clip" else f', mode="{a["mode"]}"'
    index = site["index"]
    if site.rank("index") != site.rank():
        index = f"{index}.unsqueeze({axis})"
    text = f"pick({site['data']}, {index}, {axis}{more})"
    return text if a["keepdims"] else reduced(site, f"{text}.squeeze({axis})", (axis,))


@rule("take")
def take(site: Site) -> str:
    """The values at places along an axis."""
    a = site.attributes
    more = "" if a["mode"] == "clip" else f', mode="{a["mode"]}"'
    return f"take({site['a']}, {site['indices']}, {site.axis(a['axis'], 'a')}{more})"


@rule("batch_take")
def batch_take(site: Site) -> str:
    """One value of each row."""
    return f"pick({site['a']}, {site['indices']}.unsqueeze(1), 1).squeeze(1)"


@rule("gather_nd")
def gather_nd(site: Site) -> str:
    """The values at places along the first axes: the first axis of the indices counts those."""
    count = site.shape("indices")[0]
    if count > site.rank():
        raise site.refuse(f"{count} indices of a value with {site.rank()} axes")
    return f"{site['data']}[tuple({_long(site, 'indices')})]"


def _long(site: Site, name: str) -> str:
    return site[name] if site.spec(name).dtype == np.int64 else f"{site[name]}.long()"


@rule("scatter_nd")
def scatter_nd(site: Site) -> str:
    """Zeros with values at places."""
    shape = literal(tuple(site.attributes["shape"]))
    return f"scatter_nd({site['data']}, {site['indices']}, {shape})"


@rule("one_hot")
def one_hot(site: Site) -> str:
    """One value at a place, another elsewhere."""
    a = site.attributes
    more = [literal(a["depth"])]
    given = np.dtype(a["dtype"])
    if (a["on_value"], a["off_value"]) != (1.0, 0.0) or given != np.float32:
        number = float if given.kind == "f" else int
        more += [literal(number(a["on_value"])), literal(number(a["off_value"]))]
        more += [literal(given)] if given != np.float32 else []
    return f"one_hot({', '.join([site['indices'], *more])})"


@rule("_ravel_multi_index")
def ravel_multi_index(site: Site) -> str:
    """Places along several axes as places in all values."""
    return f"ravel({site['data']}, {literal(tuple(site.attributes['shape'] or ()))})"


@rule("_unravel_index")
def unravel_index(site: Site) -> str:
    """Places in all values as places along several axes."""
    return f"unravel({site['data']}, {literal(tuple(site.attributes['shape'] or ()))})"


@rule("_contrib_index_array")
def index_array(site: Site) -> str:
    """The place of each value along axes, as int64."""
    axes = site.attributes["axes"]
    taken = tuple(site.axis(a) for a in axes) if axes is not None else tuple(range(site.rank()))
    return f"index_array({site['data']}, {literal(taken)})"
