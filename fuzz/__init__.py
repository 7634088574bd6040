"""Hostile bytes for everything that reads a file: `make fuzz`."""
