"""A TOML table as it is read: keys of one type each, and none left over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converter.errors import TableError

SCALAR = (str, int, float, bool)


class Section:
    """A TOML table that knows its place: takes keys of one type, refuses what is left over."""

    def __init__(self, data: Mapping[str, Any], place: str) -> None:
        self._data, self.place = dict(data), place

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        if key not in self._data:
            if default is None:
                raise TableError(f"{self.place}: the key {key!r} is missing")
            return default
        return of_type(self._data.pop(key), kind, self.place, key)

    def section(self, key: str) -> Section:
        return Section(self.take(key, dict, {}), f"{self.place}: [{key}]")

    def sections(self, key: str) -> list[Section]:
        rows = self.take(key, list, [])
        return [
            Section(of_type(row, dict, self.place, key), f"{self.place}: [[{key}]] {n + 1}")
            for n, row in enumerate(rows)
        ]

    def mapping(self, key: str, kind: type | tuple[type, ...]) -> dict[str, Any]:
        values = self.take(key, dict, {})
        return {k: of_type(v, kind, self.place, f"{key}.{k}") for k, v in values.items()}

    def listed(
        self, key: str, kind: type | tuple[type, ...], default: Any = None
    ) -> tuple[Any, ...]:
        values = self.take(key, list, default)
        return tuple(of_type(value, kind, self.place, key) for value in values)

    def keys(self) -> list[str]:
        return list(self._data)

    def end(self) -> None:
        if self._data:
            raise TableError(f"{self.place}: unknown key {', '.join(map(repr, self._data))}")


def of_type(value: Any, kind: type | tuple[type, ...], place: str, key: str) -> Any:
    """The value. Raises `TableError` naming `place` and `key` when it is of another type."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TableError(f"{place}: {key!r} has the wrong type: {value!r}")
    return value
