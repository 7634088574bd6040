"""Values that come from no other."""

from __future__ import annotations

import numpy as np

from converter.graph.emit.literals import literal
from converter.graph.emit.rules.arithmetic import cast, whole
from converter.graph.emit.site import Site, rule, value


def more(site: Site, dtype: np.dtype[np.generic]) -> str:
    """The arguments for a new tensor's dtype and device: that of the module's first input."""
    text = "" if dtype == np.float32 else f", dtype={literal(dtype)}"
    given = site.scope.given[:1]
    return text + "".join(f", device={value(first)}.device" for first in given)


def shape(site: Site, stated: tuple[int | None, ...]) -> str:
    """The sizes of a new tensor. MXNet infers those that are 0 from where the value is used.

    Such a size is most often the batch's: it is taken from an input that has it, from its first
    axis if that is the one.
    """
    if None in stated:
        raise site.refuse(f"shape={stated}")
    if all(stated):
        return literal(tuple(stated))
    known = site.out().shape
    if len(known) != len(stated):
        raise site.refuse(f"shape={stated} is used as {known}")
    sizes = []
    for size, found in zip(stated, known, strict=True):
        sizes.append(str(size) if size else _taken(site, found))
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _taken(site: Site, size: int) -> str:
    specs = site.scope.specs
    found = [
        (axis, output)
        for output in site.scope.given
        if output in specs
        for axis, other in enumerate(specs[output].shape)
        if other == size
    ]
    if not found:
        return str(size)
    axis, output = min(found)
    if axes := [other for other, same in found if same == output and other != axis]:
        told = f"a size that is inferred, {size}, can be that of axis {axis} or {axes[0]}"
        raise site.refuse(f"{told} of an input: give --input sizes that differ")
    return f"{value(output)}.shape[{axis}]"


@rule("_zeros", "_ones", "_full")
def filled(site: Site) -> str:
    """`torch.zeros`, `torch.ones`, `torch.full`."""
    a, op = site.attributes, site.call.op
    if a["shape"] is None:
        raise site.refuse("has no shape")
    sizes, dtype = shape(site, tuple(a["shape"])), np.dtype(a["dtype"])
    if op == "_full":
        number = int(a["value"]) if whole(dtype) else a["value"]
        return f"torch.full({sizes}, {literal(number)}{more(site, dtype)})"
    return f"torch.{op[1:]}({sizes}{more(site, dtype)})"


@rule("_eye")
def eye(site: Site) -> str:
    """`torch.eye`; ones on another diagonal."""
    a = site.attributes
    rows, columns, dtype = a["N"], a["M"] or a["N"], np.dtype(a["dtype"])
    if a["k"] == 0:
        return f"torch.eye({rows}, {columns}{more(site, dtype)})"
    return f"torch.ones(({rows}, {columns}){more(site, dtype)}).tril({a['k']}).triu({a['k']})"


@rule("_arange")
def arange(site: Site) -> str:
    """`torch.arange`, each number `repeat` times."""
    a, dtype = site.attributes, np.dtype(a_dtype(site))
    start, stop = (0.0, a["start"]) if a["stop"] is None else (a["start"], a["stop"])
    if dtype == np.float16 and any(number != int(number) for number in (start, a["step"])):
        raise site.refuse("fractions in float16")
    if a["repeat"] < 1:
        raise site.refuse(f"repeat={a['repeat']}")
    if a["infer_range"]:
        return _inferred(site, dtype)
    numbers = [literal(_number(site, number)) for number in (start, stop, a["step"])]
    extra = more(site, dtype)
    if all("." not in number for number in numbers) and dtype == np.float32:
        extra = f", dtype=torch.float32{extra}"
    text = f"torch.arange({', '.join(_shortest(numbers))}{extra})"
    return f"{text}.repeat_interleave({a['repeat']})" if a["repeat"] != 1 else text


def _inferred(site: Site, dtype: np.dtype[np.generic]) -> str:
    """As many numbers as its use needs."""
    a = site.attributes
    count = _taken(site, site.out().shape[0])
    text = f"torch.arange({count}{more(site, np.dtype(np.int64))})"
    text = f'torch.div({text}, {a["repeat"]}, rounding_mode="floor")' if a["repeat"] > 1 else text
    if a["step"] != 1.0:
        text = f"{text} * {literal(_number(site, a['step']))}"
    if a["start"] != 0.0:
        text = f"{text} + {literal(_number(site, a['start']))}"
    return cast(text if text.endswith(")") else f"({text})", dtype)


def a_dtype(site: Site) -> str:
    """The dtype that the call states."""
    return str(site.attributes["dtype"])


def _number(site: Site, number: float) -> int | float:
    if number != number or number in (np.inf, -np.inf):
        raise site.refuse(f"{number} in a range")
    return int(number) if number == int(number) else number


def _shortest(numbers: list[str]) -> list[str]:
    start, stop, step = numbers
    if step != "1":
        return numbers
    return [stop] if start == "0" else [start, stop]


@rule("_contrib_arange_like")
def arange_like(site: Site) -> str:
    """Numbers in the shape of a value, or as many as one of its axes has."""
    a = site.attributes
    arguments = [site["data"]]
    if a["axis"] is not None:
        arguments.append(f"axis={site.axis(a['axis'])}")
    if a["repeat"] < 1:
        raise site.refuse(f"repeat={a['repeat']}")
    for name, default in (("start", 0.0), ("step", 1.0), ("repeat", 1)):
        if a[name] != default:
            arguments.append(f"{name}={literal(a[name])}")
    return f"arange_like({', '.join(arguments)})"
