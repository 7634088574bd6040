"""index × table: which tensor is which, and every reason why a file is not of a family.

Only names and shapes are looked at. Nothing is guessed: a file fits when every one of its tensors
is accounted for and none is missing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from converter.params import Index, TensorEntry
from converter.table import Head, Known, Row, Table, Target, placeholders
from converter.verbs import VERBS

MAX_DIGITS = 9  # of a layer number; a longer one is no layer

LISTED = 20  # problems of one kind that are spelled out; the rest is counted


@dataclass(frozen=True)
class Match:
    """One row met in the file: `pattern` is the target as the table has it, `target` expanded."""

    verb: str
    source: TensorEntry
    pattern: str
    target: str


@dataclass(frozen=True)
class Fit:
    """How a table fits an index. `problems` is empty when it fits whole.

    `sizes` are config fields read off shapes and layer numbers; `tied` pairs a second name with
    the tensor it must equal; `dropped` gives the table's reason for every source left out.
    """

    table: Table
    index: Index
    prefix: str
    heads: tuple[Head, ...]
    target: Target | None
    matches: tuple[Match, ...]
    tied: tuple[tuple[TensorEntry, TensorEntry], ...]
    dropped: Mapping[str, str]
    layers: Mapping[str, int]
    sizes: Mapping[str, int]
    known: Known | None
    problems: tuple[str, ...]

    @property
    def accounted(self) -> int:
        """How many tensors of the file the table explains."""
        return len(self.matches) + len(self.tied) + len(self.dropped)


def fit(index: Index, table: Table) -> Fit:
    """Try every prefix of the table; the one that explains most of the file is the answer."""
    fits = [_Attempt(index, table, prefix).result() for prefix in table.prefixes]
    return max(fits, key=lambda f: (f.accounted, -len(f.problems)))


def expand(pattern: str, layers: Mapping[str, int]) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Every name a pattern stands for: `"a.{i}"` with `{"i": 2}` gives `"a.0"`, `"a.1"`."""
    letters = placeholders(pattern)
    if not letters:
        yield pattern, {}
        return
    (letter,) = letters
    for number in range(layers[letter]):
        yield pattern.replace(f"{{{letter}}}", str(number)), {letter: number}


class _Attempt:
    """One prefix tried on one file."""

    def __init__(self, index: Index, table: Table, prefix: str) -> None:
        self.index, self.table, self.prefix = index, table, prefix
        self.names = index.tensors
        self.layers = {letter: self._count(letter) for letter in table.layers}
        self.second_names = {
            self._named(second, head): self._named(first, None)
            for head in table.heads
            for second, first in head.tied.items()
        }
        self.stand_ins = {
            first: second
            for second, first in self.second_names.items()
            if first not in self.names and second in self.names
        }

    def _named(self, pattern: str, head: Head | None) -> str:
        return pattern if head and head.outer else self.prefix + pattern

    def _count(self, letter: str) -> int:
        """One more than the highest layer number met, as far as the file can hold that many."""
        hole = f"{{{letter}}}"
        highest = -1
        for pattern in {row.source for row in self.table.rows if hole in row.source}:
            before, after = (self.prefix + pattern).split(hole)
            for name in self.names:
                if name.startswith(before) and name.endswith(after):
                    number = name[len(before) : len(name) - len(after)]
                    # Canonical numbers only, and fewer layers than tensors: a damaged name must
                    # not make the expected names outgrow the file.
                    if not (number.isascii() and number.isdigit()):
                        continue
                    if len(number) <= MAX_DIGITS and number == str(int(number)):
                        highest = max(highest, min(int(number), len(self.names)))
        return highest + 1

    def result(self) -> Fit:
        matches, missing = self._match(self.table.rows, None)
        heads = [head for head in self.table.heads if not self._match(head.rows, head)[1]]
        for head in heads:
            matches += self._match(head.rows, head)[0]
        tied = tuple(self._tied(heads))
        dropped = {
            name: reason
            for pattern, reason in self.table.drop.items()
            for name, _ in expand(self.prefix + pattern, self.layers)
            if name in self.names
        }
        accounted = (
            {m.source.name for m in matches} | {second.name for second, _ in tied} | {*dropped}
        )
        extra = [name for name in self.names if name not in accounted]
        sizes, wrong = _sizes(self.table, matches, self.layers)
        wrong += [
            f"wrong shape: {second.name} is {second.dtype.name} {second.shape}, but must equal "
            f"{first.name}: {first.dtype.name} {first.shape}"
            for second, first in tied
            if (second.shape, second.dtype) != (first.shape, first.dtype)
        ]
        target = self._target(heads)
        shared = [*_shared(heads)]
        problems = [
            *_listed(missing, lambda name: f"missing: {name}"),
            *self._extra(extra),
            *shared,
            *([] if shared else _listed(wrong, str)),  # shapes that two heads claim are no news
        ]
        if not problems:
            problems = [*self._no_target(target, heads)]
        return Fit(
            self.table,
            self.index,
            self.prefix,
            heads=tuple(heads),
            target=target,
            matches=tuple(matches),
            tied=tied,
            dropped=dropped,
            layers=self.layers,
            sizes=sizes,
            known=_known(self.table, sizes),
            problems=tuple(problems),
        )

    def _match(self, rows: Iterable[Row], head: Head | None) -> tuple[list[Match], list[str]]:
        matches, missing = [], []
        for row in rows:
            for source, numbers in expand(self._named(row.source, head), self.layers):
                source = self.stand_ins.get(source, source)
                if source in self.names:
                    target = row.target
                    for letter, number in numbers.items():
                        target = target.replace(f"{{{letter}}}", str(number))
                    matches.append(Match(row.verb, self.names[source], row.target, target))
                else:
                    missing.append(source)
            if placeholders(row.source) and not any(
                self.layers[p] for p in placeholders(row.source)
            ):
                missing.append(self._named(row.source, head))
        return matches, missing

    def _tied(self, heads: Iterable[Head]) -> Iterator[tuple[TensorEntry, TensorEntry]]:
        for head in heads:
            for second, first in head.tied.items():
                second, first = self._named(second, head), self._named(first, None)
                if second in self.names and first in self.names:
                    yield self.names[second], self.names[first]

    def _extra(self, extra: list[str]) -> Iterator[str]:
        """Tensors of a head that is not whole are explained by what the head lacks."""
        left = set(extra)
        tried = [(head, *self._match(head.rows, head)) for head in self.table.heads]
        for head, matches, missing in sorted(tried, key=lambda t: len(t[2])):  # nearest first
            own = {m.source.name for m in matches} | {self._named(s, head) for s in head.tied}
            if missing and own & left and len(missing) < len(head.rows):
                left -= own
                lacking = ", ".join(missing)
                yield f"missing: {lacking} (the head {head.name!r} is there in part, not whole)"
        unexplained = [name for name in extra if name in left]
        yield from _listed(unexplained, lambda n: f"extra: {n}, which no row of the table takes")

    def _target(self, heads: Iterable[Head]) -> Target | None:
        found = frozenset(head.name for head in heads)
        return next((t for t in self.table.targets if t.heads == found), None)

    def _no_target(self, target: Target | None, heads: list[Head]) -> Iterator[str]:
        if target is None:
            found = " and ".join(head.name for head in heads) or "no head"
            yield f"the file holds {found}: no Transformers class of the table has just that"


