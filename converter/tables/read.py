"""TOML → dataclasses, by their type hints: every key of its type, and none left over."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from converter.errors import TableError
from converter.tables.rows import Module, Size, parse_size

ALL_OTHERS, NOT_READ = "*", "-"  # as the key of a field


def read(kind: Any, value: Any, place: str) -> Any:
    """`value` as the type hint `kind` says. Raises `TableError` naming `place`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Module:
        return Module.parse(value, place)
    if kind == Size:
        return parse_size(value, place)
    if dataclasses.is_dataclass(kind):
        return read_record(kind, value, place)
    if origin in (Union, types.UnionType):
        kinds = [one for one in arguments if one is not types.NoneType]
        if len(kinds) == 1:
            return read(kinds[0], value, place)
    elif origin and issubclass(origin, Mapping):
        entries = _of_type(value, (dict,), place).items()
        return {key: read(arguments[1], entry, f"{place}: {key}") for key, entry in entries}
    elif origin:
        if isinstance(value, dict) and hasattr(arguments[0], "__dataclass_fields__"):
            value = [
                {**_of_type(section, (dict,), f"{place}: {name}"), "name": name}
                for name, section in value.items()
            ]
        entries = enumerate(_of_type(value, (list,), place), start=1)
        return origin(read(arguments[0], entry, f"{place} {number}") for number, entry in entries)
    else:
        kinds = [kind]
    return _of_type(value, (*kinds, int) if float in kinds else (*kinds,), place)


def read_record(kind: Any, value: Any, place: str, **given: Any) -> Any:
    """A dataclass whose fields are the keys of the table `value`, but for those `given`."""
    hints, left = _hints(kind), dict(_of_type(value, (dict,), place))
    for field in dataclasses.fields(kind):
        key = field.metadata["key"] or field.name
        if key == ALL_OTHERS:
            given[field.name], left = read(hints[field.name], left, place), {}
        elif key in left:
            given[field.name] = read(hints[field.name], left.pop(key), f"{place}: {key}")
        elif key != NOT_READ and _is_required(field):
            raise TableError(f"{place}: the key {key!r} is missing")
    if left:
        raise TableError(f"{place}: unknown key {', '.join(map(repr, left))}")
    return kind(**given)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return {field.default, field.default_factory} == {dataclasses.MISSING}


def _of_type(value: Any, kinds: tuple[Any, ...], place: str) -> Any:
    if type(value) not in kinds:
        raise TableError(f"{place}: wrong type: {value!r}")
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no such number
        raise TableError(f"{place}: {value} is no finite number")
    return value
