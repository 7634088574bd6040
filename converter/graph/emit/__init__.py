"""The text of `model.py`: a PyTorch module that computes what a graph of MXNet's does."""

from converter.graph.emit.emitted import Emitted, Parameter
from converter.graph.emit.model import emit

__all__ = ["Emitted", "Parameter", "emit"]
