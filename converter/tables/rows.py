"""Rows of a table: a module of the file, the module that it becomes, and the sizes beside it.

A table says `dense: "ffn.ffn_1" = ["intermediate.dense", "intermediate_size", "hidden_size"]`; that
is two rows, one for each tensor of the module (`Row`). Names are whole, with `{i}`-like layer
numbers; there are no regular expressions, and no order matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from functools import cached_property
from typing import Any

from converter.errors import TableError

RMS_NORM = "RMSNorm adds it, and Transformers' T5LayerNorm has none"


def said(text: str, default: Any = MISSING, key: str = "") -> Any:
    """A field of a dataclass that is read from a table: what its `key` (its own name) is for."""
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"text": text, "key": key})
    return field(default=default, metadata={"text": text, "key": key})


@dataclass(frozen=True, kw_only=True)
class More:
    """A size `plus` larger than the config field `of` says."""

    of: str = said("the config field")
    plus: int = said("how much larger")


# A config field, a number, one more than a field, or the product of several
Size = str | int | More | tuple[str | int, ...]


@dataclass(frozen=True)
class Row:
    """What happens to one tensor: `operation` makes the tensors `targets` of the tensor `source`.

    `number` is the operation's argument, where it has one: the rows to pad.
    """

    operation: str
    source: str
    targets: tuple[str, ...]
    number: int = 0


@dataclass(frozen=True)
class Module:
    """The right side of a row: `["target", size, …]`, the sizes as those of the target's weight.

    Several targets are in a list of their own: the parts of `split`, or copies of one tensor.
    `number`: the rows that `pad` puts in front, which comes before the target.
    """

    targets: tuple[str, ...]
    sizes: tuple[Size, ...]
    number: int = 0

    @classmethod
    def parse(cls, value: Any, place: str) -> Module:
        """Raises `TableError` naming `place` for anything but `[number, target, size, …]`."""
        rest = [*value] if isinstance(value, list) else []
        number = rest.pop(0) if rest and type(rest[0]) is int else 0
        targets = rest.pop(0) if rest else None
        targets = [targets] if isinstance(targets, str) else targets
        if not isinstance(targets, list) or not all(isinstance(t, str) for t in targets):
            raise TableError(f'{place}: a row is ["target", size, …], not {value!r}')
        return cls(tuple(targets), tuple(parse_size(size, place) for size in rest), number)


def parse_size(value: Any, place: str) -> Size:
    """A field, a number, a list of these (their product), or `{ of, plus }` (the sum)."""
    if isinstance(value, dict) and {*value} == {"of", "plus"}:
        return More(of=value["of"], plus=value["plus"])
    factors = value if isinstance(value, list) else [value]
    if not all(type(factor) in (str, int) for factor in factors):
        raise TableError(f"{place}: a size has the wrong type: {value!r}")
    return tuple(factors) if isinstance(value, list) else value


WHOLE, FIRST, LAST = slice(None), slice(0, 1), slice(-1, None)
# A kind of module → its tensors: endings of both names, operation, which of the sizes it has.
KINDS: Mapping[str, tuple[tuple[str, str, str, slice], ...]] = {
    "weight": ((".weight", ".weight", "copy", WHOLE),),
    "tensor": (("", "", "copy", WHOLE),),
    "pad": (("", "", "pad", WHOLE),),
    "norm": ((".gamma", ".weight", "copy", WHOLE), (".beta", ".bias", "copy", WHOLE)),
    "rms_norm": ((".gamma", ".weight", "copy", WHOLE),),
    "dense": ((".weight", ".weight", "copy", WHOLE), (".bias", ".bias", "copy", FIRST)),
    "conv1d": ((".weight", ".weight", "transpose", WHOLE), (".bias", ".bias", "copy", LAST)),
    "split": ((".weight", ".weight", "split", WHOLE), (".bias", ".bias", "split", FIRST)),
    "transpose": (("", "", "transpose", WHOLE),),
    "split_heads": (("", "", "split_heads", WHOLE),),
    "transpose_split_heads": (("", "", "transpose_split_heads", WHOLE),),
}


@dataclass(frozen=True, kw_only=True)
class Modules:
    """Rows by kind: `"module of the file" = ["module of the model", size, …]`."""

    weight: Mapping[str, Module] = said("a weight alone: an embedding, a Dense without bias", {})
    tensor: Mapping[str, Module] = said("one tensor; both names are whole", {})
    pad: Mapping[str, Module] = said("one tensor, rows of zeros in front: their number first", {})
    norm: Mapping[str, Module] = said("a LayerNorm: gamma → weight, beta → bias", {})
    rms_norm: Mapping[str, Module] = said("gamma → weight; beta must be zero, which is checked", {})
    dense: Mapping[str, Module] = said("a Dense: weight (out, in) and bias (out)", {})
    conv1d: Mapping[str, Module] = said("a Dense that becomes a `Conv1D`: weight (in, out)", {})
    split: Mapping[str, Module] = said("a Dense of several, one after the other: a list", {})
    transpose: Mapping[str, Module] = said("one tensor, its two axes swapped", {})
    split_heads: Mapping[str, Module] = said("(a, heads × size) becomes (a, heads, size)", {})
    transpose_split_heads: Mapping[str, Module] = said("(heads × size, a) becomes the same", {})

    def modules(self) -> Iterator[tuple[str, str, Module]]:
        """Kind, name in the file, and what it becomes."""
        for kind in KINDS:
            for source, module in getattr(self, kind).items():
                yield kind, source, module

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """A row for each tensor."""
        rows = []
        for kind, source, module in self.modules():
            for ending, new, operation, _ in KINDS[kind]:
                number = len(module.targets) if operation == "split" else module.number
                targets = tuple(target + new for target in module.targets)
                rows.append(Row(operation, source + ending, targets, number))
        return tuple(rows)

    def zero_names(self) -> Iterator[str]:
        """The names whose values must all be zero: `rms_norm` stores a beta."""
        yield from (f"{source}.beta" for kind, source, _ in self.modules() if kind == "rms_norm")

    def target_sizes(self) -> Iterator[tuple[str, tuple[Size, ...]]]:
        """The sizes of each target, as often as a row makes it."""
        for kind, _, module in self.modules():
            for _, new, _, which in KINDS[kind]:
                yield from ((target + new, module.sizes[which]) for target in module.targets)

    def renamed(self, new_name: Callable[[str], str]) -> dict[str, dict[str, Module]]:
        """The sections, the modules of the file under other names."""
        sections = {kind: getattr(self, kind) for kind in KINDS}
        return {k: {new_name(name): m for name, m in s.items()} for k, s in sections.items()}


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
