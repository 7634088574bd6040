"""An index of name-scope names → the same index under a table's structural names."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from converter.errors import PlanError
from converter.params import Index
from converter.planning.scopes.models import models_in
from converter.planning.scopes.rules import layer_numbers
from converter.planning.scopes.search import Search, UndecidedError
from converter.tables.patterns import placeholders
from converter.tables.table import Head, Table

KINDS = ("arg:", "aux:")  # MXNet 1.9.1 python/mxnet/gluon/block.py, HybridBlock.export


@dataclass(frozen=True)
class Renamed:
    """An index whose keys are structural names; each entry keeps the name that the file has.

    A tensor that no structural name gives keeps its own name. `version` is a key of
    `VERSIONS`, or None when the names do not tell; `expected` says what a structural name that the
    file lacks would be in it. `scopes` are the prefixes of the model's blocks in the file, none
    where its names are structural; `named` the heads whose own prefix is a class of GluonNLP's.
    """

    index: Index
    version: str | None = None
    expected: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()


def structural(index: Index, table: Table, use: str | None = None) -> Renamed | None:
    """`index` under the structural names of `table`; None when there is nothing to translate.

    `use`: what the user says of a head that no name tells.
    Raises `PlanError`, with the candidates, when the names can be read in more than one way.
    """
    own = _bare(index)
    if _is_structural(own, table):
        if own.keys() == index.tensors.keys():
            return None
        return Renamed(_under(index, {}, own))
    try:
        return _read(index, own, Search(own.keys(), table, use))
    except UndecidedError as error:
        raise _undecided(index, error.problems) from error


def models_within(index: Index, table: Table, told: str | None = None) -> list[Renamed]:
    """`index` for each model of `table` that a network of one's own may hold, heads aside.

    Where its names are structural, or nobody's, once, as it is. `told`: as for `models_in`.
    Raises `PlanError` when there are such models and the names of each can be read in several ways.
    """
    own = _bare(index)
    search = Search(own.keys(), table, outer=False)
    found, problems = list[Renamed | None](), list[str]()
    for scopes in models_in(search.rows, own, told) if search.spellable else ():
        try:
            found.append(_read(index, own, Search(own.keys(), table, outer=False, scopes=scopes)))
        except UndecidedError as error:
            problems += error.problems
    if problems and not found:
        raise _undecided(index, problems)
    return [renamed for renamed in found if renamed] or [Renamed(index)]


def _bare(index: Index) -> dict[str, str]:
    """Name without its kind → name in the file."""
    own = {without_kind(name): name for name in index.tensors}
    if len(own) < len(index.tensors):
        count = Counter(map(without_kind, index.tensors))
        twice = [name for name, times in count.items() if times > 1]
        raise PlanError(f"{index.path}: names that are one without arg: and aux::", twice)
    return own


def _read(index: Index, own: Mapping[str, str], search: Search) -> Renamed | None:
    found = search.findings()
    if found is None:
        return None
    kind = KINDS[0] if all(name.startswith(KINDS) for name in index.tensors) else ""
    expected = {key: kind + name for key, name in found.expected.items()}
    renamed = _under(index, found.keys, own)
    return Renamed(renamed, found.version, expected, found.scopes, found.named)


def _undecided(index: Index, problems: list[str]) -> PlanError:
    return PlanError(f"{index.path}: its names can be read in more than one way:", problems)


def without_kind(name: str) -> str:
    """A name without MXNet's `arg:` or `aux:`."""
    kind = next((kind for kind in KINDS if name.startswith(kind)), "")
    return name.removeprefix(kind)


def _under(index: Index, keys: Mapping[str, str], own: Mapping[str, str]) -> Index:
    """The index with other keys: `own` is bare name → name in the file, `keys` bare name → key."""
    tensors = {keys.get(bare, bare): index.tensors[name] for bare, name in own.items()}
    return dataclasses.replace(index, tensors=tensors)


def _is_structural(own: Iterable[str], table: Table) -> bool:
    """Whether one of the names is the table's, unchanged."""
    ordered = sorted(own)
    for prefix in table.prefixes:
        for pattern, head in _patterns(table):
            name = pattern if head and head.outer else prefix + pattern
            if not placeholders(name):
                if name in own:
                    return True
                continue
            before, _, after = name.partition("{")
            if any(True for _ in layer_numbers(ordered, before, after.partition("}")[2])):
                return True
    return False


def _patterns(table: Table) -> Iterator[tuple[str, Head | None]]:
    yield from ((row.source, None) for row in table.rows)
    for head in table.heads:
        yield from ((source, head) for source in head.sources())
