"""MXNet's `.params` file format: file → index, bytes of a tensor; and back. Knows no models."""

from converter.params.index import Index, TensorEntry, read_index
from converter.params.load import load_params
from converter.params.save import save_params
from converter.params.weights import Weights

__all__ = ["Index", "TensorEntry", "Weights", "load_params", "read_index", "save_params"]
