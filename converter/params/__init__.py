"""MXNet's `.params` file format: file → index, bytes of a tensor; and back. Knows no models."""

from converter.params.index import Index, TensorEntry, read_index
from converter.params.load import load_params
from converter.params.save import save_params
from converter.params.weights import Weights, check_unchanged, state_of

__all__ = [
    "Index",
    "TensorEntry",
    "Weights",
    "check_unchanged",
    "load_params",
    "read_index",
    "save_params",
    "state_of",
]
