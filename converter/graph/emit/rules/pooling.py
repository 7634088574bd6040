"""Pooling and resizing."""

from __future__ import annotations

import math

from converter.graph.emit.literals import literal, sizes
from converter.graph.emit.rules.layers import keywords, spatial
from converter.graph.emit.site import Site, rule


@rule("Pooling")
def pooling(site: Site) -> str:
    """`F.max_pool2d` and its like; a helper where MXNet's windows are not PyTorch's.

    MXNet pads by up to a kernel, and of pooling_convention=full keeps windows that begin behind
    the values (apache/mxnet 1.9.1, `src/operator/nn/pool.h`).
    """
    a, x, rank = site.attributes, site["data"], site.rank()
    if not 3 <= rank <= 5:
        raise site.refuse(f"a value with {rank} axes is not supported")
    layout = a["layout"]
    if layout is not None and len(layout) != rank:
        raise site.refuse(f"layout={layout} of a value with {rank} axes")
    if a["pool_type"] == "lp" and a["p_value"] not in (1, 2, 3):
        raise site.refuse(f"p_value={a['p_value']}")
    if layout is not None and layout.endswith("C"):
        return f"{_pool(site, f'{x}.movedim(-1, 1)')}.movedim(1, -1)"
    return _pool(site, x)


def _pool(site: Site, x: str) -> str:
    a, rank = site.attributes, site.rank()
    if a["global_pool"]:
        return _global(x, rank - 2, a["pool_type"], a["p_value"])
    kernel = tuple(a["kernel"])
    if len(kernel) != rank - 2 or min(kernel) < 1:
        raise site.refuse(f"kernel={kernel} on a value with {rank} axes")
    if a["pooling_convention"] == "same":
        if len(kernel) > 1 or any(a["pad"]):
            raise site.refuse("pooling_convention=same is supported without pad, on one axis")
        pad: tuple[int, ...] = (0,)
    else:
        pad = spatial(site, "pad", 0)
    stride = spatial(site, "stride", 1)
    return _windows(site, x, kernel, stride, pad, a["pool_type"], a["pooling_convention"])


def _global(x: str, axes: int, kind: str, p: int | None) -> str:
    dims = literal(tuple(range(2, axes + 2)) if axes > 1 else 2)
    match kind, p:
        case "max", _:
            return f"{x}.amax({dims}, keepdim=True)"
        case "avg", _:
            return f"{x}.mean({dims}, keepdim=True)"
        case ("sum", _) | ("lp", 1):
            return f"{x}.sum({dims}, keepdim=True)"
        case "lp", 2:
            return f"{x}.square().sum({dims}, keepdim=True).sqrt()"
    return f"cbrt({x}.pow(3).sum({dims}, keepdim=True))"


def _windows(
    site: Site,
    x: str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    kind: str,
    convention: str,
) -> str:
    axes = len(kernel)
    include = site.attributes["count_include_pad"] is not False
    # PyTorch drops windows that begin behind the values, and pads at most half a kernel.
    alike = all(2 * p <= k for k, p in zip(kernel, pad, strict=True))
    full = convention == "full"
    if full:
        alike &= all(s + p <= k for k, s, p in zip(kernel, stride, pad, strict=True))
    if kind == "avg" and axes == 3:
        alike &= _fit(site, kernel, stride, pad, full)
    if convention == "same" or kind in ("sum", "lp") or not alike:
        if kind == "avg" and axes == 3 and full and not include and not alike:
            raise site.refuse("count_include_pad=False where a window may have no value")
        arguments = [x, f'"{kind}"', literal(kernel), literal(stride), literal(pad)]
        more = {
            "convention": (f'"{convention}"', '"valid"'),
            "count_include_pad": (literal(include), "True"),
            "p": (literal(site.attributes["p_value"] or 1 if kind == "lp" else 1), "1"),
        }
        if kind in ("max", "sum", "lp"):
            del more["count_include_pad"]
        return f"pool({', '.join(arguments + keywords(more))})"
    more = {
        "stride": (sizes(stride), sizes(kernel)),
        "padding": (sizes(pad), "0"),
        "ceil_mode": (literal(full), "False"),
    }
    if kind == "avg" and any(pad):
        more["count_include_pad"] = (literal(include), "True")
    return f"F.{kind}_pool{axes}d({', '.join([x, sizes(kernel), *keywords(more)])})"


