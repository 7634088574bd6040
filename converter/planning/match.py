"""index × table: which tensor is which, and every reason why a file is not of a family.

Only names and shapes are looked at. Nothing is guessed: a file fits when every one of its tensors
is accounted for and none is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from converter.errors import PlanError
from converter.params import Index
from converter.planning.attempt import Attempt, listed
from converter.planning.attempt import Choice as Choice
from converter.planning.attempt import Match as Match
from converter.planning.scopes import Renamed, structural
from converter.tables.patterns import placeholders
from converter.tables.table import Part, Table
from converter.tables.unsupported import outsized

NOTHING = Choice()
MODELS = 4  # that are tried in one network


def match_table(index: Index, table: Table, choice: Choice = NOTHING) -> Match:
    """Try every prefix of the table; the one that explains most of the file is the answer."""
    if problem := outsized(index):
        return Match(table, index, (problem,))
    part, use = choice.part, choice.use
    try:
        found = structural(index, table, use, heads=not choice.backbone)
        names = found or Renamed(index, None, {})
    except PlanError as error:
        return Match(table, index, tuple(listed([*error.problems], str)), undecided=True)
    parts = [one for one in table.parts if part in (None, one.name) and _may_have(names, one)]
    prefixes = [*_prefixes(names, table, choice)]
    if not prefixes:
        lacking = f"no model of the family {table.name} is in it, behind any prefix"
        return Match(table, index, (lacking,))
    fits = [
        Attempt(names, table, prefix, choice, one).result()
        for one in (None, *parts)
        for prefix in prefixes
    ]
    models = {f.prefix: f for f in fits if choice.backbone and not f.problems}
    if len(models) > 1:
        told = " or ".join(f"--prefix {prefix or repr(prefix)}" for prefix in models)
        several = f"several models are in it: say which with {told}"
        return replace(next(iter(models.values())), problems=(several,))
    whole = {f.part: f for f in fits if f.part and not f.problems}
    if len(whole) > 1:
        several = f"the file holds several models: choose with --part {' or '.join(whole)}"
        return replace(next(iter(whole.values())), problems=(several,))
    aside = len if choice.backbone else lambda _: 0  # what is set aside explains nothing
    return max(fits, key=lambda f: (f.accounted - aside(f.exported), -len(f.problems)))


def _prefixes(names: Renamed, table: Table, choice: Choice) -> Iterator[str]:
    """The table's; in a network of one's own, all that a tensor of every such model has."""
    if not choice.backbone:
        yield from table.prefixes
    elif choice.prefix is not None:
        yield choice.prefix
    else:
        own = [row.source for row in table.rows if not placeholders(row.source)]
        there = names.index.tensors if own else {}
        found = (name.removesuffix(own[0]) for name in there if name.endswith(own[0]))
        most = (p for p in found if 2 * sum(p + name in there for name in own) > len(own))
        by_scopes = any(key != entry.name for key, entry in names.index.tensors.items())
        yield from dict.fromkeys([*(table.prefixes if by_scopes else ()), *islice(most, MODELS)])


def _may_have(names: Renamed, part: Part) -> bool:
    return any(name.startswith(part.prefix) for name in names.index.tensors)
