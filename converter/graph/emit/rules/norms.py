"""Normalizations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.graph.emit.literals import literal
from converter.graph.emit.rules.layers import keywords, parameters
from converter.graph.emit.site import Piece, Site, rule


@rule("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU")
def batch_norm(site: Site) -> str:
    """`nn.BatchNorm1d` to `3d`; a fixed gamma is a weight of ones that is not trained.

    MXNet's `momentum` is the old statistics' share, PyTorch's the new ones'. In training PyTorch
    keeps the variance divided by n - 1, MXNet's CPU kernels the one divided by n (apache/mxnet
    1.9.1, `src/operator/nn/batch_norm.cc`).
    """
    a = site.attributes
    axis, rank = site.axis(a.get("axis", 1)), site.rank()
    if not 2 <= rank <= 5:
        raise site.refuse(f"a value with {rank} axes is not supported")
    if a["eps"] < 0:
        raise site.refuse(f"eps={a['eps']}")
    moving = [name for name in site.call.names if name.endswith(("_mean", "_var"))]
    pieces = [site.piece("gamma"), site.piece("beta")]
    pieces += [site.piece(name, trained=False) for name in moving]
    gamma, beta, mean, var = pieces
    if gamma is None or beta is None or mean is None or var is None:
        raise site.refuse("gamma, beta, mean or variance is computed: not supported")
    if a["fix_gamma"]:
        if gamma.variable is not None:
            site.scope.reasons.setdefault(gamma.variable, "fix_gamma: MXNet takes 1 in its place")
        gamma = Piece(beta.shape, beta.dtype, None, constant="ones", trained=False)
    more = {
        "eps": (literal(a["eps"]), "1e-05"),
        "momentum": (literal(round(1 - a["momentum"], 7)), "0.1"),
    }
    counted = Piece((), np.dtype(np.int64), None, constant="zeros", trained=False)
    module = site.module(
        f"nn.BatchNorm{max(rank - 2, 1)}d",
        [str(beta.shape[0]), *keywords(more)],
        {
            "weight": gamma,
            "bias": beta,
            "running_mean": mean,
            "running_var": var,
            "num_batches_tracked": counted,
        },
        frozen=a["use_global_stats"],
    )
    text = f"{module}({site['data']})"
    if axis != 1:
        text = f"{module}({site['data']}.movedim({axis}, 1)).movedim(1, {axis})"
    return f"F.relu({text})" if site.call.op == "_contrib_BatchNormWithReLU" else text


def renamed(found: Mapping[str, Piece]) -> dict[str, Piece]:
    """Gamma and beta under PyTorch's names."""
    return {"weight": found["gamma"], "bias": found["beta"]}


@rule("LayerNorm")
def layer_norm(site: Site) -> str:
    """`nn.LayerNorm` over one axis."""
    axis, rank, x = site.axis(site.attributes["axis"]), site.rank(), site["data"]
    size = site.shape()[axis]
    more = keywords({"eps": (literal(site.attributes["eps"]), "1e-05")})
    last = axis == rank - 1
    x = x if last else f"{x}.movedim({axis}, -1)"
    if found := parameters(site, "gamma", "beta"):
        arguments = [str(size), *more]
        module = site.module("nn.LayerNorm", arguments, renamed(found))
        text = f"{module}({x})"
    else:
        weights = f"({size},), {site['gamma']}, {site['beta']}"
        text = f"F.layer_norm({', '.join([x, weights, *more])})"
    return text if last else f"{text}.movedim(-1, {axis})"


@rule("GroupNorm")
def group_norm(site: Site) -> str:
    """`F.group_norm`: gamma and beta are one number a group."""
    groups, x = site.attributes["num_groups"], site["data"]
    channels = site.shape()[1]
    more = keywords({"eps": (literal(site.attributes["eps"]), "1e-05")})
    if groups < 1 or channels % groups or site.shape("gamma") != (groups,):
        raise site.refuse(f"num_groups={groups} of {channels} channels, {site.shape('gamma')}")
    if groups == channels and (found := parameters(site, "gamma", "beta")):
        module = site.module("nn.GroupNorm", [str(groups), str(groups), *more], renamed(found))
        return f"{module}({x})"
    each = channels // groups
    weights = [f"{site[name]}.repeat_interleave({each})" for name in ("gamma", "beta")]
    return f"F.group_norm({', '.join([x, str(groups), *weights, *more])})"


@rule("InstanceNorm")
def instance_norm(site: Site) -> str:
    """`nn.InstanceNorm1d` to `3d`, by the statistics of each channel of each item."""
    rank, x = site.rank(), site["data"]
    if not 3 <= rank <= 5:
        raise site.refuse(f"a value with {rank} axes is not supported")
    more = keywords({"eps": (literal(site.attributes["eps"]), "1e-05")})
    if found := parameters(site, "gamma", "beta"):
        arguments = [str(site.shape()[1]), *more, "affine=True"]
        kind = f"nn.InstanceNorm{rank - 2}d"
        module = site.module(kind, arguments, renamed(found))
        return f"{module}({x})"
    weights = [f"weight={site['gamma']}", f"bias={site['beta']}"]
    return f"F.instance_norm({', '.join([x, *weights, *more])})"


@rule("L2Normalization")
def l2_normalization(site: Site) -> str:
    """Divided by the root of the sum of squares: of an item, of a position, or of a channel."""
    rank, a = site.rank(), site.attributes
    first, last = {"instance": (1, rank), "channel": (1, 2), "spatial": (2, rank)}[a["mode"]]
    if (rank < 3 and a["mode"] != "instance") or rank < 2:
        raise site.refuse(f"mode={a['mode']} of a value with {rank} axes")
    axes = tuple(range(first, last))
    dim = literal(axes[0] if len(axes) == 1 else axes)
    return f"l2_normalize({site['data']}, {dim}, {literal(a['eps'])})"


@rule("LRN")
def lrn(site: Site) -> str:
    """`F.local_response_norm`."""
    a = site.attributes
    if a["nsize"] % 2 == 0 or a["nsize"] < 1:
        raise site.refuse(f"nsize={a['nsize']} is not odd")
    more = {
        "alpha": (literal(a["alpha"]), "0.0001"),
        "beta": (literal(a["beta"]), "0.75"),
        "k": (literal(a["knorm"]), "1.0"),
    }
    arguments = [site["data"], str(a["nsize"]), *keywords(more)]
    return f"F.local_response_norm({', '.join(arguments)})"
