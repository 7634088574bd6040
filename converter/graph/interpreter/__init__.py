"""MXNet's operators in NumPy, from MXNet's own sources: what a written module is compared with.

Imported by the proof alone, and written apart from what writes modules: a mistake of one side is
not a mistake of the other.
"""

from converter.graph.interpreter import (  # noqa: F401  each declares its operators
    arithmetic,
    convolution,
    creation,
    detection,
    elementwise,
    indexing,
    matrix,
    normalisation,
    parts,
    pooling,
    recurrent,
    reduction,
    resize,
    sampling,
    shape,
    softmax,
)
from converter.graph.interpreter.run import run

__all__ = ["run"]
