"""Tables as lines for a person to read."""

from __future__ import annotations

from collections.abc import Iterator

from converter.report.columns import columns
from converter.tables.rows import Row
from converter.tables.table import Table


def table_lines(table: Table) -> Iterator[str]:
    """A table as two columns, heads and parts apart."""
    yield f"{table.name}: {table.title}"
    rows = [line for row in table.rows for line in _row_lines(row)]
    rows += [("(zeros)", target) for target in table.zeros]
    rows += [(second, f"(equals {first})") for second, first in table.tied.items()]
    rows += [(source, f"(left out: {reason})") for source, reason in table.drop.items()]
    rows += [(source, f"(all zeros, left out: {reason})") for source, reason in table.zero.items()]
    for head in table.heads:
        instead = f" (instead of {head.instead_of})" if head.instead_of else ""
        rows += [("", ""), (f"head {head.name}{instead}:", "")]
        rows += [line for row in head.rows for line in _row_lines(row)]
        rows += [(source, "(exported under its own name)") for source in head.export]
        rows += [(second, f"(equals {first})") for second, first in head.tied.items()]
        if head.absent:
            rows += [("(identity, without the head)", target) for target in head.absent.identity]
            rows += [("(zeros, without the head)", target) for target in head.absent.zeros]
    for part in table.parts:
        rows += [("", ""), (f"part {part.name} (names begin with {part.prefix}):", "")]
        rows += [(f"{second}…", f"(equals {first}…)") for second, first in part.tied.items()]
        rows += [(f"{start}…", f"(left out: {reason})") for start, reason in part.drop.items()]
        rows += [(f"{start}…", "(exported under its own name)") for start in part.export]
    yield from columns([("GluonNLP", "Transformers"), *rows])
    yield ""
    for known in table.known:
        yield f"known: {known.name}: " + ", ".join(f"{k} = {v}" for k, v in known.config.items())


def _row_lines(row: Row) -> Iterator[tuple[str, str]]:
    how = "" if row.operation == "copy" else f" ({row.operation.replace('_', ' ')})"
    for number, target in enumerate(row.targets):
        yield ("" if number else row.source), target + how
