"""Statements as `ruff format` writes them, for the few kinds of statement that a module needs.

What is too long for a line is split at its brackets, the leftmost first; a chain of three calls
and more gets a line a call; a sum gets a line a term. String literals hold no bracket or comma.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDTH = 100
OPERATOR = re.compile(r" ([-+*/@]|//|[=!<>]=|[<>]) ")
ATTRIBUTE_OF_CALL = re.compile(r"[)\]](?=\.)")


def layout(statement: str, indent: int, comment: str = "") -> Iterator[str]:
    """The lines of one statement, `indent` columns from the left.

    A comment follows the statement where both fit on one line, and precedes it elsewhere.
    """
    pad = " " * indent
    if comment and len(line := f"{pad}{statement}  # {comment}") <= WIDTH:
        yield line
        return
    if comment and len(line := f"{pad}# {comment}") <= WIDTH:
        yield line
    if len(pad + statement) <= WIDTH:
        yield pad + statement
        return
    if statement.startswith("def "):
        start, stop = _brackets(statement)[0]
        yield pad + statement[: start + 1]
        yield from _arguments(statement[start + 1 : stop], indent + 4)
        yield pad + statement[stop:]
        return
    head, found, value = statement.partition(" = ")
    if statement.startswith(("return ", "for ")):
        head, found, value = statement.partition("return " if statement[0] == "r" else " in ")
        several = len([*_elements(value)]) > 1
        head, value = head + found, f"({value})" if several else value
    elif not found:
        head, value = "", statement
    elif len([*_elements(head)]) > 1:
        yield f"{pad}("
        yield from _lines(head, indent + 4)
        head = ") = "
    else:
        head += found
    yield from _value(head, value, indent)


def _value(head: str, value: str, indent: int) -> Iterator[str]:
    """The lines of `head` and a value behind it, in parentheses where that has to be."""
    pad = " " * indent
    if len(pad + head + value) <= WIDTH:
        yield pad + head + value
    elif _terms(value) or _fluent(value) or len(pad + head) + _first(value) > WIDTH:
        yield f"{pad}{head}("
        yield from _expression("", value, indent + 4, "")
        yield f"{pad})"
    else:
        yield from _expression(head, value, indent, "")


def _expression(head: str, text: str, indent: int, end: str) -> Iterator[str]:
    """The lines of an expression between `head` and `end`, in brackets or with some of its own."""
    pad = " " * indent
    if len(pad + head + text + end) <= WIDTH:
        yield pad + head + text + end
        return
    if parts := _terms(text) or _fluent(text):
        for part in parts[:-1]:
            yield from _expression("", part, indent, "")
        yield from _expression("", parts[-1], indent, end)
        return
    spans = _brackets(text)
    if not spans:
        yield pad + head + text + end  # one word too long for a line
        return
    # the first pair behind which the line is too long, up to the next pair's opening bracket
    ahead = [*(start + 1 for start, _ in spans[1:]), WIDTH + len(text)]
    used = len(pad + head)
    start, stop = next(s for s, a in zip(spans, ahead, strict=True) if used + a > WIDTH)
    yield pad + head + text[: start + 1]
    inside = text[start + 1 : stop]
    if text[:start] in ("", "*") and (text[start] == "{" or len([*_elements(inside)]) > 1):
        yield from _lines(inside, indent + 4)
    elif text[:start] == "":  # parentheses around an expression
        yield from _expression("", inside, indent + 4, "")
    else:
        yield from _arguments(inside, indent + 4)
    yield from _expression("", text[stop:], indent, end)


def _first(text: str) -> int:
    """How much of an expression its first line has at least."""
    return next((start + 1 for start, _ in _brackets(text)), len(text))


def _arguments(body: str, indent: int) -> Iterator[str]:
    """Arguments: in one line if they fit, else a line each."""
    if len(body) + indent <= WIDTH:
        yield " " * indent + body
    else:
        yield from _lines(body, indent)


def _lines(body: str, indent: int) -> Iterator[str]:
    for element in _elements(body):
        yield from _expression("", element, indent, ",")


def _terms(text: str) -> list[str]:
    """The terms of a sum and the like, each with the operator before it; empty for no sum."""
    places = [m.start() for m in OPERATOR.finditer(text) if _depth(text, m.start()) == 0]
    if not places:
        return []
    ends = [*places[1:], len(text)]
    rest = [text[start + 1 : end] for start, end in zip(places, ends, strict=True)]
    return [text[: places[0]], *rest]


def _fluent(text: str) -> list[str]:
    """A chain with two attributes of calls, each with its call; empty for others."""
    places = [m.end() for m in ATTRIBUTE_OF_CALL.finditer(text) if _depth(text, m.start() + 1) == 0]
    if len(places) < 2:
        return []
    ends = [*places[1:], len(text)]
    return [text[: places[0]], *(text[a:b] for a, b in zip(places, ends, strict=True))]


def _depth(text: str, place: int) -> int:
    before = text[:place]
    return sum(map(before.count, "([{")) - sum(map(before.count, ")]}"))


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
    """Where each outermost pair of brackets with something in it begins and ends."""
    found, depth, start = [], 0, 0
    for place, character in enumerate(text):
        if character in "([{":
            if depth == 0:
                start = place
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0 and place > start + 1:
                found.append((start, place))
            depth = max(depth, 0)
    return found
