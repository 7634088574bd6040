"""Mutations of what a text says, and not of its bytes: JSON and TOML that stay what they are.

Bytes changed at random are mostly no TOML at all, and the parser is all that is tried with them.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable
from random import Random
from typing import Any

# What is put in the place of any value: the ends of types, and words that tables have a meaning for
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 1.5, 1e308, float("nan"), float("-inf")),
    *("(0, -1)", "(2,)", "None", "True", "1e9", "__import__('os')"),
    *("", "a", "{i}", "a.{i}.{j}", "{", "a\n\x1b[2J", "é\u2028", "x" * 300, "0", "-", "*"),
    *([], [[]], [None], {}, {"a": {}}, ["a", "a"], [1, "a"], {"name": "a"}, {"sizes": ["a", 1]}),
)
Place = tuple[Any, Any]  # a map or list, and the key or number of a value in it


def toml(value: Any) -> str:
    """A value as TOML has it within a line. None, which TOML lacks, is the text `none`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "none" if value is None else str(value).lower().replace("e+", "e")


def _toml_text(data: Any) -> bytes:
    lines = (f"{toml(key)} = {toml(value)}\n" for key, value in data.items())
    return "".join(lines).encode("utf-8", "replace")


FORMATS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes]]] = {
    "table": (lambda data: tomllib.loads(data.decode()), _toml_text),
    **dict.fromkeys(
        ("told", "vocabulary", "names", "yml", "symbol", "symbol_params"),  # every JSON is YAML
        (json.loads, lambda value: json.dumps(value).encode()),
    ),
}


def changed(data: Any, random: Random) -> Any:
    """`data` with one value replaced, copied from elsewhere, removed, doubled or renamed."""
    root = [copy.deepcopy(data)]
    places = _places(root)
    container, key = random.choice(places)
    other = copy.deepcopy(_value(random.choice(places)))
    kind = random.randrange(5)
    if kind == 0:
        container[key] = copy.deepcopy(random.choice(VALUES))
    elif kind == 1:
        container[key] = other
    elif container is root:
        pass
    elif kind == 2:
        del container[key]
    elif isinstance(container, list):
        container.insert(key, other if kind == 3 else copy.deepcopy(container[key]))
    elif kind == 3:
        names = [k for c, k in places if isinstance(c, dict)]
        container[random.choice([*names, "", "a", "*"])] = container.pop(key)
    else:
        container[key] = _spliced(container[key], other, random)
    return root[0]


def _places(root: list[Any]) -> list[Place]:
    found: list[Place] = []
    left: list[Any] = [root]
    while left:
        container = left.pop()
        keys = [*container] if isinstance(container, dict) else range(len(container))
        found += [(container, key) for key in keys]
        left += [container[key] for key in keys if isinstance(container[key], dict | list)]
    return found


def _value(place: Place) -> Any:
    return place[0][place[1]]


def _spliced(value: Any, other: Any, random: Random) -> Any:
    """The beginning of a text and the end of another; a number near a number."""
    if isinstance(value, str) and isinstance(other, str):
        cut = random.randint(0, len(value))
        return value[:cut] + other[random.randint(0, len(other)) :]
    if type(value) is int:
        return random.choice([value + 1, value - 1, -value, value * 2, float(value % 2**60)])
    return [value]


def mutator(
    target: str, mutate: Callable[[bytes, int], bytes]
) -> Callable[[bytes, int, int], bytes]:
    """What libFuzzer asks for a mutation of `data`; `mutate` is its own, of bytes."""
    read, write = FORMATS[target]

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        try:
            if random.random() < 0.2:
                return mutate(data, max_size)
            value = read(data)
            for _ in range(random.randint(1, 4)):
                value = changed(value, random)
            made = write(value)
        except (ValueError, AttributeError, RecursionError):  # AttributeError: no map any more
            return mutate(data, max_size)
        return made if len(made) <= max_size else mutate(data, max_size)

    return mutated
