"""What a table says: what should happen to each tensor of a family.

A table is data (`converter/tables/families/*.toml`, or a user's own file). The dataclasses here
are its format: `read.py` reads them by their type hints, and docs/tables.md is made of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from converter.tables.rows import RMS_NORM, Module, Modules, Row, Size, fields_of, said
from converter.tables.tokenizer_rule import TokenizerRule

Value = str | int | float | bool
Pairs = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Layer(Modules):
    """Modules of every layer: their names follow `from`, and those of the model `to`."""

    source: str = said("how the names in the file begin", key="from")
    target: str = said("how the names in the model begin", key="to")

    def modules(self) -> Iterator[tuple[str, str, Module]]:
        """Kind, name in the file, and what it becomes; both whole."""
        for kind, source, module in super().modules():
            targets = tuple(self.target + name for name in module.targets)
            yield kind, self.source + source, replace(module, targets=targets)


@dataclass(frozen=True, kw_only=True)
class Absent:
    """What follows where an optional head is not in the file."""

    equal: Pairs = said("pairs of sizes that must agree then", ())
    identity: tuple[str, ...] = said("targets that are the identity then", ())
    zeros: tuple[str, ...] = said("targets that are zero then", ())
    config: Mapping[str, Value] = said("config fields that follow", {})


@dataclass(frozen=True, kw_only=True)
class Head(Modules):
    """Tensors that a file has all or none of; it may be second names alone."""

    name: str = said("the name of its section")
    outer: bool = said("its names are outside the table's prefix", False)
    use: str = said("what --head calls it, where the names in a file are those of several", "")
    of: Mapping[str, str] = said(
        "class that has it, as a person would say it → how the names of the model begin in a file "
        "of that class; with other names, what the head is for is asked",
        {},
    )
    dropout: str = said(
        "the config field that is 0.0 where the head was built with dropout=0: there the "
        "Dropout blocks are absent, and the numbers in its names are 0, 1, …: a second head, "
        "`NAME_no_dropout`",
        "",
    )
    tied: Mapping[str, str] = said("second name → first name: equal, checked, stored once", {})
    config: Mapping[str, Value] = said("config fields that follow from it", {})
    export: tuple[str, ...] = said("names that no target has a place for: written beside it", ())
    instead_of: str = said(
        "another head with the same names: this one is taken when --config says what its config "
        "says",
        "",
    )
    equal: Pairs = said("pairs of sizes that must agree", ())
    absent: Absent | None = said("the head is optional: what follows where it is not there", None)

    def sources(self) -> Iterator[str]:
        """The names that make the head whole."""
        yield from (row.source for row in self.rows)
        yield from self.export
        if not self.rows and not self.export:
            yield from self.tied

    def without_dropout(self) -> Head:
        """The same, built with dropout=0."""
        names = [*(name for _, name, _ in self.modules()), *self.export]
        numbers = sorted({int(n) for name in names for n in re.findall(r"(?<=\.)\d+\b", name)})

        def moved(name: str) -> str:
            return re.sub(r"(?<=\.)\d+\b", lambda found: str(numbers.index(int(found[0]))), name)

        sections: dict[str, Any] = self.renamed(moved)
        return replace(
            self,
            name=no_dropout(self.name),
            dropout="",
            config={**self.config, self.dropout: 0.0},
            export=tuple(map(moved, self.export)),
            **sections,
        )


def no_dropout(name: str) -> str:
    """The name of a head that is built with dropout=0."""
    return f"{name}_no_dropout"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of several models in a file."""

    name: str = said("its name, for --part")
    prefix: str = said("how its names begin, before those of `prefixes`")
    tied: Mapping[str, str] = said("the beginning of a second name → that of the first", {})
    drop: Mapping[str, str] = said("how names of the other parts begin → what to say of them", {})
    export: tuple[str, ...] = said("how names begin that no target has a place for", ())
    reason: str = said("why those are written beside the model", "")


@dataclass(frozen=True, kw_only=True)
class Target:
    """The Transformers class that is written when the file has exactly `heads` and `export`."""

    transformers_class: str = said("its name in `transformers`", key="class")
    heads: frozenset[str] = said("the heads that it has a place for")
    strip: str = said("what is taken off the target names", "")
    init: Mapping[str, Value] = said("arguments of the class beside its config", {})
    outputs: Mapping[str, str] = said("its output → which of GluonNLP's it is", {})
    export: frozenset[str] = said(
        "heads without a place in it: written beside the model", frozenset()
    )
    reason: str = said("why", "")


@dataclass(frozen=True, kw_only=True)
class Known:
    """A published model: the sizes it is recognised by and the config values they settle."""

    name: str = said("the name of the row")
    config: Mapping[str, Value] = said("every other key of it", key="*")


@dataclass(frozen=True, kw_only=True)
class Required:
    """A field that someone has to tell: --config, model.yml or `known`; any value with neither."""

    divides: str = said("the field that it divides", "")
    multiple_of: str = said("the field that it is a multiple of", "")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a key of GluonNLP 1.x's `model.yml`, or of AutoGluon's `cfg.yml`, says."""

    config: str = said("the config field that has its value", "")
    values: Mapping[str, Value] = said("its value → that of the config field", {})
    scale: str = said("the key whose number it is multiplied by, and rounded …", "")
    scaled_by: str = said("… when the file has this head", "")
    plus: int = said("how much larger the config field is (the rows of `pad`)", 0)
    models: Mapping[str, Mapping[str, Value]] = said("its value → config fields of a model", {})
    only: Value | None = said("the one value that there is a reference for", None)
    unused: str = said("why it is not needed", "")


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a file means when one of these versions of GluonNLP trained it."""

    versions: tuple[str, ...] = said('`"0.9"`, or with its patch number `"0.9.2"`')
    text: str = said("who needs to say so", "")
    config: Mapping[str, Value] = said("config fields in place of the table's", {})
    heads: str = said("the config field with the number of heads, for `unscramble`", "")
    unscramble: Pairs = said("query, key and value bias: the rows that version mixed up", ())