def _fit(
    site: Site, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], full: bool
) -> bool:
    """Whether PyTorch averages the volume: it asks for a kernel's size even where that is padded.

    MXNet divides what begins behind the padding by a number below 0 (pool.h): that is refused.
    """
    last = (site.attributes["layout"] or "").endswith("C")
    volume = site.shape()[1:-1] if last else site.shape()[2:]
    if full:
        for size, k, s, p in zip(volume, kernel, stride, pad, strict=True):
            if -(-(size + 2 * p - k) // s) * s > size + 2 * p:
                raise site.refuse("a window begins behind the padding")
    return all(size >= k for size, k in zip(volume, kernel, strict=True))


@rule("Pooling_v1")
def pooling_v1(site: Site) -> str:
    """The first pooling: padding is zeros for all kinds, and the average counts all of them."""
    a, x, rank = site.attributes, site["data"], site.rank()
    if rank != 4:
        raise site.refuse(f"a value with {rank} axes is not supported")
    if a["global_pool"]:
        return _global(x, 2, a["pool_type"], None)
    kernel, stride, pad = tuple(a["kernel"]), spatial(site, "stride", 1), spatial(site, "pad", 0)
    if len(kernel) != 2 or min(kernel) < 1:
        raise site.refuse(f"kernel={kernel} on a value with {rank} axes")
    if any(pad):
        x = f"F.pad({x}, ({pad[1]}, {pad[1]}, {pad[0]}, {pad[0]}))"
    full = a["pooling_convention"] == "full"
    by = math.prod(kernel)
    if full and any(s > k for k, s in zip(kernel, stride, strict=True)):
        kind = '"max"' if a["pool_type"] == "max" else '"sum"'
        arguments = [x, kind, literal(kernel), literal(stride), "(0, 0)", 'convention="full"']
        text = f"pool({', '.join(arguments)})"
        return f"torch.div({text}, {by})" if a["pool_type"] == "avg" else text
    more = {"stride": (sizes(stride), sizes(kernel)), "ceil_mode": (literal(full), "False")}
    if a["pool_type"] == "max":
        return f"F.max_pool2d({', '.join([x, sizes(kernel), *keywords(more)])})"
    by = by if a["pool_type"] == "avg" else 1
    more["divisor_override"] = (str(by), "" if full or a["pool_type"] == "sum" else str(by))
    return f"F.avg_pool2d({', '.join([x, sizes(kernel), *keywords(more)])})"


@rule("_contrib_AdaptiveAvgPooling2D")
def adaptive_pooling(site: Site) -> str:
    """`F.adaptive_avg_pool2d`."""
    size = tuple(site.attributes["output_size"]) or (1,)
    if not 1 <= len(size) <= 2 or min(size) < 1:
        raise site.refuse(f"output_size={size}")
    return f"F.adaptive_avg_pool2d({site['data']}, {sizes(size)})"


@rule("_contrib_BilinearResize2D")
def bilinear_resize(site: Site) -> str:
    """`F.interpolate` to a size that the mode tells."""
    a, x = site.attributes, site["data"]
    height, width = f"{x}.shape[2]", f"{x}.shape[3]"
    scales = (a["scale_height"], a["scale_width"])
    match a["mode"]:
        case "like":
            size = f"{site['like']}.shape[2:]"
        case "size" if scales[0] is None:
            size = f"({a['height']}, {a['width']})"
        case "size":
            size = f"({_scaled(site, height, scales[0])}, {_scaled(site, width, scales[1])})"
        case "odd_scale":
            if None in scales:
                raise site.refuse("odd_scale without scale_height and scale_width")
            sides = [(height, scales[0]), (width, scales[1])]
            size = ", ".join(f"odd_scale({side}, {literal(scale)})" for side, scale in sides)
            size = f"({size})"
        case "to_even_down":
            size = f"({height} // 2 * 2, {width} // 2 * 2)"
        case "to_even_up":
            size = f"(({height} + 1) // 2 * 2, ({width} + 1) // 2 * 2)"
        case "to_odd_down":
            size = f"(({height} - 1) // 2 * 2 + 1, ({width} - 1) // 2 * 2 + 1)"
        case _:
            size = f"({height} // 2 * 2 + 1, {width} // 2 * 2 + 1)"
    if not a["align_corners"] and not _several(size):
        return f"resize({x}, {size})"
    more = f'mode="bilinear", align_corners={literal(a["align_corners"])}'
    return f"F.interpolate({x}, {size}, {more})"


def _several(size: str) -> bool:
    """Whether a size is known to be of several rows and columns."""
    return all(side.isdigit() and int(side) > 1 for side in size.strip("()").split(", "))


def _scaled(site: Site, side: str, scale: float | None) -> str:
    if scale is None:
        raise site.refuse("scale_height without scale_width")
    return f"{side} * {int(scale)}" if scale == int(scale) else f"int({side} * {literal(scale)})"
