"""Options → calls: the only package that prints or exits."""
