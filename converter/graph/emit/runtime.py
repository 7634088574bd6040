"""The helpers of generated code: their source text, taken from converter/graph/runtime.py."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping
from importlib.resources import files


@functools.cache
def helpers() -> Mapping[str, str]:
    """The text of each helper by its name, in the order of the file."""
    text = (files("converter.graph") / "runtime.py").read_text("utf-8")
    lines = text.splitlines()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            begin = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(lines[begin - 1 : node.end_lineno])
    return found


@functools.cache
def _named(helper: str) -> frozenset[str]:
    return names(helpers()[helper])


def names(text: str) -> frozenset[str]:
    """Every name that a text of Python mentions."""
    return frozenset(n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name))


def needed(mentioned: Iterable[str]) -> list[str]:
    """The helpers among the names, and the helpers that those call, in the order of the file."""
    found: set[str] = set()
    waiting = [name for name in mentioned if name in helpers()]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += [other for other in _named(name) if other in helpers()]
    return [name for name in helpers() if name in found]
