"""How each operator is written, where one expression of operators.toml cannot say it."""

from converter.graph.emit.rules import activations, layers, shaping

__all__ = ["activations", "layers", "shaping"]
