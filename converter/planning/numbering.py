"""Layer numbers: how many of each there are in a file, and the names that a pattern stands for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from converter.planning.scopes import layer_numbers
from converter.tables.patterns import placeholders
from converter.tables.table import Table

Numbers = Mapping[str, Sequence[int]]


def count_layers(names: Sequence[str], table: Table, prefix: str) -> dict[str, int]:
    """For each letter of `[layers]` one more than the highest number met.

    Where a name has two letters, those of the other's first layer count.
    """
    sources = {row.source for row in table.rows}
    return {
        letter: max(_count(names, prefix, sources, hole) for hole in _holes(table, letter))
        for letter in table.layers
    }


def _holes(table: Table, letter: str) -> list[str]:
    return [letter, *(last for last, of in table.last.items() if of == letter)]


def _count(names: Sequence[str], prefix: str, sources: Iterable[str], letter: str) -> int:
    hole = f"{{{letter}}}"
    highest = -1
    for source in sources:
        if hole not in source:
            continue
        for other in placeholders(source) - {letter}:
            source = source.replace(f"{{{other}}}", "0")
        before, after = (prefix + source).split(hole)
        # Fewer layers than tensors: a damaged name must not make the expected names outgrow the
        # file.
        for number in layer_numbers(names, before, after):
            highest = max(highest, min(number, len(names)))
    return highest + 1


def numbers_of(table: Table, layers: Mapping[str, int]) -> dict[str, Sequence[int]]:
    """The numbers that each letter stands for; of a letter with a `last`, all but that one."""
    numbers: dict[str, Sequence[int]] = {letter: range(n) for letter, n in layers.items()}
    for last, of in table.last.items():
        numbers[of] = range(layers[of] - 1)
        numbers[last] = range(layers[of] - 1, layers[of])
    return numbers


def expand(pattern: str, numbers: Numbers) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Every name a pattern stands for: `"a.{i}"` with `{"i": range(2)}` gives `"a.0"`, `"a.1"`."""
    letters = sorted(placeholders(pattern))
    for chosen in itertools.product(*(numbers[letter] for letter in letters)):
        which = dict(zip(letters, chosen, strict=True))
        yield fill(pattern, which), which


def fill(pattern: str, which: Mapping[str, int]) -> str:
    """The pattern with numbers in the place of its letters."""
    for letter, number in which.items():
        pattern = pattern.replace(f"{{{letter}}}", str(number))
    return pattern
