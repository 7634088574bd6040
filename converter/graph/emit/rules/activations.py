"""Activations and what loss layers are at inference."""

from __future__ import annotations

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
            bounds = [literal(a["lower_bound"]), literal(a["upper_bound"])]
            return f"{site.module('nn.RReLU', bounds)}({data})"
    if gamma := site.piece("gamma"):
        size = gamma.shape[0]
        return f"{site.module('nn.PReLU', [str(size)] if size > 1 else [], weight=gamma)}({data})"
    return f"F.prelu({data}, {site['gamma']})"
