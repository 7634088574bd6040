"""index × table: which tensor is which, and every reason why a file is not of a family.

Only names and shapes are looked at. Nothing is guessed: a file fits when every one of its tensors
is accounted for and none is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from converter.errors import PlanError
from converter.params import Index
from converter.planning.attempt import Attempt, listed
from converter.planning.fit import Choice as Choice
from converter.planning.fit import Match as Match
from converter.planning.scopes import Renamed, first_meant, is_meant, models_within, structural
from converter.tables.patterns import placeholders
from converter.tables.table import Part, Table
from converter.tables.unsupported import outsized

NOTHING = Choice()


def match_table(index: Index, table: Table, choice: Choice = NOTHING) -> Match:
    """Try every prefix of the table; the one that explains most of the file is the answer."""
    if problem := outsized(index):
        return Match(table, index, (problem,))
    try:
        if choice.backbone:
            return _backbone(index, table, choice)
        names = structural(index, table, choice.use) or Renamed(index)
    except PlanError as error:
        return _undecided(index, table, error)
    part = choice.part
    parts = [one for one in table.parts if part in (None, one.name) and _may_have(names, one)]
    fits = [
        Attempt(names, table, prefix, choice, one).result()
        for one in (None, *parts)
        for prefix in table.prefixes
    ]
    if choice.use and all(fit.problems for fit in fits):
        fits += _with_head(names, table, choice)
    whole = {f.part: f for f in fits if f.part and not f.problems}
    if len(whole) > 1:
        several = f"the file holds several models: choose with --part {' or '.join(whole)}"
        return replace(next(iter(whole.values())), problems=(several,))
    return max(fits, key=lambda f: (f.accounted, -len(f.problems)))


def _with_head(names: Renamed, table: Table, choice: Choice) -> Iterator[Match]:
    """A model and one Dense under a name of one's own, which is what the user said it is."""
    heads = (head for head in table.heads if head.use == choice.use)
    head = next((head for head in heads if len([*head.sources()]) == 2), None)
    for prefix in _prefixes(names, table) if head and not names.scopes else ():
        tensors = names.index.tensors
        around = [key for key in tensors if not key.startswith(prefix)]
        if dense := _dense(around):
            keys = dict(zip(dense, head.sources(), strict=True)) if head else {}
            known = {keys.get(key, key): entry for key, entry in tensors.items()}
            index = replace(names.index, tensors=known)
            yield Attempt(Renamed(index), table, prefix, choice).result()


def _dense(names: Sequence[str]) -> tuple[str, str] | None:
    """Weight and bias, where these two are all."""
    ends = {name.rpartition(".")[2]: name for name in names}
    stems = {name.rpartition(".")[0] for name in names}
    found = len(names) == 2 and len(stems) == 1 and ends.keys() == {"weight", "bias"}
    return (ends["weight"], ends["bias"]) if found else None


def models_of(index: Index, table: Table, choice: Choice = NOTHING) -> list[Match]:
    """The models of the family in a network of one's own, each whole, what is around it set aside.

    choice: as for `match_table`; its `prefix` leaves those whose names begin so.
    """
    if outsized(index):
        return []
    try:
        return [f for f in _attempts(index, table, choice) if not f.problems]
    except PlanError:
        return []


def _backbone(index: Index, table: Table, choice: Choice) -> Match:
    attempts = _attempts(index, table, choice)
    whole = [fit for fit in attempts if not fit.problems]
    if len(whole) > 1:
        told = " or ".join(listed([f"--prefix {f.begin or repr('')}" for f in whole], str))
        return replace(whole[0], problems=(f"several models are in it: say which with {told}",))
    if not attempts:
        there = (
            f", behind {choice.prefix!r}" if choice.prefix is not None else ", behind any prefix"
        )
        return Match(table, index, (f"no model of the family {table.name} is in it{there}",))
    # what is set aside explains nothing
    return max(attempts, key=lambda f: (f.accounted - len(f.exported), -len(f.problems)))


def _attempts(index: Index, table: Table, choice: Choice) -> list[Match]:
    """Every model of the family that the user may mean, whole or not."""
    choice, told = replace(choice, backbone=True), choice.prefix
    fits = [
        Attempt(names, table, prefix, choice).result()
        for names in models_within(index, table, told)
        for prefix in (table.prefixes[:1] if names.scopes else _prefixes(names, table, told))
    ]
    begins = [fit.begin for fit in fits if not fit.problems]
    fits = [replace(f, others=tuple(b for b in begins if b != f.begin)) for f in fits]
    return [f for f in fits if told is None or is_meant(f.begin, told)]


def _prefixes(names: Renamed, table: Table, told: str | None = None) -> Iterable[str]:
    """What the names of each model begin with: more than half of what is not of a layer."""
    own = [row.source for row in table.rows if not placeholders(row.source)]
    found = Counter(
        name.removesuffix(end) for name in names.index.tensors for end in own if name.endswith(end)
    )
    most = [p for p, count in found.items() if 2 * count > len(own) and p[-1:] in ("", ".", ":")]
    return first_meant(most, str, told)


def _undecided(index: Index, table: Table, error: PlanError) -> Match:
    return Match(table, index, tuple(listed([*error.problems], str)), undecided=True)


def _may_have(names: Renamed, part: Part) -> bool:
    return any(name.startswith(part.prefix) for name in names.index.tensors)
