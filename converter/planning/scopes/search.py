"""Which name-scope name is which tensor of a table: found from the names alone."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from converter.params.diagnosis import listed
from converter.planning.scopes.models import BLOCK_WORDS, prefixes
from converter.planning.scopes.rules import (
    VERSIONS,
    Name,
    class_of,
    classes,
    layer_numbers,
    namesake,
    spelled,
)
from converter.tables.table import Head, Table


class UndecidedError(Exception):
    """Names that can be read in more than one way; `problems` lists the candidates."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(*problems)


@dataclass(frozen=True)
class Findings:
    """`keys`: name in the file → structural name; the rest as in `Renamed`."""

    keys: Mapping[str, str]
    version: str | None
    expected: Mapping[str, str]
    scopes: tuple[str, ...]
    named: frozenset[str]


@dataclass(frozen=True)
class _Match:
    """A tensor met, or one that is missing: `key` is its structural name without table prefix.

    `spellings`: the names met, or those that were looked for, each with the version it tells;
    more than one name met is a problem. All are bare of arg: and aux:.
    """

    key: str
    block: str
    spellings: Mapping[str, str | None]

    @property
    def own(self) -> str:
        return next(iter(self.spellings))


@dataclass(frozen=True)
class _Reading:
    """A head met behind a prefix, whole or in part."""

    head: Head
    prefix: str
    found: tuple[_Match, ...]
    missing: tuple[_Match, ...]

    @property
    def own(self) -> frozenset[str]:
        return frozenset(match.own for match in self.found)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(match.key for match in self.found)

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """A whole head before a part of one, the larger first, and the model's own first."""
        return not self.missing, len(self.found), not self.head.outer


