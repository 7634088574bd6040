"""Rows as aligned text; those of all layers together, as one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from converter.errors import safe

Row = tuple[str, ...]
LONGEST = 200  # characters of a cell: every row is as wide as the widest
NUMBER = re.compile(r"\d+")


def columns(rows: Sequence[Row]) -> Iterator[str]:
    """Rows as aligned text, two spaces between the columns, nothing at the end of a line.

    Cells are made safe for a terminal, and of long ones the beginning and the end are shown.
    """
    rows = [tuple(safe(_short(cell)) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()


def _short(cell: str) -> str:
    half = LONGEST // 2
    return cell if len(cell) <= LONGEST else f"{cell[:half]}…{cell[-half:]}"


def merged(rows: Sequence[Row], names: Sequence[int] = (0,)) -> list[tuple[Row, Sequence[Row]]]:
    """Rows that differ by layer numbers in the cells `names` alone, as one; and what is in it.

    `layer.0.bias` to `layer.11.bias` become `layer.{0…11}.bias`, where every number between is
    there and all other cells are the same. The order is that of the first row of each.
    """
    groups: dict[Row, list[Row]] = {}
    for row in rows:
        cells = (NUMBER.sub("{}", c) if n in names else c for n, c in enumerate(row))
        groups.setdefault(tuple(cells), []).append(row)
    found: list[tuple[Row, Sequence[Row]]] = []
    for group in groups.values():
        together = _together([[row[n] for n in names] for row in group])
        if together:
            new = dict(zip(names, together, strict=True))
            found.append((tuple(new.get(n, c) for n, c in enumerate(group[0])), group))
        else:
            found += [(row, [row]) for row in group]
    return found


def _together(group: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """One row of names for all of a group; None where they are not all that it stands for."""
    if len(group) == 1:
        return group[0]
    together, moving = [], []
    for cells in zip(*group, strict=True):
        places = [*zip(*([int(n) for n in NUMBER.findall(cell)] for cell in cells), strict=True)]
        values = [sorted({*numbers}) for numbers in places]
        texts = [*map(_range, values)]
        if "" in texts or math.prod(map(len, values)) != len(group):
            return None
        left = iter(texts)
        together.append(NUMBER.sub(lambda _, left=left: next(left), cells[0]))  # type: ignore[misc]
        moves = (numbers for numbers, met in zip(places, values, strict=True) if len(met) > 1)
        moving.append({tuple(n - numbers[0] for n in numbers) for numbers in moves})
    # The numbers of source and target go up together, each by one: else the pairs would not be told
    return together if all(steps == moving[0] for steps in moving) else None


def _range(values: Sequence[int]) -> str:
    """`{0…11}`, or the number alone; nothing where one between is not there."""
    if len(values) == 1:
        return str(values[0])
    return f"{{{values[0]}…{values[-1]}}}" if values[-1] - values[0] < len(values) else ""
