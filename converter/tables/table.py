"""What a table says: what should happen to each tensor of a family.

A table is data (`converter/tables/families/*.toml`, or a user's own file): README, "How it
works", shows one. Patterns are whole names with `{i}`-like layer numbers; there are no regular
expressions and no order that matters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.tables.tokenizer_rule import TokenizerRule

Value = str | int | float | bool


@dataclass(frozen=True)
class More:
    """A size `plus` larger than the config field `of` says."""

    of: str
    plus: int


# A config field, a number, one more than a field, or the product of several
Size = str | int | More | tuple["Size", ...]


@dataclass(frozen=True)
class Row:
    """One line of a table: `operation` makes the tensors `targets` of the tensor `source`.

    `number` is the operation's argument, where it has one: the rows to pad.
    """

    operation: str
    source: str
    targets: tuple[str, ...]
    number: int = 0


@dataclass(frozen=True)
class Absent:
    """What follows where an optional head is not in the file.

    The sizes of each pair in `equal` must agree; the target has `identity` matrices and `zeros`
    in its place, and `config` says so.
    """

    equal: tuple[tuple[str, ...], ...] = ()
    identity: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    config: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """A group of tensors that a file has whole or not at all.

    It may be no more than second names (`tied`): then these say that it is there. `outer`: its
    names stand outside the table's prefix. `tied`: second name → first name. `export`: names that
    no target has a place for. `instead_of` another head with the same names: taken when the user's
    `--config` says what this head's config says. With `absent` it is optional: the target's class
    is the same without it. `equal`: pairs of sizes that must agree.
    """

    name: str
    rows: tuple[Row, ...]
    tied: Mapping[str, str]
    outer: bool
    config: Mapping[str, Value]
    export: tuple[str, ...] = ()
    instead_of: str = ""
    equal: tuple[tuple[str, ...], ...] = ()
    absent: Absent | None = None

    def sources(self) -> Iterator[str]:
        """The names that make the head whole."""
        yield from (row.source for row in self.rows)
        yield from self.export
        if not self.rows and not self.export:
            yield from self.tied


@dataclass(frozen=True)
class Part:
    """One of several models in a file: its names begin with `prefix`, before those of `prefixes`.

    `tied`: the beginning of a second name for each tensor → that of the first. `drop`: how the
    names of the other parts begin, each with what to say of them. `export`: how names begin that
    no target has a place for: their tensors are written beside the model, for the `reason` given.
    """

    name: str
    prefix: str
    tied: Mapping[str, str]
    drop: Mapping[str, str]
    export: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Target:
    """The Transformers class that is written when the file has exactly `heads` and `export`.

    The heads in `export` have no place in the class: their tensors are written beside the model
    under their own names, for the `reason` given. `strip` is taken off the target names; `init`
    are the arguments of the class beside its config; `outputs` says which of its outputs is which
    of GluonNLP's.
    """

    transformers_class: str
    heads: frozenset[str]
    strip: str
    init: Mapping[str, Value]
    outputs: Mapping[str, str]
    export: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(frozen=True)
class Known:
    """A published model: the sizes it is recognised by and the config values they settle."""

    name: str
    config: Mapping[str, Value]


@dataclass(frozen=True)
class Needed:
    """A field that someone has to tell: it divides the field `divides`, is a multiple of another.

    With neither it is any value.
    """

    divides: str = ""
    multiple_of: str = ""


@dataclass(frozen=True)
class Statement:
    """What a key of GluonNLP 1.x's `model.yml`, or of AutoGluon's `cfg.yml`, says.

    Either the config field `config`: its value as it is, or the one that `values` has for it,
    times the number under `scale` when the file has the head `scaled_by`, rounded, and `plus` more
    (the rows of `pad`). Or it names one of `models`, each with the config values of its own. Or
    `only`: the one value there is an arithmetic for. Or nothing that is needed, for the reason
    `unused`.
    """

    config: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    scale: str = ""
    scaled_by: str = ""
    plus: int = 0
    models: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    only: Value | None = None
    unused: str = ""


@dataclass(frozen=True)
class Version:
    """What a file means when it was trained under one of these `versions` of GluonNLP.

    A version is `"0.9"`, or with its patch number `"0.9.2"`. `config` replaces the table's own
    values; each triple in `unscramble` (query, key and value bias) is un-scrambled, by
    the number of heads in the config field `heads`. `text` tells who needs to say so.
    """

    versions: tuple[str, ...]
    text: str
    config: Mapping[str, Value]
    heads: str
    unscramble: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class KnownDifference:
    """What the target class cannot express: GluonNLP's own value of one `setting` of the reference.

    Transformers uses the config field `config` in its place, or always the number `value`.
    `output` is the output that it changes; the difference is measured and stated.
    """

    setting: str
    config: str
    output: str
    text: str
    value: float | None = None


@dataclass(frozen=True)
class Golden:
    """A published result: input ids, and how the first row of the last hidden state begins."""

    of: str
    input_ids: tuple[int, ...]
    shape: tuple[int, ...]
    begin: tuple[float, ...]
    weights: str
    atol: float


@dataclass(frozen=True)
class Table:
    """A family, as its file states it. `origin` is the file, `text` what stands in it.

    `reference` names the forward pass and settings to compare with (`proof/reference/settings.py`).
    `last`: letters that stand for the last number of another, which then stops before it.
    `zero`: names that are left out because all their values are zero, which is checked, each with
    the reason. `untested`: config fields whose ids parity leaves out of its texts, likewise.
    """

    name: str
    origin: str
    text: str
    title: str
    reference: str
    prefixes: tuple[str, ...]
    layers: Mapping[str, str]
    last: Mapping[str, str]
    rows: tuple[Row, ...]
    zeros: Mapping[str, str]
    drop: Mapping[str, str]
    zero: Mapping[str, str]
    heads: tuple[Head, ...]
    parts: tuple[Part, ...]
    targets: tuple[Target, ...]
    tied: Mapping[str, str]
    untested: Mapping[str, str]
    sizes: Mapping[str, tuple[Size, ...]]
    config: Mapping[str, Value]
    needed: Mapping[str, Needed]
    model_config: Mapping[str, Statement]
    known: tuple[Known, ...]
    known_differences: tuple[KnownDifference, ...]
    versions: tuple[Version, ...]
    golden: Golden | None
    notes: tuple[str, ...] = field(default=())
    tokenizer: TokenizerRule | None = None

    def all_rows(self) -> Iterator[Row]:
        """Every row, the heads' included."""
        yield from self.rows
        for head in self.heads:
            yield from head.rows

    def size_names(self) -> frozenset[str]:
        """The config fields that shapes tell."""
        return frozenset(field for sizes in self.sizes.values() for field in fields_of(sizes))

    def version(self, told: str | None) -> Version | None:
        """What the table says about the version `told`; the entry with its patch number wins."""
        matching = [
            (len(name), version)
            for version in self.versions
            for name in version.versions
            if told and (told == name or told.startswith(f"{name}."))
        ]
        return max(matching, key=lambda match: match[0])[1] if matching else None


def fields_of(size: Size) -> Iterator[str]:
    """The config fields that a size is made of."""
    if isinstance(size, tuple):
        for factor in size:
            yield from fields_of(factor)
    elif isinstance(size, More):
        yield size.of
    elif isinstance(size, str):
        yield size


def size_of(size: Size, config: Mapping[str, Any]) -> int | None:
    """The number that a size stands for; None when `config` does not tell it."""
    if isinstance(size, More):
        found = size_of(size.of, config)
        return None if found is None else found + size.plus
    if isinstance(size, tuple):
        factors = [size_of(factor, config) for factor in size]
        return None if None in factors else math.prod(f for f in factors if f is not None)
    found = config.get(size) if isinstance(size, str) else size
    return found if type(found) is int and 0 < found < 2**31 else None


def placeholders(pattern: str) -> frozenset[str]:
    """The layer letters of a pattern: `{"i"}` for `"a.{i}.b"`."""
    return frozenset(part.split("}")[0] for part in pattern.split("{")[1:])


def is_pattern(text: str) -> bool:
    """Whether `text` is a name with each layer letter at most once, and no other brace."""
    for letter in placeholders(text):
        text = text.replace(f"{{{letter}}}", "", 1)
    return not {"{", "}"} & {*text}
