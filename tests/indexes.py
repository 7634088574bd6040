"""Index objects without files: real sizes cost nothing, since a plan reads no weight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from converter.params import Index, TensorEntry

Shapes = dict[str, tuple[int, ...]]


def make_index(shapes: Mapping[str, tuple[int, ...]], dtype: str = "float32") -> Index:
    """One tensor after the other, as in a file."""
    kind, offset, tensors = np.dtype(dtype), 24, {}
    for name, shape in shapes.items():
        nbytes = int(np.prod(shape, dtype=object)) * kind.itemsize
        tensors[name] = TensorEntry(name, kind, shape, offset, nbytes, "V2")
        offset += nbytes
    return Index(Path("made.params"), offset, tensors)


def bort_shapes(
    layers: int = 2,
    units: int = 32,
    ffn: int = 24,
    words: int = 97,
    positions: int = 20,
    prefix: str = "",
) -> Shapes:
    """Names and shapes of a Bort without heads, written out as GluonNLP's classes have them."""
    shapes: Shapes = {"word_embed.0.weight": (words, units)}
    shapes["encoder.position_weight"] = (positions, units)
    shapes |= {f"encoder.layer_norm.{part}": (units,) for part in ("gamma", "beta")}
    for number in range(layers):
        cell = f"encoder.transformer_cells.{number}"
        for dense in ("attention_cell.proj_query", "attention_cell.proj_key"):
            shapes |= {f"{cell}.{dense}.weight": (units, units), f"{cell}.{dense}.bias": (units,)}
        for dense in ("attention_cell.proj_value", "proj"):
            shapes |= {f"{cell}.{dense}.weight": (units, units), f"{cell}.{dense}.bias": (units,)}
        for norm in ("layer_norm", "ffn.layer_norm"):
            shapes |= {f"{cell}.{norm}.{part}": (units,) for part in ("gamma", "beta")}
        shapes |= {f"{cell}.ffn.ffn_1.weight": (ffn, units), f"{cell}.ffn.ffn_1.bias": (ffn,)}
        shapes |= {f"{cell}.ffn.ffn_2.weight": (units, ffn), f"{cell}.ffn.ffn_2.bias": (units,)}
    return {prefix + name: shape for name, shape in shapes.items()}


def decoder_shapes(units: int = 32, words: int = 97) -> Shapes:
    shapes: Shapes = {"decoder.0.weight": (units, units), "decoder.3.weight": (words, units)}
    shapes |= {f"decoder.{name}": (units,) for name in ("0.bias", "2.gamma", "2.beta")}
    return shapes | {"decoder.3.bias": (words,)}


def classifier_shapes(first: int = 1, last: int = 3, units: int = 32, labels: int = 3) -> Shapes:
    return {
        f"classifier.{first}.weight": (units, units),
        f"classifier.{first}.bias": (units,),
        f"classifier.{last}.weight": (labels, units),
        f"classifier.{last}.bias": (labels,),
    }
