"""Statements as `ruff format` writes them, for the few kinds of statement that a module needs."""

from __future__ import annotations

from collections.abc import Iterator

WIDTH = 100


def layout(statement: str, indent: int, comment: str = "") -> Iterator[str]:
    """The lines of one statement, `indent` columns from the left.

    A comment stands behind the statement where both fit in one line, and above it elsewhere.
    """
    pad = " " * indent
    if comment and len(line := f"{pad}{statement}  # {comment}") <= WIDTH:
        yield line
        return
    if comment and len(line := f"{pad}# {comment}") <= WIDTH:
        yield line
    yield from _split(statement, indent)


def _split(statement: str, indent: int, end: str = "") -> Iterator[str]:
    """The lines of a statement or expression, `end` behind it: split at its last brackets."""
    pad = " " * indent
    if len(pad + statement + end) <= WIDTH:
        yield pad + statement + end
        return
    spans = _brackets(statement)
    is_def = statement.startswith("def ")
    if spans:
        start, stop = spans[0] if is_def else spans[-1]
        body = statement[start + 1 : stop]
        last = is_def or stop == len(statement) - 1 or statement.endswith("):")
        if last and body and len(pad) + start + 1 <= WIDTH:
            yield pad + statement[: start + 1]
            yield from _body(body, indent + 4)
            yield pad + statement[stop:] + end
            return
    target, equal, value = statement.partition(" = ")
    if equal:
        yield f"{pad}{target} = ("
        yield from _split(value, indent + 4)
        yield f"{pad})"
        return
    yield pad + statement + end  # one word too long for a line


def _body(body: str, indent: int) -> Iterator[str]:
    """What stands in brackets: in one line if it fits, else an element a line."""
    if len(body) + indent <= WIDTH:
        yield " " * indent + body
        return
    for element in _elements(body):
        yield from _split(element, indent, ",")


def _elements(body: str) -> Iterator[str]:
    depth = start = 0
    for place, character in enumerate(body):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            yield body[start:place].strip()
            start = place + 1
    if body[start:].strip():
        yield body[start:].strip()


def _brackets(text: str) -> list[tuple[int, int]]:
    """Where each outermost pair of brackets begins and ends. No string literal holds a bracket."""
    found, depth, start = [], 0, 0
    for place, character in enumerate(text):
        if character in "([{":
            if depth == 0:
                start = place
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                found.append((start, place))
    return found
