"""An attribute of an operator: the text in the file becomes a value of a checked type.

Nothing is evaluated: a number is what a number is written like, and of limited length.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

MAX_ITEMS = 1024  # of one tuple
INTEGER = re.compile(r"[+-]?[0-9]{1,19}L?", re.ASCII)
DIGITS = r"([0-9]{1,64}\.?[0-9]{0,64}|\.[0-9]{1,64})"
REAL = re.compile(rf"[+-]?({DIGITS}(e[+-]?[0-9]{{1,4}})?|inf|infinity)", re.ASCII | re.IGNORECASE)
TRUE, FALSE = ("True", "true", "1"), ("False", "false", "0")


@dataclass(frozen=True)
class Attribute:
    """One attribute of an operator: its type, and what it is where the graph does not say.

    `type` is bool, int, float, shape (integers), bounds (integers and None), floats, string, enum
    or dtype; `values` are those of an enum or dtype; `none`: whether it may be None.
    """

    type: str
    default: str | None = None
    values: tuple[str, ...] = ()
    required: bool = False
    none: bool = False

    def read(self, text: str) -> Any:
        """The value of the text. Raises `ValueError` for what is not of the type."""
        if self.none and text == "None":
            return None
        match self.type:
            case "bool":
                if text not in TRUE + FALSE:
                    raise ValueError("is neither True nor False")
                return text in TRUE
            case "int":
                return _integer(text)
            case "float":
                return _real(text)
            case "shape":
                return tuple(map(_integer, _items(text)))
            case "bounds":
                return tuple(None if t == "None" else _integer(t) for t in _items(text))
            case "floats":
                return tuple(_real(t) for t in _items(text))
            case "enum" | "dtype":
                if text not in self.values:
                    raise ValueError(f"is not one of {', '.join(self.values)}")
        return text


def _integer(text: str) -> int:
    if not INTEGER.fullmatch(text) or not -(2**63) <= (value := int(text.rstrip("L"))) < 2**63:
        raise ValueError("is no integer of 64 bits")
    return value


def _real(text: str) -> float:
    if not REAL.fullmatch(text):
        raise ValueError("is no number")
    value = float(text)
    if math.isinf(value) and "inf" not in text.lower():
        raise ValueError("is too large a number")
    return value


def _items(text: str) -> list[str]:
    """What stands in `(1, 2)`, `[1, 2]`, `(1L,)` or a bare `1`."""
    inner = text.strip()
    if inner[:1] + inner[-1:] in ("()", "[]"):
        inner = inner[1:-1].strip()
        items = [item.strip() for item in inner.split(",")] if inner else []
        if len(items) > 1 and not items[-1]:  # (1,)
            items.pop()
    else:
        items = [inner]
    if len(items) > MAX_ITEMS:
        raise ValueError(f"has more than {MAX_ITEMS} numbers")
    return items
