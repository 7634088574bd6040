"""What generated code needs beyond PyTorch's own functions: each is copied into the `model.py`
that calls it. Written for reading there: nothing else of this package is used, nor at run time.

Each does what the operator of MXNet 1.9.1 of that name does (apache/mxnet `src/operator/`).
"""
