"""How each operator is written, where one expression of operators.toml cannot say it."""

from converter.graph.emit.rules import (
    activations,
    arithmetic,
    creation,
    detection,
    layers,
    norms,
    pooling,
    products,
    reductions,
    sequences,
    shaping,
    slicing,
)

__all__ = [
    "activations",
    "arithmetic",
    "creation",
    "detection",
    "layers",
    "norms",
    "pooling",
    "products",
    "reductions",
    "sequences",
    "shaping",
    "slicing",
]
