"""One prefix of a table tried on one file: what is matched, and why it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from converter.params import TensorEntry
from converter.planning.fit import Choice, Match
from converter.planning.heads import chosen_heads, shared_names
from converter.planning.scopes import Renamed, without_kind
from converter.planning.shapes import RowMatch, count_layers, known_model, read_sizes, unequal_sizes
from converter.tables.patterns import expand, fill, numbers_of, outgrows, placeholders
from converter.tables.rows import Row
from converter.tables.table import Head, Part, Table, Target

LISTED = 4  # problems of one kind that are spelled out; the rest is counted


class Attempt:
    """One prefix tried on one file."""

    def __init__(
        self,
        renamed: Renamed,
        table: Table,
        prefix: str,
        choice: Choice,
        part: Part | None = None,
    ) -> None:
        self.part, self.outer = part, part.prefix if part else ""
        prefix = self.outer + prefix
        self.renamed, self.table, self.prefix = renamed, table, prefix
        self.names = renamed.index.tensors
        self.backbone, self.use = choice.backbone, choice.use
        self.heads = [
            head
            for head in chosen_heads(table, choice.config)
            if not (self.backbone and head.outer)
        ]
        self.layers = count_layers([*self.names], table, prefix)
        self.numbers = numbers_of(self.layers, table.last)
        self.second_names = dict(self._ties(self.heads))
        self.stand_ins = {
            first: second
            for second, first in self.second_names.items()
            if first not in self.names and second in self.names
        }

    def _named(self, pattern: str, head: Head | None) -> str:
        return (self.outer if head and head.outer else self.prefix) + pattern

    def _ties(self, heads: Iterable[Head]) -> Iterator[tuple[str, str]]:
        """Second name, first name: of the table itself, and of some heads."""
        for second, first in self.table.tied.items():
            yield self.prefix + second, self.prefix + first
        for head in heads:
            for second, first in head.tied.items():
                yield self._named(second, head), self._named(first, None)
        for second, first in self.part.tied.items() if self.part else ():
            for name in self.names:
                if name.startswith(second):
                    yield name, first + name.removeprefix(second)

    def result(self) -> Match:
        matches, missing = self._match(self.table.rows, None)
        heads = [head for head in self.heads if not self._missing(head)]
        for head in heads:
            matches += self._match(head.rows, head)[0]
        target = self._target(heads)
        in_file = {entry: number for number, entry in enumerate(self.names.values())}
        beside = {
            source.name: source
            for head in heads
            if target and head.name in target.export
            for source in (
                *sorted(
                    (m.source for m in self._match(head.rows, head)[0]), key=in_file.__getitem__
                ),
                *(self.names[name] for name in self._exports(head)),
            )
        }
        beside |= {entry.name: entry for entry in self._around()}
        matches = [match for match in matches if match.source.name not in beside]
        tied = tuple(self._tied(heads))
        zero = self._left_out(self.table.zero)
        dropped = self._left_out(self.table.drop) | zero | dict(self._of_other_parts())
        accounted = {m.source.name for m in matches} | {second.name for second, _ in tied}
        accounted |= {*dropped, *beside}
        extra = [entry.name for entry in self.names.values() if entry.name not in accounted]
        around = frozenset[str]()
        if self.backbone:
            inside = {self.names[key].name for key in self.names if self._is_inside(key)}
            around = frozenset(extra) - inside
            beside |= {e.name: e for e in self.names.values() if e.name in around}
            extra = [name for name in extra if name in inside]
        absent = tuple(head for head in self.heads if head.absent and head not in heads)
        sizes, wrong = read_sizes(self.table, matches, self.layers)
        wrong += [
            f"wrong shape: {second.name} is {second.dtype.name} {second.shape}, but must equal "
            f"{first.name}: {first.dtype.name} {first.shape}"
            for second, first in tied
            if (second.shape, second.dtype) != (first.shape, first.dtype)
        ]
        shared = [*shared_names(heads)]
        problems = [
            *listed(missing, lambda name: f"missing: {self._told(name)}"),
            *self._extra(extra),
            *shared,
            *([] if shared else listed(wrong, str)),  # shapes that two heads claim are no news
        ]
        if not problems:
            problems = [*unequal_sizes(heads, absent, sizes)]
        if not problems:
            problems = [*self._no_target(target, heads)]
        asked = [] if problems else [*self._asked(heads)]
        return Match(
            self.table,
            self.renamed.index,
            tuple(problems or asked),
            prefix=self.prefix,
            heads=tuple(heads),
            absent=absent,
            target=target,
            rows=tuple(matches),
            tied=tied,
            exported=tuple(beside.values()),
            dropped=dropped,
            zero=tuple(entry for entry in self.names.values() if entry.name in zero),
            numbers=self.numbers,
            sizes=sizes,
            known=known_model(self.table, sizes),
            export_reason=" ".join(self._reasons(target, around)),
            version=self.renamed.version,
            undecided=bool(asked),
            part=self.part.name if self.part else None,
            backbone=self.backbone,
            around=around,
            begin=",".join(self.renamed.scopes) or self.prefix,
            read_as=self._read_as(heads),
        )

    def _is_inside(self, key: str) -> bool:
        """Whether a tensor is one of the model's own: nothing of these is set aside.

        It begins as the others do. Where these begin with nothing, nothing tells, and every tensor
        counts as the model's.
        """
        if self.renamed.scopes:
            return without_kind(self.names[key].name).startswith(self.renamed.scopes)
        return key.startswith(self.prefix)

    def _of(self, head: Head) -> Iterator[str]:
        """The classes of GluonNLP that give a head its names, in a file that has them here."""
        if head.name in self.renamed.named:
            yield from head.of
        elif not self.renamed.scopes:
            begin = self.prefix.removeprefix(self.outer)
            yield from (name for name, prefix in head.of.items() if prefix == begin)

    def _read_as(self, heads: Iterable[Head]) -> str | None:
        """The class that has them all, unless the user said what one is for."""
        told = [h for h in heads if h.outer and h.of and not (h.use and h.use == self.use)]
        classes = [[*self._of(head)] for head in told]
        common = (name for name in classes[0] if all(name in c for c in classes)) if told else ()
        return next(iter(common), None)

    def _asked(self, heads: Iterable[Head]) -> Iterator[str]:
        """Heads whose names no class of GluonNLP has around such a model: only the author knows."""
        for head in heads:
            if head.use and head.of and self.use != head.use and not [*self._of(head)]:
                names = ", ".join(self.names[self._named(n, head)].name for n in head.sources())
                uses = " or ".join(f"--head {use}" for use in uses_of(self.table))
                begin = f"beside {self.prefix!r}" if self.prefix else "beside such a model"
                yield (
                    f"{names}: no class of GluonNLP's has such a head {begin}: say what it is for, "
                    f"with {uses}"
                )

    def _told(self, name: str) -> str:
        """A structural name that is missing, and what it would be in a file of other names."""
        own = self.renamed.expected.get(name)
        return f"{name} (here it would be {own})" if own else name

    def _match(self, rows: Iterable[Row], head: Head | None) -> tuple[list[RowMatch], list[str]]:
        matches, missing = [], []
        for row in rows:
            for source, numbers in expand(self._named(row.source, head), self.numbers, self.names):
                source = self.stand_ins.get(source, source)
                if source not in self.names:
                    missing.append(source)
                    continue
                for part, pattern in enumerate(row.targets):
                    target = fill(pattern, numbers)
                    entry = self.names[source]
                    matches.append(
                        RowMatch(row.operation, entry, pattern, target, part, row.number)
                    )
            counted = [self.table.last.get(letter, letter) for letter in placeholders(row.source)]
            outgrown = outgrows(row.source, self.numbers, self.names)
            if outgrown or not all(self.layers[letter] for letter in counted):
                missing.append(self._named(row.source, head))
        return matches, missing

    def _left_out(self, reasons: Mapping[str, str]) -> dict[str, str]:
        return {
            self.names[name].name: reason
            for pattern, reason in reasons.items()
            for name, _ in expand(self.prefix + pattern, self.numbers, self.names)
            if name in self.names
        }

    def _of_other_parts(self) -> Iterator[tuple[str, str]]:
        for beginning, reason in self.part.drop.items() if self.part else ():
            for name, entry in self.names.items():
                if name.startswith(beginning):
                    yield entry.name, reason

    def _around(self) -> Iterator[TensorEntry]:
        """What is around the part in a larger network."""
        if self.part and self.part.export:
            for name, entry in self.names.items():
                if name.startswith(self.part.export):
                    yield entry

    def _reasons(self, target: Target | None, around: frozenset[str]) -> Iterator[str]:
        if around:
            yield "It is not of the model itself: --backbone sets it aside."
        if target and target.export:
            yield target.reason
        if self.part and any(self._around()):
            yield self.part.reason

    def _exports(self, head: Head) -> Iterator[str]:
        for pattern in head.export:
            named = self._named(pattern, head)
            yield from (name for name, _ in expand(named, self.numbers, self.names))

    def _tied(self, heads: Iterable[Head]) -> Iterator[tuple[TensorEntry, TensorEntry]]:
        for second, first in self._ties(heads):
            first = self.stand_ins.get(first, first)
            if second != first and second in self.names and first in self.names:
                yield self.names[second], self.names[first]

    def _extra(self, extra: list[str]) -> Iterator[str]:
        """Tensors of a head that is not whole are explained by what the head lacks."""
        left = set(extra)
        tried = [(head, self._missing(head)) for head in self.heads]
        for head, missing in sorted(tried, key=lambda t: len(t[1])):  # nearest first
            named = (self._named(name, head) for name in (*head.sources(), *head.tied))
            own = {self.names[name].name for name in named if name in self.names}
            if missing and own & left and len(missing) < len([*head.sources()]):
                left -= own
                lacking = ", ".join(map(self._told, missing))
                yield f"missing: {lacking} (the head {head.name!r} is there in part, not whole)"
        unexplained = [name for name in extra if name in left]
        table = self.table.name
        yield from listed(
            unexplained, lambda n: f"unexpected tensor {n}: no row of {table!r} matches it"
        )

    def _missing(self, head: Head) -> list[str]:
        _, missing = self._match(head.rows, head)
        others = [*self._exports(head)]
        if not head.rows and not head.export:
            others = [self._named(second, head) for second in head.tied]
        return missing + [name for name in others if name not in self.names]

    def _target(self, heads: Iterable[Head]) -> Target | None:
        found = frozenset(head.name for head in heads if not head.absent)
        return next((t for t in self.table.targets if t.heads | t.export == found), None)

    def _no_target(self, target: Target | None, heads: list[Head]) -> Iterator[str]:
        if target is None:
            found = " and ".join(head.name for head in heads) or "no head"
            yield f"the file holds {found}: no Transformers class of the table has just that"


def uses_of(table: Table) -> list[str]:
    """What a Dense on top of a model may be for, as `--head` says it."""
    return [*dict.fromkeys(head.use for head in table.heads if head.use)]


def listed(items: list[str], text: Callable[[str], str]) -> Iterator[str]:
    """A line for each item, as `text` says it; many are counted."""
    for item in items[:LISTED]:
        yield text(item)
    if len(items) > LISTED:
        yield f"… and {len(items) - LISTED} more like it"
