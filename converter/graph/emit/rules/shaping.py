"""Operators that move values and change none."""

from __future__ import annotations

from converter.graph.emit.literals import literal
from converter.graph.emit.site import Site, rule


@rule("Flatten")
def flatten(site: Site) -> str:
    """All axes but the first as one."""
    if site.rank() == 2:
        return site["data"]
    return f"{site['data']}.flatten(1)"


@rule("Concat")
def concat(site: Site) -> str:
    """`torch.cat`."""
    return f"torch.cat(({', '.join(site.all())}), {site.axis(site.attributes['dim'])})"


@rule("SliceChannel")
def slice_channel(site: Site) -> str:
    """`chunk`, or `unbind` where the axis of size 1 goes."""
    a = site.attributes
    axis, count = site.axis(a["axis"]), a["num_outputs"]
    if a["squeeze_axis"]:
        text = f"{site['data']}.unbind({axis})"
    else:
        text = f"{site['data']}.chunk({count}, {axis})"
    return f"{text}[0]" if count == 1 else text