def _shared(heads: list[Head]) -> Iterator[str]:
    owner: dict[str, str] = {}
    for head in heads:
        for row in head.rows:
            if row.source in owner:
                yield f"{row.source} belongs to two heads, {owner[row.source]} and {head.name}"
            owner[row.source] = head.name


def _listed(items: list[str], text: Callable[[str], str]) -> Iterator[str]:
    for item in items[:LISTED]:
        yield text(item)
    if len(items) > LISTED:
        yield f"… and {len(items) - LISTED} more like it"


def _sizes(
    table: Table, matches: list[Match], layers: Mapping[str, int]
) -> tuple[dict[str, int], list[str]]:
    """Config fields by majority of the shapes, and a line for each tensor that disagrees."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    shapes: list[tuple[Match, tuple[int, ...]]] = []
    wrong = []
    for match in matches:
        try:
            shape = VERBS[match.verb].target_shape(match.source.shape)
        except ValueError as error:
            wrong.append(f"wrong shape: {match.source.name} is {match.source.shape}: {error}")
            continue
        pattern = table.sizes[match.pattern]
        if len(shape) != len(pattern):
            wrong.append(
                f"wrong shape: {match.source.name} is {match.source.shape}, "
                f"expected {len(pattern)} dimensions"
            )
            continue
        shapes.append((match, shape))
        for field, size in zip(pattern, shape, strict=True):
            if isinstance(field, str):
                votes[field][size] += 1
    sizes = {field: counts.most_common(1)[0][0] for field, counts in votes.items()}
    for match, shape in shapes:
        pattern = table.sizes[match.pattern]
        if 0 in shape:
            wrong.append(f"wrong shape: {match.source.name} is empty: {match.source.shape}")
            continue
        expected = tuple(sizes[f] if isinstance(f, str) else f for f in pattern)
        if shape != expected:
            wanted = ", ".join(f"{f} = {e}" for f, e in zip(pattern, expected, strict=True))
            wrong.append(
                f"wrong shape: {match.source.name} makes {shape}, expected {expected} ({wanted})"
            )
    return sizes | {table.layers[letter]: n for letter, n in layers.items()}, wrong


def _known(table: Table, sizes: Mapping[str, int]) -> Known | None:
    """The published model whose sizes these are: every size it states must agree."""
    for known in table.known:
        stated = known.config.keys() & sizes.keys()
        if stated and all(known.config[name] == sizes[name] for name in stated):
            return known
    return None
