"""The proof of a graph: MXNet's arithmetic in NumPy against the module that was written."""
