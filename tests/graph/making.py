"""Graphs for tests: the JSON that MXNet would write of a few nodes."""

from __future__ import annotations

import json
from typing import Any

from converter.graph.operators import Program, understand
from converter.graph.symbol import parse_symbol

Source = tuple[int, int]


class Making:
    """A graph in the making: each node is named by its place and the output that is meant."""

    def __init__(self, version: int = 10901) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.version = version

    def variable(self, name: str, **attributes: str) -> Source:
        return self.call("null", name, **attributes)

    def call(self, op: str, name: str, *inputs: Source, **attributes: object) -> Source:
        texts = {key: str(value) for key, value in attributes.items()}
        entries = [[*source, 0] for source in inputs]
        self.nodes.append({"op": op, "name": name, "attrs": texts, "inputs": entries})
        return len(self.nodes) - 1, 0

    def layer(self, op: str, name: str, data: Source, *more: str, **attributes: object) -> Source:
        """A call with variables of its own, called `NAME_weight` and so on."""
        own = [self.variable(f"{name}_{ending}") for ending in more]
        return self.call(op, name, data, *own, **attributes)

    def content(self, *heads: Source) -> dict[str, Any]:
        """What the JSON holds; the last node is the output, if none is named."""
        heads = heads or ((len(self.nodes) - 1, 0),)
        return {
            "nodes": self.nodes,
            "arg_nodes": [n for n, node in enumerate(self.nodes) if node["op"] == "null"],
            "heads": [[*head, 0] for head in heads],
            "attrs": {"mxnet_version": ["int", self.version]},
        }

    def text(self, *heads: Source) -> str:
        return json.dumps(self.content(*heads))

    def program(self, *heads: Source) -> Program:
        return understand(parse_symbol(self.text(*heads)))


def lenet() -> Making:
    """Two convolutions, two dense layers and a loss head, as the Module API's examples have it."""
    made = Making()
    x = made.variable("data")
    for n, filters in enumerate((20, 50)):
        x = made.layer(
            "Convolution", f"conv{n}", x, "weight", "bias", kernel="(5, 5)", num_filter=filters
        )
        x = made.call("Activation", f"tanh{n}", x, act_type="tanh")
        x = made.call("Pooling", f"pool{n}", x, kernel="(2, 2)", stride="(2, 2)", pool_type="max")
    x = made.call("Flatten", "flat", x)
    for n, hidden in enumerate((500, 10)):
        x = made.layer("FullyConnected", f"fc{n}", x, "weight", "bias", num_hidden=hidden)
    label = made.variable("softmax_label")
    made.call("SoftmaxOutput", "softmax", x, label)
    return made


LENET = {
    "conv0_weight": (20, 1, 5, 5),
    "conv0_bias": (20,),
    "conv1_weight": (50, 20, 5, 5),
    "conv1_bias": (50,),
    "fc0_weight": (500, 800),
    "fc0_bias": (500,),
    "fc1_weight": (10, 500),
    "fc1_bias": (10,),
}
