"""The helpers of generated code: their source text, taken from converter/graph/runtime/."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping
from importlib.resources import files

FILES = ("values.py", "sequences.py", "vision.py")


@functools.cache
def helpers() -> Mapping[str, str]:
    """The text of each helper by its name, in the order of the files."""
    found = {}
    for name in FILES:
        text = (files("converter.graph") / "runtime" / name).read_text("utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                found[node.name] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return found


@functools.cache
def uses(helper: str) -> frozenset[str]:
    """Every name that a helper mentions."""
    tree = ast.parse(helpers()[helper])
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def needed(mentioned: Iterable[str]) -> list[str]:
    """The helpers among the names, and the helpers that those call, in the order of the files."""
    found: set[str] = set()
    waiting = [name for name in mentioned if name in helpers()]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += [other for other in uses(name) if other in helpers()]
    return [name for name in helpers() if name in found]
