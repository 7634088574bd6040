"""What a table says: what should happen to each tensor of a family.

A table is data (`converter/families/*.toml`, or a user's own file): README, "How it works", shows
one. Patterns are whole names with `{i}`-like layer numbers; there are no regular expressions and
no order that matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Value = str | int | float | bool


@dataclass(frozen=True)
class Row:
    """One line of a table: `verb` makes the target tensor `target` of the source `source`."""

    verb: str
    source: str
    target: str


@dataclass(frozen=True)
class Head:
    """A group of tensors that a file has whole or not at all.

    `outer`: its names stand outside the table's prefix. `tied`: second name → first name.
    """

    name: str
    rows: tuple[Row, ...]
    tied: Mapping[str, str]
    outer: bool
    config: Mapping[str, Value]


@dataclass(frozen=True)
class Target:
    """The Transformers class that is written when the file has exactly `heads`.

    `strip` is taken off the target names; `init` are the arguments of the class beside its config;
    `outputs` says which of its outputs is which of GluonNLP's.
    """

    transformers_class: str
    heads: frozenset[str]
    strip: str
    init: Mapping[str, Value]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Known:
    """A published model: the sizes it is recognised by and the config values they settle."""

    name: str
    config: Mapping[str, Value]


@dataclass(frozen=True)
class Setting:
    """GluonNLP's own `value` of a setting; a user's `--config` of the field `config` replaces it.

    Without a value the config field tells: then neither side can know better.
    """

    value: Value | None
    config: str | None


@dataclass(frozen=True)
class Arithmetic:
    """GluonNLP's forward pass (`converter/gluon/<name>.py`) and the settings it is called with."""

    name: str
    settings: Mapping[str, Setting]


@dataclass(frozen=True)
class Limit:
    """What the target class cannot express: GluonNLP's own value of one arithmetic setting.

    Transformers uses the config field `config` in its place. `output` is the output that it
    changes; the difference is measured and stated.
    """

    setting: str
    config: str
    output: str
    text: str


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
    """A family, as its file states it. `origin` is the file, `text` what stands in it."""

    name: str
    origin: str
    text: str
    title: str
    prefixes: tuple[str, ...]
    layers: Mapping[str, str]
    rows: tuple[Row, ...]
    zeros: Mapping[str, str]
    drop: Mapping[str, str]
    heads: tuple[Head, ...]
    targets: tuple[Target, ...]
    sizes: Mapping[str, tuple[str | int, ...]]
    config: Mapping[str, Value]
    needed: Mapping[str, str]
    known: tuple[Known, ...]
    arithmetic: Arithmetic
    limits: tuple[Limit, ...]
    golden: Golden | None
    notes: tuple[str, ...] = field(default=())

    def all_rows(self) -> Iterator[Row]:
        """Every row, the heads' included."""
        yield from self.rows
        for head in self.heads:
            yield from head.rows

    def size_names(self) -> frozenset[str]:
        """The config fields that shapes tell."""
        return frozenset(s for sizes in self.sizes.values() for s in sizes if isinstance(s, str))


def placeholders(pattern: str) -> frozenset[str]:
    """The layer letters of a pattern: `{"i"}` for `"a.{i}.b"`."""
    return frozenset(part.split("}")[0] for part in pattern.split("{")[1:])


def is_pattern(text: str) -> bool:
    """Whether `text` is a name with at most one layer letter, and no other brace."""
    for letter in placeholders(text):
        text = text.replace(f"{{{letter}}}", "", 1)
    return not {"{", "}"} & {*text}
