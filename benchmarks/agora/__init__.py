"""Agora against other ways to spend the same compute."""
