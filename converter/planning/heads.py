"""Which heads may be met, and which of them claim the same names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converter.tables.table import Head, Table


def chosen_heads(table: Table, config: Mapping[str, Any]) -> Iterator[Head]:
    """The heads that may be met: of two with the same names, the one that `config` asks for."""
    asked = {
        head.instead_of: head
        for head in table.heads
        if head.instead_of and all(config.get(k) == v for k, v in head.config.items())
    }
    for head in table.heads:
        if not head.instead_of:
            yield asked.get(head.name, head)


def shared_names(heads: list[Head]) -> Iterator[str]:
    """A line for each name that two heads have."""
    owner: dict[str, str] = {}
    for head in heads:
        for source in head.sources():
            if source in owner:
                yield f"{source} belongs to two heads, {owner[source]} and {head.name}"
            owner[source] = head.name
