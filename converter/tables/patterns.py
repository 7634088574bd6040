"""Names with layer letters, `"a.{i}.b"`, and the names that they stand for."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

Numbers = Mapping[str, Sequence[int]]


def placeholders(pattern: str) -> frozenset[str]:
    """The layer letters of a pattern: `{"i"}` for `"a.{i}.b"`."""
    return frozenset(part.split("}")[0] for part in pattern.split("{")[1:])


def is_pattern(text: str) -> bool:
    """Whether `text` is a name with each layer letter at most once, and no other brace."""
    for letter in placeholders(text):
        text = text.replace(f"{{{letter}}}", "", 1)
    return not {"{", "}"} & {*text}


def numbers_of(layers: Mapping[str, int], last: Mapping[str, str]) -> dict[str, Sequence[int]]:
    """The numbers that each letter stands for; of a letter with a `last`, all but that one."""
    numbers: dict[str, Sequence[int]] = {letter: range(n) for letter, n in layers.items()}
    for letter, of in last.items():
        numbers[of] = range(layers[of] - 1)
        numbers[letter] = range(layers[of] - 1, layers[of])
    return numbers


def outgrows(pattern: str, numbers: Numbers, names: Collection[str]) -> bool:
    """Whether a pattern stands for more names than those that there are (and one more)."""
    return math.prod(len(numbers[letter]) for letter in placeholders(pattern)) > len(names) + 1


def expand(
    pattern: str, numbers: Numbers, names: Collection[str] | None = None
) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Every name a pattern stands for: `"a.{i}"` with `{"i": range(2)}` gives `"a.0"`, `"a.1"`.

    Where it outgrows the `names` that there are, those of them alone.
    """
    if names is not None and outgrows(pattern, numbers, names):
        yield from _among(names, pattern, numbers)
        return
    letters = sorted(placeholders(pattern))
    for chosen in itertools.product(*(numbers[letter] for letter in letters)):
        which = dict(zip(letters, chosen, strict=True))
        yield fill(pattern, which), which


def _among(
    names: Collection[str], pattern: str, numbers: Numbers
) -> Iterator[tuple[str, Mapping[str, int]]]:
    parts = re.split(r"\{(.*?)\}", pattern)
    whole = re.compile("(0|[1-9][0-9]*)".join(map(re.escape, parts[::2])))
    for name in names:
        if found := whole.fullmatch(name):
            which = dict(zip(parts[1::2], map(int, found.groups()), strict=True))
            if all(number in numbers[letter] for letter, number in which.items()):
                yield name, which


def fill(pattern: str, which: Mapping[str, int]) -> str:
    """The pattern with numbers in the place of its letters."""
    for letter, number in which.items():
        pattern = pattern.replace(f"{{{letter}}}", str(number))
    return pattern
