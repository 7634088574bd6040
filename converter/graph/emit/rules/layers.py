"""Operators with parameters: modules where their tensors are parameters, functions elsewhere."""

from __future__ import annotations

import numpy as np

from converter.graph.emit.literals import literal, sizes
from converter.graph.emit.site import Piece, Site, rule


def keywords(defaults: dict[str, tuple[str, str]]) -> list[str]:
    """`name=text` for each argument whose text is not PyTorch's default."""
    return [f"{name}={text}" for name, (text, default) in defaults.items() if text != default]


def spatial(site: Site, name: str, default: int) -> tuple[int, ...]:
    """An attribute with a number for each axis of the kernel, or MXNet's default for each."""
    count = len(site.attributes["kernel"])
    values = site.attributes[name] or (default,) * count
    if len(values) != count or None in values:
        raise site.refuse(f"{name}={values} beside a kernel with {count} axes")
    return tuple(values)


def parameters(site: Site, *names: str) -> dict[str, Piece] | None:
    """The named inputs as a module's tensors; None if one of them is computed."""
    found = {name: piece for name in names if site.has(name) and (piece := site.piece(name))}
    return found if len(found) == sum(site.has(name) for name in names) else None


@rule("Convolution")
def convolution(site: Site) -> str:
    """`nn.Conv1d`, `nn.Conv2d` or `nn.Conv3d`."""
    kernel = site.attributes["kernel"]
    groups = site.attributes["num_group"]
    if not 1 <= len(kernel) <= 3 or site.rank() != len(kernel) + 2:
        raise site.refuse(f"a kernel with {len(kernel)} axes on a value with {site.rank()} axes")
    more = {
        "stride": (sizes(spatial(site, "stride", 1)), "1"),
        "padding": (sizes(spatial(site, "pad", 0)), "0"),
        "dilation": (sizes(spatial(site, "dilate", 1)), "1"),
        "groups": (literal(groups), "1"),
    }
    if found := parameters(site, "weight", "bias"):
        inside = site.shape("weight")[1] * groups
        arguments = [str(inside), str(site.attributes["num_filter"]), sizes(kernel)]
        arguments += keywords(more | {"bias": (literal(site.has("bias")), "True")})
        return f"{site.module(f'nn.Conv{len(kernel)}d', arguments, **found)}({site['data']})"
    inputs = [site["data"], site["weight"]] + ([site["bias"]] if site.has("bias") else [])
    return f"F.conv{len(kernel)}d({', '.join(inputs + keywords(more))})"


@rule("FullyConnected")
def fully_connected(site: Site) -> str:
    """`nn.Linear`, over all axes but the first or (`flatten=False`) over the last."""
    data = site["data"]
    if site.attributes["flatten"] and site.rank() > 2:
        data = f"{data}.flatten(1)"
    if found := parameters(site, "weight", "bias"):
        outside, inside = site.shape("weight")
        arguments = [str(inside), str(outside)]
        arguments += keywords({"bias": (literal(site.has("bias")), "True")})
        return f"{site.module('nn.Linear', arguments, **found)}({data})"
    inputs = [data, site["weight"]] + ([site["bias"]] if site.has("bias") else [])
    return f"F.linear({', '.join(inputs)})"


@rule("BatchNorm")
def batch_norm(site: Site) -> str:
    """`nn.BatchNorm1d` to `3d`; a fixed gamma is a weight of ones that is not trained."""
    a = site.attributes
    if a["output_mean_var"]:
        raise site.refuse("output_mean_var=True is not supported")
    axis, rank = site.axis(a["axis"]), site.rank()
    if not 2 <= rank <= 5:
        raise site.refuse(f"a value with {rank} axes is not supported")
    beta = site.piece("beta")
    mean, var = (site.piece(f"moving_{name}", trained=False) for name in ("mean", "var"))
    gamma = site.piece("gamma")
    if not (beta and gamma and mean and var):
        raise site.refuse("a parameter that is computed is not supported")
    if a["fix_gamma"]:
        if gamma.variable is not None:
            reason = "fix_gamma: MXNet takes 1 in its place"
            site.scope.reasons.setdefault(gamma.variable, reason)
        gamma = Piece(beta.shape, beta.dtype, None, constant="ones", trained=False)
    more = {
        "eps": (literal(a["eps"]), "1e-05"),
        "momentum": (literal(round(1 - a["momentum"], 7)), "0.1"),
    }
    counted = Piece((), np.dtype(np.int64), None, constant="zeros", trained=False)
    module = site.module(
        f"nn.BatchNorm{max(rank - 2, 1)}d",
        [str(beta.shape[0]), *keywords(more)],
        frozen=a["use_global_stats"],
        weight=gamma,
        bias=beta,
        running_mean=mean,
        running_var=var,
        num_batches_tracked=counted,
    )
    if axis == 1:
        return f"{module}({site['data']})"
    return f"{module}({site['data']}.movedim({axis}, 1)).movedim(1, {axis})"


@rule("Dropout")
def dropout(site: Site) -> str:
    """`nn.Dropout`, which does nothing in eval mode."""
    return f"{site.module('nn.Dropout', [literal(site.attributes['p'])])}({site['data']})"
