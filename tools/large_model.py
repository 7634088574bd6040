"""Write a GPT-2 or a T5 of GluonNLP 1.x, or a graph, of any size, with random weights.

Our own writer writes them.

    python -m tools.large_model SIZE FILE

Such a file shows what a conversion costs; no model of this size is downloaded. All tensors are
parts of one block of random numbers, so that no more than the largest is ever in memory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from converter import save_params
from converter.params.graphs import symbol_names

SEED = 1558
KINDS = ("weight", "bias")
GRAPH = "graph"  # not a family: Dense after Dense, with its symbol.json
STEP = 4099  # a prime: how far the part of one tensor begins from that of the one before


@dataclass(frozen=True)
class Model:
    """The sizes of one: `layers` of GPT-2, of each side of T5, or of Dense in a graph."""

    family: str
    layers: int
    units: int
    heads: int
    words: int
    hidden: int = 0  # of T5's feed-forward network; GPT-2 has 4 × units
    of_head: int = 64  # T5's units of a head

    @property
    def options(self) -> list[str]:
        """What `bort-convert` has to be told beside the file."""
        if self.family == GRAPH:
            return ["--input", f"data=4,{self.units}"]
        known = {50257: [768, 1024, 1280, 1600]}.get(self.words, [])
        if self.family == "t5_1x" or self.units in known:
            return []
        heads = f"n_head={self.heads}"
        return ["--config", heads, "--config", "activation_function=gelu_new"]


MODELS: Mapping[str, Model] = {  # GB of float32
    "0.1": Model("gpt2_1x", 6, 512, 8, 12800),
    "0.5": Model("gpt2_1x", 12, 768, 12, 50257),  # 124M
    "1.4": Model("gpt2_1x", 24, 1024, 16, 50257),  # 355M
    "6.2": Model("gpt2_1x", 48, 1600, 25, 50257),  # 1558M
    "0.2": Model("t5_1x", 6, 512, 8, 32128, 2048),  # T5-small
    "0.9": Model("t5_1x", 12, 768, 12, 32128, 3072),  # T5-base
    "11.4": Model("t5_1x", 24, 1024, 32, 32128, 16384, 128),  # T5-3B
    "graph 0.5": Model(GRAPH, 8, 4096, 0, 0),
    "graph 2.1": Model(GRAPH, 32, 4096, 0, 0),
}


def shapes(model: Model) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The names that `save_parameters` gives, with their shapes."""
    yield from {"gpt2_1x": _gpt2, "t5_1x": _t5, GRAPH: _dense}[model.family](model)


def _dense(model: Model) -> Iterator[tuple[str, tuple[int, ...]]]:
    for layer in range(model.layers):
        yield f"arg:dense{layer}_weight", (model.units, model.units)
        yield f"arg:dense{layer}_bias", (model.units,)


def symbol(model: Model) -> dict[str, Any]:
    """The graph of the Dense, as MXNet 1.9.1 writes one (its `Symbol.tojson`)."""
    nodes: list[dict[str, Any]] = [{"op": "null", "name": "data", "inputs": []}]
    for layer in range(model.layers):
        last, name = len(nodes) - 1, f"dense{layer}"
        nodes += ({"op": "null", "name": f"{name}_{kind}", "inputs": []} for kind in KINDS)
        attributes = {"num_hidden": str(model.units), "no_bias": "False", "flatten": "True"}
        inputs = [[last, 0, 0], [last + 1, 0, 0], [last + 2, 0, 0]]
        nodes += [
            {"op": "FullyConnected", "name": name, "attrs": attributes, "inputs": inputs},
            {
                "op": "Activation",
                "name": f"{name}_tanh",
                "attrs": {"act_type": "tanh"},
                "inputs": [[last + 3, 0, 0]],
            },
        ]
    return {
        "nodes": nodes,
        "arg_nodes": [n for n, node in enumerate(nodes) if node["op"] == "null"],
        "node_row_ptr": [*range(len(nodes) + 1)],
        "heads": [[len(nodes) - 1, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }


def _gpt2(model: Model) -> Iterator[tuple[str, tuple[int, ...]]]:
    units = model.units
    yield "_backbone_model._pos_embed._embed.weight", (1024, units)
    for layer in range(model.layers):
        at = f"_backbone_model._layers.{layer}."
        for norm in ("atten.ln", "ffn.layer_norm"):
            yield f"{at}{norm}.gamma", (units,)
            yield f"{at}{norm}.beta", (units,)
        for name, out, into in (
            *(("atten.qkv", 3 * units, units), ("atten.out_proj", units, units)),
            *(("ffn.ffn_1", 4 * units, units), ("ffn.ffn_2", units, 4 * units)),
        ):
            yield f"{at}{name}.weight", (out, into)
            yield f"{at}{name}.bias", (out,)
    yield "_backbone_model._final_ln.gamma", (units,)
    yield "_backbone_model._final_ln.beta", (units,)
    yield "_lm_head.weight", (model.words, units)


def _t5(model: Model) -> Iterator[tuple[str, tuple[int, ...]]]:
    units, inner = model.units, model.heads * model.of_head
    yield "model.input_embedding_layer.weight", (model.words, units)
    for side, attentions in (("encoder", ["self"]), ("decoder", ["self", "cross"])):
        beside = f"model.{side}.relative_position_encoder._rel_pos_embed.weight"
        yield beside, (32, model.heads)
        norms = [f"model.{side}.final_layer_norm"]
        for layer in range(model.layers):
            at = f"model.{side}.layers.{layer}."
            for attention in attentions:
                norms.append(f"{at}{attention}_attn_layer_norm")
                for name in "qkv":
                    yield f"{at}{attention}_attn_{name}.weight", (inner, units)
                yield f"{at}{attention}_attn_proj.weight", (units, inner)
            norms.append(f"{at}ffn.layer_norm")
            yield f"{at}ffn.ffn_1.weight", (model.hidden, units)
            yield f"{at}ffn.ffn_2.weight", (units, model.hidden)
        for norm in norms:
            yield f"{norm}.gamma", (units,)
            yield f"{norm}.beta", (units,)


def write(model: Model, path: Path) -> None:
    """Write the file: numbers as small as a model begins with, norms that do nothing."""
    found = dict(shapes(model))
    most = max(map(prod, found.values()))
    block = np.random.default_rng(SEED).standard_normal(most + STEP * len(found), np.float32)
    block *= np.float32(0.02)
    arrays = {}
    for number, (name, shape) in enumerate(found.items()):
        part = block[number * STEP : number * STEP + prod(shape)].reshape(shape)
        still = {"gamma": np.ones, "beta": np.zeros}.get(name.rsplit(".", 1)[-1])
        arrays[name] = still(shape, np.float32) if still else part
    path.parent.mkdir(parents=True, exist_ok=True)
    save_params(path, arrays, force=True)
    if model.family == GRAPH:
        text = json.dumps(symbol(model), indent=2)
        path.with_name(next(iter(symbol_names(path.name)))).write_text(text, "utf-8")


if __name__ == "__main__":
    write(MODELS[sys.argv[1]], Path(sys.argv[2]))
