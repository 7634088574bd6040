"""What tables say about `model.yml`: TOML → `Statement`, and every mistake in one."""

from __future__ import annotations

from collections.abc import Iterator, Set

from converter.tables.section import SCALAR, Section
from converter.tables.table import Statement, Table, Value


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
            models=_models(entry.section("models")),
            only=entry.take("only", SCALAR) if "only" in entry.keys() else None,
            unused=entry.take("unused", str, ""),
        )
        entry.end()
    return statements


def _models(section: Section) -> dict[str, dict[str, Value]]:
    models = {name: section.mapping(name, SCALAR) for name in section.keys()}
    section.end()
    return models


def statement_problems(table: Table, fields: Set[str]) -> Iterator[str]:
    """A line for everything about `[model_config]` that contradicts itself or the table."""
    heads = {head.name for head in table.heads}
    for key, statement in table.model_config.items():
        place = f"  - [model_config] {key!r}"
        ways = [bool(statement.config), bool(statement.models), bool(statement.unused)]
        if sum(ways) + (statement.only is not None) != 1:
            yield f"{place}: one of config, models, only and unused says what it is for"
        for model, values in statement.models.items():
            for name in sorted(values.keys() - fields):
                yield f"{place} {model}: nothing else tells {name!r}"
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