@dataclass(frozen=True, kw_only=True)
class KnownDifference:
    """What the target class cannot express: GluonNLP's own value of a setting. It is measured."""

    setting: str = said("the setting of the reference")
    output: str = said("the output that it changes")
    text: str = said("what to say of it")
    config: str = said("the config field that Transformers uses in its place", "")
    value: float | None = said("the number that Transformers uses in its place", None)


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A published result, by which a published checkpoint is recognised."""

    of: str = said("which checkpoint")
    input_ids: tuple[int, ...] = said("the ids of a text")
    shape: tuple[int, ...] = said("of the last hidden state")
    begin: tuple[float, ...] = said("how its first row begins")
    weights: str = said("the dtype that its weights were rounded to")
    atol: float = said("how far it may be off")
    hub: str = said("its name on the Hugging Face Hub", "")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the model card says beside the figures."""

    notes: tuple[str, ...] = said("a paragraph each", ())


@dataclass(frozen=True, kw_only=True)
class Zeros:
    """A target that the file does not have, and that is zero."""

    sizes: tuple[Size, ...] = said("its sizes, like those of a row")
    reason: str = said("why zeros are right")


@dataclass(frozen=True, kw_only=True, repr=False)
class Table(Modules):
    """A family, as its file states it."""

    name: str = said("", key="-")
    origin: str = said("", key="-")
    text: str = said("", key="-")
    title: str = said("what it is, in a line")
    reference: str = said(
        "the forward pass and settings to compare with: proof/reference/settings.py"
    )
    include: tuple[str, ...] = said("what tables share: files of families/shared/", ())
    prefixes: tuple[str, ...] = said("outer names that a file may carry", ("",))
    layers: Mapping[str, str] = said("letter → the config field that counts it", {})
    last: Mapping[str, str] = said("letter → the letter whose last number it stands for", {})
    target: tuple[Target, ...] = said("which class is written, by the heads in the file")
    layer: tuple[Layer, ...] = said("modules of every layer", ())
    zeros: Mapping[str, Zeros] = said("target → zeros that the file does not have", {})
    all_zero: Mapping[str, str] = said("name → why it is left out; it must be zero", {}, "zero")
    drop: Mapping[str, str] = said("name → why it is left out", {})
    tied: Mapping[str, str] = said("second name → first name: equal, checked, stored once", {})
    head: tuple[Head, ...] = said("tensors that a file has all or none of", ())
    parts: tuple[Part, ...] = said("models in one file", (), key="part")
    config: Mapping[str, Value] = said("config fields that the file does not store", {})
    required: Mapping[str, Required] = said("config fields that have to be given", {})
    unset: tuple[str, ...] = said(
        "config fields that are null unless `known`, a vocabulary or --config tells them", ()
    )
    model_yml: Mapping[str, Statement] = said("keys of model.yml, each with its section", {})
    known: tuple[Known, ...] = said("published models by their sizes, a line each", ())
    known_differences: tuple[KnownDifference, ...] = said(
        "what the target class cannot express", (), key="known_difference"
    )
    versions: tuple[Version, ...] = said("what a file of that version means", (), key="version")
    tokenizer: TokenizerRule | None = said("how text becomes ids", None)
    golden: Golden | None = said("a published result", None)
    card: Card = said("what the model card says", Card())

    def __repr__(self) -> str:
        return f"<Table {self.name}>"

    def modules(self) -> Iterator[tuple[str, str, Module]]:
        """Kind, name in the file, and what it becomes: outside the heads."""
        yield from super().modules()
        for layer in self.layer:
            yield from layer.modules()

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """The heads, each followed by the one that was built with dropout=0."""
        both = ((h, h.without_dropout()) if h.dropout else (h,) for h in self.head)
        return tuple(head for pair in both for head in pair)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The classes, each followed by that of the head that was built with dropout=0."""
        twins = {head.name: no_dropout(head.name) for head in self.head if head.dropout}
        targets = []
        for target in self.target:
            without = frozenset(twins.get(name, name) for name in target.heads)
            exported = frozenset(twins.get(name, name) for name in target.export)
            targets.append(target)
            if (without, exported) != (target.heads, target.export):
                targets.append(replace(target, heads=without, export=exported))
        return tuple(targets)

    @cached_property
    def sizes(self) -> Mapping[str, tuple[Size, ...]]:
        """The sizes of each target."""
        made = ((name, zeros.sizes) for name, zeros in self.zeros.items())
        return dict(
            [*made, *(pair for rows in (self, *self.heads) for pair in rows.target_sizes())]
        )

    @property
    def zero(self) -> Mapping[str, str]:
        """Names that are left out because all their values are zero, which is checked, and why."""
        return {**self.all_zero, **dict.fromkeys(self.zero_names(), RMS_NORM)}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the model card says beside the figures."""
        return self.card.notes

    def all_rows(self) -> Iterator[Row]:
        """Every row, the heads' included."""
        yield from self.rows
        for head in self.heads:
            yield from head.rows

    def size_names(self) -> frozenset[str]:
        """The config fields that shapes tell."""
        return frozenset(
            field for sizes in self.sizes.values() for size in sizes for field in fields_of(size)
        )

    def version(self, told: str | None) -> Version | None:
        """What the table says about the version `told`; the entry with its patch number wins."""
        matching = [
            (len(name), version)
            for version in self.versions
            for name in version.versions
            if told and (told == name or told.startswith(f"{name}."))
        ]
        return max(matching, key=lambda match: match[0])[1] if matching else None
