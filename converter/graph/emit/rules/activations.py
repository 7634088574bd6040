"""Activations, softmax, and what loss layers are at inference."""

from __future__ import annotations

import math

from converter.graph.emit.literals import literal
from converter.graph.emit.site import Site, rule

ACTIVATIONS = {
    "relu": "F.relu({})",
    "sigmoid": "torch.sigmoid({})",
    "tanh": "torch.tanh({})",
    "softrelu": "F.softplus({})",
    "softsign": "F.softsign({})",
}


@rule("Activation")
def activation(site: Site) -> str:
    """Its function by `act_type`."""
    return ACTIVATIONS[site.attributes["act_type"]].format(site["data"])


@rule("LeakyReLU")
def leaky_relu(site: Site) -> str:
    """Its function by `act_type`; prelu and rrelu are modules."""
    a, data = site.attributes, site["data"]
    match a["act_type"]:
        case "leaky":
            return f"F.leaky_relu({data}, {literal(a['slope'])})"
        case "elu":
            return f"F.elu({data}, {literal(a['slope'])})"
        case "selu":
            return f"F.selu({data})"
        case "gelu":
            return f"F.gelu({data})"
        case "rrelu":
            if a["lower_bound"] > a["upper_bound"]:
                raise site.refuse("lower_bound is above upper_bound")
            bounds = [literal(a["lower_bound"]), literal(a["upper_bound"])]
            return f"{site.module('nn.RReLU', bounds)}({data})"
    if len(site.shape("gamma")) != 1:
        raise site.refuse(f"a slope with {len(site.shape('gamma'))} axes")
    if gamma := site.piece("gamma"):
        size = gamma.shape[0]
        module = site.module("nn.PReLU", [str(size)] if size > 1 else [], {"weight": gamma})
        return f"{module}({data})"
    return f"F.prelu({data}, {site['gamma']})"


@rule("softmax", "softmin", "log_softmax")
def softmax(site: Site) -> str:
    """Softmax along an axis, of values divided by the temperature; the dtype is the output's."""
    a, x = site.attributes, site["data"]
    axis, taken, given = site.axis(a["axis"]), site.spec().dtype, site.out().dtype
    if site.call.op == "softmin":
        x = f"-{x}"
    if a["temperature"] not in (None, 1.0):
        x = f"{x} / {literal(a['temperature'])}"
    to = f", dtype={literal(given)}" if taken != given else ""
    if site.has("length"):
        if to:
            raise site.refuse("length and dtype at once")
        return f"masked_softmax({x}, {site['length']}, {axis})"
    function = "log_softmax" if site.call.op == "log_softmax" else "softmax"
    return f"torch.{function}({x}, {axis}{to})"


@rule("SoftmaxOutput")
def softmax_output(site: Site) -> str:
    """Softmax: of all but the first axis, of axis 1 (multi_output), or of the last."""
    a = site.attributes
    if a["multi_output"]:
        return f"torch.softmax({site['data']}, {site.axis(1)})"
    if a["preserve_shape"]:
        return f"torch.softmax({site['data']}, {site.rank() - 1})"
    shape = site.shape()
    if len(shape) == 1 or (len(shape) == 4 and math.prod(shape) != shape[0] * shape[-1]):
        # MKL-DNN of 1.9.1 takes the last axis; the documentation, 1.5.0 and GPUs all but the first
        told = "state multi_output (channels) or preserve_shape (the last axis) in the graph"
        raise site.refuse(f"preserve_shape=False of a value of shape {shape}: {told}")
    return _softmax_of_rows(site)


@rule("SoftmaxActivation")
def softmax_activation(site: Site) -> str:
    """Softmax: of axis 1 (mode channel), or of the last."""
    if site.attributes["mode"] == "channel" and site.rank() < 3:
        raise site.refuse(f"mode=channel of a value with {site.rank()} axes")
    axis = 1 if site.attributes["mode"] == "channel" else site.rank() - 1
    return f"torch.softmax({site['data']}, {axis})"


def _softmax_of_rows(site: Site) -> str:
    if site.rank() == 2:
        return f"torch.softmax({site['data']}, 1)"
    return f"torch.softmax({site['data']}.flatten(1), 1).reshape({site['data']}.shape)"


@rule("_contrib_gradientmultiplier")
def gradient_multiplier(site: Site) -> str:
    """The value itself; its gradient is multiplied in training."""
    scalar = site.attributes["scalar"]
    if scalar == 1.0:
        return site["data"]
    return f"scale_gradient({site['data']}, {literal(scalar)})"


@rule("rint", "round", "cbrt", "rcbrt", "gamma")
def elementwise(site: Site) -> str:
    """Functions that PyTorch lacks, or has with other halves."""
    x = site["data"]
    if site.spec().dtype.kind != "f" and site.call.op in ("rint", "round"):
        return x
    if site.spec().dtype.kind != "f":
        raise site.refuse("integers are not supported")
    return {
        "rint": f"torch.ceil({x} - 0.5)",
        "round": f"round_away({x})",
        "cbrt": f"cbrt({x})",
        "rcbrt": f"torch.reciprocal(cbrt({x}))",
        "gamma": f"gamma({x})",
    }[site.call.op]


@rule("shape_array", "size_array")
def shape_array(site: Site) -> str:
    """The shape, or the count of values, as a tensor of int64."""
    x = site["data"]
    size = f"{x}.shape" if site.call.op == "shape_array" else f"[{x}.numel()]"
    return f"torch.tensor({size}, device={x}.device)"
