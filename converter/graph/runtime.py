"""What generated code needs beyond PyTorch's own functions: each is copied into the `model.py`
that calls it. Written for reading there: no other module of this package is used.
"""

from __future__ import annotations
