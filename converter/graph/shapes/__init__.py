"""The shape and dtype of every output of a graph, from those of its variables, without a value."""

from converter.graph.shapes.solve import Spec, infer

__all__ = ["Spec", "infer"]