class Search:
    """One table tried on one file, whose names, bare of arg: and aux:, are `own`.

    `use`: what the user says a head is for that no name tells (`--head`); `outer`: whether heads
    outside the model are looked for; `scopes`: the prefix of each block, one of `models_in`.
    """

    def __init__(
        self,
        own: Collection[str],
        table: Table,
        use: str | None = None,
        outer: bool = True,
        scopes: Mapping[str, str] | None = None,
    ) -> None:
        self.own, self.table, self.use, self.scopes = own, table, use, scopes or {}
        rows = [spelled(row.source) for row in table.rows]
        self.spellable = None not in rows  # else it is a table of one's own for other classes
        self.rows = [name for name in rows if name]
        self.heads: list[tuple[Head, list[Name]]] = []
        for head in (h for h in table.heads if outer or not h.outer):
            names = [spelled(source, head) for source in head.sources()]
            if None not in names:
                self.heads.append((head, [name for name in names if name]))
        self.left = dict.fromkeys(own)  # names that nothing explains yet, in the file's order
        self.problems: list[str] = []
        self.named: set[str] = set()

    def findings(self) -> Findings | None:
        """Which name is which tensor; None when nothing of the table is met.

        Raises `UndecidedError` when the names can be read in more than one way.
        """
        self.prefixes = {
            block: self.scopes.get(block) if self.scopes else self._prefix(block)
            for block in BLOCK_WORDS
        }
        if not self.spellable or self.prefixes == dict.fromkeys(BLOCK_WORDS):
            return None
        self._refuse_problems()
        self.last = self._last_layers()
        found, missing = self._look_for(self.rows, None)
        self._take(found)
        for reading in self._readings_that_fit():
            found += reading.found
            missing += reading.missing
        second_names = [spelled(source) for source in (*self.table.drop, *self.table.tied)]
        for head in self.table.heads:
            second_names += [spelled(source, head) for source in head.tied]
        more, _ = self._look_for([n for n in second_names if n and n.block != "head"], None)
        self._take(more)
        return self._findings([*found, *more], missing)

    def _refuse_problems(self) -> None:
        if self.problems:
            raise UndecidedError(self.problems)

    def _prefix(self, block: str) -> str | None:
        """The prefix that all of a block's names have, or else most of them."""
        whole, most = prefixes(self.rows, block, self.own)
        if len(whole) > 1:
            self.problems.append(
                f"more than one model is in it: each of {listed([*map(repr, sorted(whole))])} "
                f"begins the names of {BLOCK_WORDS[block]}; convert one of them with --prefix"
            )
        return most

    def _last_layers(self) -> dict[str, int]:
        """The highest layer number met for each letter, as far as the file can hold that many."""
        last = dict.fromkeys(["", *self.table.layers], -1)
        ordered = sorted(self.own)
        for name in self.rows:
            prefix = self.prefixes.get(name.block)
            for spelling in name.spellings if prefix is not None else ():
                if spelling.after is not None:
                    begin = f"{prefix}{spelling.before}"
                    for number in layer_numbers(ordered, begin, spelling.after):
                        last[name.letter] = max(last[name.letter], min(number, len(self.own)))
        return last

    def _look_for(
        self, names: Iterable[Name], prefix: str | None
    ) -> tuple[list[_Match], list[_Match]]:
        """What the file has of `names`, and what it lacks; `prefix` is the head's."""
        found: list[_Match] = []
        missing: list[_Match] = []
        last = max(self.last.values())
        for name in names:
            begin = prefix if name.block == "head" else self.prefixes[name.block]
            for number in range(self.last[name.letter] + 1) if name.letter else (0,):
                key = name.pattern.replace(f"{{{name.letter}}}", str(number))
                spellings = {
                    spelling.name("…" if begin is None else begin, number, last): spelling.version
                    for spelling in name.spellings
                }
                there = {own: version for own, version in spellings.items() if own in self.left}
                match = _Match(key, name.block, there or spellings)
                (found if there else missing).append(match)
        return found, missing

    def _take(self, found: Iterable[_Match]) -> None:
        for match in found:
            self.left.pop(match.own, None)
            if len(match.spellings) > 1:
                both = " and ".join(match.spellings)
                self.problems.append(f"{match.key} may be {both}; leave one of them")

    def _readings_that_fit(self) -> Iterator[_Reading]:
        """The heads that explain what is left: the one that explains most of it first."""
        readings = sorted(self._readings(), key=lambda reading: reading.rank, reverse=True)
        alike: dict[tuple[bool, frozenset[str]], list[_Reading]] = {}
        for reading in readings:
            alike.setdefault((not reading.missing, reading.own), []).append(reading)
        whole = {reading.head.name for reading in readings if not reading.missing}
        chosen: set[str] = set()
        for (is_whole, own), same in alike.items():
            if not own <= self.left.keys():
                continue
            if is_whole:
                told = [r for r in same if self.use and r.head.use == self.use]
                named = class_of(same[0].prefix) or not same[0].head.outer
                if told or named:  # else which of them it is would be a guess
                    same = told or same
                    same = [r for r in same if self._has_target(r.head, chosen, whole)] or same
                different = {r.keys: r for r in same}.values()
                unsure = not (told or named) and any(r.head.use for r in same)
                if unsure or len({_meaning(r.head, self.table) for r in different}) > 1:
                    self.problems.append(_undecided(same))
            chosen.add(same[0].head.name)
            if class_of(same[0].prefix):
                self.named.add(same[0].head.name)
            self._take(same[0].found)
            yield same[0]  # of two with the same meaning: the table's first

    def _readings(self) -> Iterator[_Reading]:
        """Every head, behind every prefix that it may have, of which something is left."""
        for head, names in self.heads:
            prefixes: Iterable[str | None] = [None]
            if head.outer:
                prefixes = dict.fromkeys(p for n in names for p, _ in n.prefixes(self.left))
            for prefix in prefixes:
                stated = class_of(prefix or "")
                if stated and head.outer and stated not in classes(head):
                    continue
                found, missing = self._look_for(names, prefix)
                if found and (stated or not missing or not head.outer):
                    yield _Reading(head, prefix or "", tuple(found), tuple(missing))

    def _has_target(self, head: Head, chosen: set[str], others: set[str]) -> bool:
        """Whether some class has the head, those chosen, and else only what may still be chosen."""
        needed = {head.name, *chosen}
        return any(needed <= t.heads | t.export <= needed | others for t in self.table.targets)

    def _findings(self, found: list[_Match], missing: list[_Match]) -> Findings:
        """The whole answer, once every name has one reading and every tensor one name."""
        outer = any(match.block == "head" for match in found)
        prefix = self.table.prefixes[:2][-1 if outer else 0]

        def key_of(match: _Match) -> str:
            return match.key if match.block == "head" else prefix + match.key

        owners: dict[str, str] = {}
        for match in found:
            key = key_of(match)
            if key in owners:
                both = f"{owners[key]} and {match.own}"
                self.problems.append(f"{key} may be {both}; leave one of them")
            owners[key] = match.own
        told = Counter(version for m in found for version in m.spellings.values() if version)
        if len(told) > 1:
            eras = " and ".join(VERSIONS[version] for version in sorted(told))
            self.problems.append(f"it has names as {eras} write them: one model has those of one")
        self._refuse_problems()
        version = next(iter(told), None)
        expected = {
            key_of(m): next((o for o, v in m.spellings.items() if v == version), m.own)
            for m in missing
        }
        keys = {own: key for key, own in owners.items()}
        scopes = tuple(p for p in self.prefixes.values() if p is not None)
        return Findings(keys, version, expected, scopes, frozenset(self.named))


def _meaning(head: Head, table: Table) -> object:
    """What becomes of the tensors of a head: the same for one with and without dropout."""
    rows = tuple(dataclasses.replace(row, source="") for row in head.rows)
    beside = tuple("".join(c for c in name if not c.isdigit()) for name in head.export)
    targets = [t for t in table.targets if head.name in t.heads | t.export]
    return rows, beside, frozenset(target.transformers_class for target in targets)


def _undecided(readings: list[_Reading]) -> str:
    names, prefix = ", ".join(sorted(readings[0].own)), readings[0].prefix
    uses = dict.fromkeys(f"--head {r.head.use}" for r in readings if r.head.use)
    heads = ", ".join(dict.fromkeys(r.head.name for r in readings))
    own = namesake(prefix)
    whose = f"may be GluonNLP's {own}, whose head no table knows" if own else ""
    whose = whose or "is no class of GluonNLP's"
    return f"{names}: the prefix {prefix!r} {whose}" + (
        f": say what it is for, with {' or '.join(uses)}"
        if uses
        else f", and several heads have such names ({heads}): give them the prefix of the "
        "class (load_params, save_params)"
    )
