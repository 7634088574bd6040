"""MXNet's own graphs: `-symbol.json` → nodes with typed attributes → a PyTorch module."""
