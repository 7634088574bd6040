"""An index of name-scope names → the same index under a table's structural names."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from converter.errors import PlanError
from converter.params import Index
from converter.scopes.rules import (
    VERSIONS,
    Name,
    class_of,
    classes,
    layer_numbers,
    spelled,
)
from converter.table import Head, Table, placeholders

KINDS = ("arg:", "aux:")  # MXNet 1.9.1 python/mxnet/gluon/block.py, HybridBlock.export
BLOCK_WORDS = {"encoder": "an encoder", "model": "a model"}


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
class Renamed:
    """An index whose keys are structural names; each entry keeps the name that the file has.

    A tensor that no structural name gives stands under its own name. `version` is a key of
    `VERSIONS`, or None when the names do not tell; `expected` says what a structural name that the
    file lacks would be in it.
    """

    index: Index
    version: str | None
    expected: Mapping[str, str]


def structural(index: Index, table: Table) -> Renamed | None:
    """`index` under the structural names of `table`; None when there is nothing to translate.

    Raises `PlanError`, with the candidates, when the names can be read in more than one way.
    """
    own = {_without_kind(name): name for name in index.tensors}
    if len(own) < len(index.tensors):
        twice = sorted(n for n in own if sum(_without_kind(o) == n for o in index.tensors) > 1)
        raise PlanError(f"{index.path}: names that are one without arg: and aux::", twice)
    if _is_structural(own, table):
        if own.keys() == index.tensors.keys():
            return None
        return Renamed(_under(index, {}, own), None, {})
    return _Scopes(index, own, table).result()


def _without_kind(name: str) -> str:
    kind = next((kind for kind in KINDS if name.startswith(kind)), "")
    return name.removeprefix(kind)


def _under(index: Index, keys: Mapping[str, str], own: Mapping[str, str]) -> Index:
    """The index with other keys: `own` is bare name → name in the file, `keys` bare name → key."""
    tensors = {keys.get(bare, bare): index.tensors[name] for bare, name in own.items()}
    return dataclasses.replace(index, tensors=tensors)


def _is_structural(own: Iterable[str], table: Table) -> bool:
    """Whether one of the names is the table's as it stands."""
    for prefix in table.prefixes:
        for pattern, head in _patterns(table):
            name = pattern if head and head.outer else prefix + pattern
            if not placeholders(name):
                if name in own:
                    return True
                continue
            before, _, after = name.partition("{")
            if any(True for _ in layer_numbers(own, before, after.partition("}")[2])):
                return True
    return False


def _patterns(table: Table) -> Iterator[tuple[str, Head | None]]:
    yield from ((row.source, None) for row in table.rows)
    for head in table.heads:
        yield from ((source, head) for source in head.sources())


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


class _Scopes:
    """One table tried on one file: `own` is bare name → name in the file."""

    def __init__(self, index: Index, own: Mapping[str, str], table: Table) -> None:
        self.index, self.own, self.table = index, own, table
        rows = [spelled(row.source) for row in table.rows]
        self.spellable = None not in rows  # else it is a table of one's own for other classes
        self.rows = [name for name in rows if name]
        self.heads: list[tuple[Head, list[Name]]] = []
        for head in table.heads:
            names = [spelled(source, head) for source in head.sources()]
            if None not in names:
                self.heads.append((head, [name for name in names if name]))
        self.left = dict.fromkeys(own)  # names that nothing explains yet, in the file's order
        self.problems: list[str] = []

    def result(self) -> Renamed | None:
        self.prefixes = {block: self._prefix(block) for block in BLOCK_WORDS}
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
        return self._renamed([*found, *more], missing)

    def _refuse_problems(self) -> None:
        if self.problems:
            raise PlanError(
                f"{self.index.path}: its names can be read in more than one way:", self.problems
            )

    def _prefix(self, block: str) -> str | None:
        """The prefix behind which all of a block's names stand, or else most of them."""
        needed = [n for n in self.rows if n.block == block and n.is_whole]
        hits: dict[str, set[str]] = {}
        for name in needed:
            for prefix in name.prefixes(self.own):
                hits.setdefault(prefix, set()).add(name.pattern)
        whole = [prefix for prefix, patterns in hits.items() if len(patterns) == len(needed)]
        if len(whole) > 1:
            self.problems.append(
                f"more than one model is in it: each of {', '.join(map(repr, sorted(whole)))} "
                f"begins the names of {BLOCK_WORDS[block]}; save the one that you mean by itself"
            )
        # a layer has names like its encoder's, behind a longer prefix
        return max(whole or hits, key=lambda p: (len(hits[p]), -len(p)), default=None)

    def _last_layers(self) -> dict[str, int]:
        """The highest layer number met for each letter, as far as the file can hold that many."""
        last = dict.fromkeys(["", *self.table.layers], -1)
        for name in self.rows:
            prefix = self.prefixes.get(name.block)
            for spelling in name.spellings if prefix is not None else ():
                if spelling.after is not None:
                    begin = f"{prefix}{spelling.before}"
                    for number in layer_numbers(self.own, begin, spelling.after):
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
                same = [r for r in same if class_of(r.prefix)] or same
                same = [r for r in same if self._has_target(r.head, chosen, whole)] or same
                if len({_meaning(r.head) for r in {r.keys: r for r in same}.values()}) > 1:
                    self.problems.append(_undecided(same))
            chosen.add(same[0].head.name)
            self._take(same[0].found)
            yield same[0]  # of two with the same meaning: the table's first

    def _readings(self) -> Iterator[_Reading]:
        """Every head, behind every prefix that it may have, of which something is left."""
        for head, names in self.heads:
            prefixes: Iterable[str | None] = [None]
            if head.outer:
                prefixes = dict.fromkeys(p for n in names for p in n.prefixes(self.left))
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
        return any(needed <= t.heads <= needed | others for t in self.table.targets)

    def _renamed(self, found: list[_Match], missing: list[_Match]) -> Renamed:
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
        kind = KINDS[0] if all(n.startswith(KINDS) for n in self.index.tensors) else ""
        expected = {
            key_of(match): kind
            + next((o for o, v in match.spellings.items() if v == version), match.own)
            for match in missing
        }
        return Renamed(
            _under(self.index, {own: key for key, own in owners.items()}, self.own),
            version,
            expected,
        )


def _meaning(head: Head) -> object:
    """What becomes of the tensors of a head: the same for one with and without dropout."""
    return tuple(dataclasses.replace(row, source="") for row in head.rows)


def _undecided(readings: list[_Reading]) -> str:
    heads = ", ".join(f"{r.head.name} ({r.found[0].key})" for r in readings)
    names = ", ".join(sorted(readings[0].own))
    return (
        f"{names}: the prefix {readings[0].prefix!r} is no class of GluonNLP's, and several heads "
        f"have such names: {heads}; give them the prefix of the class (load_params, save_params), "
        "such as bertclassifier0_, bertforqa0_ or berttagger0_"
    )
