"""What tables say about `model.yml`: TOML → `Statement`, and every mistake in one."""

from __future__ import annotations

from collections.abc import Iterator, Set

from converter.section import SCALAR, Section
from converter.table import Statement, Table


def parse_statements(section: Section) -> dict[str, Statement]:
    """`[model_config]`: the key of the YAML file, with its section, to what it says."""
    statements = {}
    for key in section.keys():
        entry = section.section(key)
        statements[key] = Statement(
            config=entry.take("config", str, ""),
            values=entry.mapping("values", SCALAR),
            scale=entry.take("scale", str, ""),
            scaled_by=entry.take("scaled_by", str, ""),
            plus=entry.take("plus", int, 0),
            only=entry.take("only", SCALAR) if "only" in entry.keys() else None,
            unused=entry.take("unused", str, ""),
        )
        entry.end()
    return statements


def statement_problems(table: Table, fields: Set[str]) -> Iterator[str]:
    """A line for everything about `[model_config]` that contradicts itself or the table."""
    heads = {head.name for head in table.heads}
    for key, statement in table.model_config.items():
        place = f"  - [model_config] {key!r}"
        ways = [bool(statement.config), statement.only is not None, bool(statement.unused)]
        if sum(ways) != 1:
            yield f"{place}: one of config, only and unused says what it is for"
        if statement.config and statement.config not in fields:
            yield f"{place}: nothing else tells {statement.config!r}"
        if not statement.config and (statement.values or statement.scale or statement.plus):
            yield f"{place}: values, scale and plus are those of a config field"
        if bool(statement.scale) != bool(statement.scaled_by):
            yield f"{place}: scale and scaled_by go together"
        if statement.scale and statement.scale not in table.model_config:
            yield f"{place}: there is no key {statement.scale!r}"
        if statement.scaled_by and statement.scaled_by not in heads:
            yield f"{place}: there is no head {statement.scaled_by!r}"
    for name, setting in table.arithmetic.settings.items():
        if setting.model_config and setting.model_config not in table.model_config:
            yield f"  - [arithmetic] {name}: [model_config] has no {setting.model_config!r}"
