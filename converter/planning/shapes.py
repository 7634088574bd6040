"""The sizes of a model, read off the shapes of its tensors, which must agree with one another."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from converter.operations import OPERATIONS
from converter.params import TensorEntry
from converter.planning.scopes import layer_numbers
from converter.tables.patterns import placeholders
from converter.tables.rows import More, Size, fields_of, size_of
from converter.tables.table import Head, Known, Table


@dataclass(frozen=True)
class RowMatch:
    """One target of a row met in the file: `pattern` as the table has it, `target` expanded.

    `part`: which of the row's targets it is; `number`: the row's argument.
    """

    operation: str
    source: TensorEntry
    pattern: str
    target: str
    part: int
    number: int


def read_sizes(
    table: Table, matches: list[RowMatch], layers: Mapping[str, int]
) -> tuple[dict[str, int], list[str]]:
    """Config fields by majority of the shapes, and a line for each tensor that disagrees."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    fitting: list[RowMatch] = []
    wrong = []
    for match in matches:
        operation, pattern = OPERATIONS[match.operation], table.sizes[match.pattern]
        try:
            shape = operation.target_shape(match.source.shape, match.number)
        except ValueError as error:
            wrong.append(f"wrong shape: {match.source.name} is {match.source.shape}: {error}")
            continue
        if len(shape) != len(pattern):
            dimensions = len(match.source.shape) + len(pattern) - len(shape)
            wrong.append(
                f"wrong shape: {match.source.name} is {match.source.shape}, "
                f"expected {dimensions} dimensions"
            )
            continue
        fitting.append(match)
        for field, size in zip(pattern, shape, strict=True):
            if isinstance(field, str) and size is not None:
                votes[field][size] += 1
            elif isinstance(field, More) and size is not None:
                votes[field.of][size - field.plus] += 1
    sizes = _most(votes)
    sizes |= _most(_divided(fitting, table, sizes))
    sizes |= {table.layers[letter]: n for letter, n in layers.items()}
    return sizes, wrong + [line for match in fitting for line in _disagrees(match, table, sizes)]


def _most(votes: Mapping[str, Counter[int]]) -> dict[str, int]:
    return {field: counts.most_common(1)[0][0] for field, counts in votes.items()}


def _divided(
    matches: list[RowMatch], table: Table, sizes: Mapping[str, int]
) -> Mapping[str, Counter[int]]:
    """Votes for fields that only products have: what the other factors leave of them."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for match in matches:
        shape = OPERATIONS[match.operation].target_shape(match.source.shape, match.number)
        for product, size in zip(table.sizes[match.pattern], shape, strict=True):
            unknown = [field for field in fields_of(product) if field not in sizes]
            if isinstance(product, tuple) and len(unknown) == 1 and size:
                known = [size_of(f, sizes) or 0 for f in product if f != unknown[0]]
                if (rest := math.prod(known)) and size % rest == 0:
                    votes[unknown[0]][size // rest] += 1
    return votes


def _disagrees(match: RowMatch, table: Table, sizes: Mapping[str, int]) -> Iterator[str]:
    """A line when the source's shape is not the one that makes the target the sizes ask for."""
    operation, name, pattern = (
        OPERATIONS[match.operation],
        match.source.name,
        table.sizes[match.pattern],
    )
    if 0 in match.source.shape:
        yield f"wrong shape: {name} is empty: {match.source.shape}"
        return
    wanted = [size_of(size, sizes) for size in pattern]
    if None in wanted:
        untold = [_spelt(s) for s, told in zip(pattern, wanted, strict=True) if told is None]
        names = ", ".join(untold)
        yield f"wrong shape: {name} is {match.source.shape}: no tensor determines {names}"
        return
    expected = tuple(size for size in wanted if size is not None)
    if operation.source_shape(expected, match.number) != match.source.shape:
        made = tuple(
            "?" if s is None else s
            for s in operation.target_shape(match.source.shape, match.number)
        )
        told = (f"{_spelt(f)} = {e}" for f, e in zip(pattern, expected, strict=True))
        why = ", ".join(dict.fromkeys(told))  # a square of one size says it once
        yield f"wrong shape: {name} makes {made}, expected {expected} ({why})"


def unequal_sizes(
    heads: Iterable[Head], absent: Iterable[Head], sizes: Mapping[str, int]
) -> Iterator[str]:
    """A line for each pair of sizes that must agree, since an optional head is there or is not."""
    for head in heads:
        for one, other in head.equal:
            if sizes.get(one) != sizes.get(other):
                names = ", ".join(head.sources())
                yield f"unexpected: {names}: {_differ(one, other, sizes)}"
    for head in absent:
        for one, other in head.absent.equal if head.absent else ():
            if sizes.get(one) != sizes.get(other):
                names = ", ".join(head.sources())
                yield f"missing: {names}: {_differ(one, other, sizes)}"


def known_model(table: Table, sizes: Mapping[str, int]) -> Known | None:
    """The published model whose sizes these are: every size it states must agree."""
    for known in table.known:
        stated = known.config.keys() & sizes.keys()
        if stated and all(known.config[name] == sizes[name] for name in stated):
            return known
    return None


def _differ(one: str, other: str, sizes: Mapping[str, int]) -> str:
    return f"{one} = {sizes.get(one)} and {other} = {sizes.get(other)} differ"


def _spelt(size: Size) -> str:
    if isinstance(size, More):
        return f"{size.of} + {size.plus}"
    return " × ".join(map(_spelt, size)) if isinstance(size, tuple) else str(size)


def count_layers(names: Sequence[str], table: Table, prefix: str) -> dict[str, int]:
    """For each letter of `[layers]` one more than the highest number met.

    Where a name has two letters, those of the other's first layer count.
    """
    sources = {row.source for row in table.rows}
    ordered = sorted(names)
    return {
        letter: max(_count(ordered, prefix, sources, hole) for hole in _holes(table, letter))
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
