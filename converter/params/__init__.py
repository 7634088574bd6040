"""MXNet's `.params` file format: file → index, bytes of a tensor; and back. Knows no models."""

from converter.params.index import Index as Index
from converter.params.index import Member as Member
from converter.params.index import TensorEntry as TensorEntry
from converter.params.index import read_index as read_index
from converter.params.load import load_params as load_params
from converter.params.save import save_params as save_params
from converter.params.weights import Weights as Weights
from converter.params.weights import check_unchanged as check_unchanged
from converter.params.weights import state_of as state_of
