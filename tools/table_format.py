"""The reference of the table format, made of the dataclasses that read it."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from converter.tables.read import ALL_OTHERS, NOT_READ
from converter.tables.rows import Module, Modules, Size
from converter.tables.table import Pairs, Table, Value

# Type hints that have a name of their own in the reference
NAMES: list[tuple[Any, str]] = [
    (Module, "row"),
    (Value, "text, number or boolean"),
    (Pairs, "lists of names"),
    (Size, "size"),
    (str, "text"),
    (bool, "boolean"),
    (int, "number"),
    (float, "number"),
]


def table_format() -> str:
    """Every section with its keys: type, default and what each is for, in a line."""
    lines: list[str] = []
    for title, kind in _sections(Table, "The file"):
        lines += ["", f"### {title}", "", str(kind.__doc__).split("\n\n")[0].replace("\n    ", " ")]
        lines += ["", "| key | what it is | default | what it says |", "|---|---|---|---|"]
        hints = get_type_hints(kind)
        for field in _fields(kind, title):
            key = field.metadata["key"] or field.name
            key = "any other key" if key == ALL_OTHERS else f"`{key}`"
            cells = [key, _type(hints[field.name]), _default(field), field.metadata["text"]]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines[1:])


def _sections(kind: Any, title: str) -> Iterator[tuple[str, Any]]:
    """A dataclass and those that its fields are made of; the kinds of rows once, for all."""
    yield title, kind
    if kind is Table:
        yield "Rows: of the file, of a `[[layer]]`, of a `[head.NAME]`", Modules
    hints = get_type_hints(kind)
    for field in _fields(kind, title):
        inner = _record_of(hints[field.name])
        if inner:
            key = field.metadata["key"] or field.name
            yield from _sections(inner, _heading(key, hints[field.name]))


def _fields(kind: Any, title: str) -> Iterator[dataclasses.Field[Any]]:
    """Those of a section; of `[head.NAME]` the name is in the heading."""
    rows = {field.name for field in dataclasses.fields(Modules)}
    for field in dataclasses.fields(kind):
        shown = kind is Modules or field.name not in rows
        named = field.name == "name" and ".NAME]" in title
        if shown and not named and field.metadata["key"] != NOT_READ:
            yield field


def _record_of(hint: Any) -> Any:
    """The dataclass within a type hint."""
    if dataclasses.is_dataclass(hint):
        return None if hint is Module else hint
    return next(filter(None, map(_record_of, get_args(hint))), None) if hint != Size else None


def _heading(key: str, hint: Any) -> str:
    record = _record_of(hint)
    several = get_origin(hint) is not None and get_origin(hint) not in (Union, types.UnionType)
    if get_origin(hint) is tuple and "name" not in record.__dataclass_fields__:
        return f"`[[{key}]]`"
    if key == "part":
        return "`[[part]]`"
    return f"`[{key}.NAME]`" if several else f"`[{key}]`"


def _type(hint: Any) -> str:
    for known, name in NAMES:
        if hint == known:
            return name
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return "section"
    if origin in (Union, types.UnionType):
        names = [_type(one) for one in arguments if one is not types.NoneType]
        return " or ".join(dict.fromkeys(names))
    if origin is not None and issubclass(origin, Mapping):
        return f"name → {_type(arguments[1])}"
    return f"list of {_type(arguments[0])}s" if arguments else str(hint)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "none" if field.default_factory is not dataclasses.MISSING else "required"
    default = [*field.default] if isinstance(field.default, tuple | frozenset) else field.default
    if default in (None, [], "") or dataclasses.is_dataclass(default):
        return "none"
    return f"`{json.dumps(default)}`"
