"""How a structural name is spelled within name scopes: the rules of `rules.toml`."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from converter.tables.patterns import placeholders
from converter.tables.table import Head

VERSIONS = {"0.8": "GluonNLP 0.8 or earlier", "0.9": "GluonNLP 0.9 or later"}
BLOCKS = ("encoder", "model", "head")  # what has a prefix of its own
MAX_DIGITS = 9  # of a layer number; a longer one is no layer

Alternatives = Mapping[str, str]  # a version of `VERSIONS`, or another label → spelling


def may_be(version: str | None, releases: Iterable[str]) -> bool:
    """Whether names of `version`, a key of `VERSIONS` or None, may be of one of the `releases`.

    A release is `"0.9"` or `"0.9.2"`.
    """
    old = {"0.8": True, "0.9": False, None: None}[version]
    return old is None or any((int(r.split(".")[1]) <= 8) == old for r in releases)


@dataclass(frozen=True)
class Spelling:
    """One way to write a structural name behind its block's prefix: `before`{i}`after`.

    `after` is None without a layer number. {last} is the number of the last layer, {prefix} the
    prefix again. `version` is a key of `VERSIONS`, or None when it does not matter.
    """

    before: str
    after: str | None
    version: str | None

    def name(self, prefix: str, number: int, last: int) -> str:
        """The name in the file, for a layer number and the last one."""
        text = self.before if self.after is None else f"{self.before}{number}{self.after}"
        return prefix + text.replace("{last}", str(last)).replace("{prefix}", prefix)


@dataclass(frozen=True)
class Name:
    """A structural name as a table states it, without the table's prefix.

    block: `encoder`, `model` or `head`, whose prefix its spellings follow
    letter: of the layer number in it, or empty
    """

    pattern: str
    block: str
    letter: str
    spellings: tuple[Spelling, ...]

    def prefixes(self, own: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The prefixes that would make it one of the names `own`, each with what is behind it.

        None when it has a number in it; and a name with a dot is of no scope, but structural.
        """
        if self.is_whole:
            for end in (spelling.before for spelling in self.spellings):
                found = (o.removesuffix(end) for o in own if o.endswith(end) and "." not in o)
                yield from ((prefix, end) for prefix in found)

    @property
    def is_whole(self) -> bool:
        """Whether it is one name behind a prefix, without any number or prefix to fill in."""
        return not self.letter and not any("{" in s.before for s in self.spellings)


def spelled(pattern: str, head: Head | None = None) -> Name | None:
    """How the rules spell a pattern of a table or of its `head`; None if they do not know it."""
    letter = "".join(placeholders(pattern))
    path = pattern.replace(f"{{{letter}}}", "{i}") if letter else pattern
    block = "head" if head and head.outer else "model"
    if block == "model" and path.startswith("encoder."):
        block, path = "encoder", path.removeprefix("encoder.")
    *parts, leaf = path.split(".")
    rank = 0
    if block == "head" and len(parts) > 1 and parts[1].isdecimal():
        rank, parts[1] = _rank(parts, head), "{n}"
    texts = [("", "")]
    while parts:
        length, alternatives = _longest(parts, _rules()[block])
        if not length:
            return None
        del parts[:length]
        texts = [
            (text + more, version or label)
            for text, version in texts
            for label, more in alternatives.items()
            if not (version and label and version != label)
        ]
    ends = [(text.replace("{n}", str(rank)) + leaf, label) for text, label in texts]
    return Name(pattern, block, letter, tuple(_spelling(*end) for end in ends))


def _spelling(text: str, label: str) -> Spelling:
    before, hole, after = text.partition("{i}")
    return Spelling(before, after if hole else None, label if label in VERSIONS else None)


def _longest(parts: list[str], rules: Mapping[str, Alternatives]) -> tuple[int, Alternatives]:
    """How many attributes the rule with the most of them takes, and what it says."""
    for length in range(len(parts), 0, -1):
        if (key := ".".join(parts[:length])) in rules:
            return length, rules[key]
    return 0, {}


def _rank(parts: list[str], head: Head | None) -> int:
    """Which of a sequence's Dense it is: its number counts the Dropout before it too, if any.

    `classifier.1` and `classifier.3`, or without dropout `classifier.0` and `classifier.1`.
    """
    sources = (source.split(".") for source in (head.sources() if head else ()))
    numbers = {int(s[1]) for s in sources if s[0] == parts[0] and s[1].isdecimal()}
    return sorted(numbers).index(int(parts[1]))


def classes(head: Head) -> frozenset[str]:
    """The classes that have the head, in lower case as in their prefixes; empty: any may."""
    stated: Mapping[str, list[str]] = _file()["classes"]
    sets = [frozenset(stated.get(s.partition(".")[0], ())) for s in head.sources()]
    return frozenset.intersection(*sets) if sets else frozenset()


def class_of(prefix: str) -> str | None:
    """The class of the rules that a head's prefix names; None for a prefix of the user's own."""
    name = _last_scope(prefix)
    return name if any(name in names for names in _file()["classes"].values()) else None


def namesake(prefix: str) -> str | None:
    """The Block of GluonNLP, its scripts or notebooks that a prefix names, as its source spells it.

    A class of the user's own may be called the same, such as `Net`.
    """
    return _namesakes().get(_last_scope(prefix))


def _last_scope(prefix: str) -> str:
    """The class in the last scope of a prefix, in lower case as there: without its counter."""
    return prefix.removesuffix("_").rstrip("0123456789").rpartition("_")[2]


def has_layer(name: str) -> bool:
    """Whether a name within scopes may be of a layer of any model that the rules know."""
    return _layer().search(name) is not None


@cache
def _layer() -> re.Pattern[str]:
    spellings = {
        text for block in _rules().values() for said in block.values() for text in said.values()
    }
    layers = sorted(re.escape(text.partition("{i}")[0]) for text in spellings if "{i}" in text)
    return re.compile(rf"(?:{'|'.join(layers)})\d")


def layer_numbers(names: Sequence[str], before: str, after: str) -> Iterator[int]:
    """The numbers between `before` and `after` in `names`, written as numbers are.

    `names` are sorted: those with a digit behind `before` stand together, and no other is looked at
    (":" follows "9").
    """
    first, last = bisect_left(names, f"{before}0"), bisect_left(names, f"{before}:")
    for name in names[first:last]:
        if name.endswith(after):
            number = name[len(before) : len(name) - len(after)]
            if not (number.isascii() and number.isdigit()) or len(number) > MAX_DIGITS:
                continue
            if number == str(int(number)):
                yield int(number)


@cache
def _file(name: str = "rules.toml") -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(files("converter.planning.scopes").joinpath(name).read_text("utf-8"))


@cache
def _namesakes() -> Mapping[str, str]:
    listed = _file("classes.toml")
    return {name.lower(): name for file in listed if file != "tags" for name in listed[file]}


@cache
def _rules() -> Mapping[str, Mapping[str, Alternatives]]:
    return {
        block: {
            attributes: {"": said} if isinstance(said, str) else said
            for attributes, said in _file()[block].items()
        }
        for block in BLOCKS
    }
