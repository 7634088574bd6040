"""What will happen to each tensor of the target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from converter.params import TensorEntry
from converter.planning.match import Match
from converter.tables.patterns import expand, outgrows
from converter.tables.rows import size_of
from converter.tables.table import Version

DTYPES: Mapping[str, np.dtype | None] = {
    "keep": None,
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


@dataclass(frozen=True)
class Step:
    """One tensor of the target: part `part` of what `operation` makes of `sources`, in `dtype`.

    No source: it is all zeros, with the operation `ones` all ones, and with `identity` ones on the
    diagonal. `number` is the operation's argument; a `range` is from `part` to `number`.
    """

    operation: str
    sources: tuple[TensorEntry, ...]
    target: str
    dtype: np.dtype
    shape: tuple[int, ...]
    part: int = 0
    number: int = 0

    @property
    def source(self) -> TensorEntry | None:
        """The tensor that the table has for this target, if any."""
        if len(self.sources) > 1:
            return self.sources[self.part]
        return self.sources[0] if self.sources else None

    @property
    def nbytes(self) -> int:
        """Size of the target's data in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def casts(self) -> bool:
        """Whether the dtype changes on the way."""
        return self.source is not None and self.source.dtype != self.dtype

    def cast(self, values: np.ndarray) -> np.ndarray:
        """The values in the step's dtype; silent, whatever is too large or not a number."""
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(self.dtype, copy=False)


def steps_of(
    chosen: Match, config: Mapping[str, Any], dtype: str, version: Version | None
) -> tuple[list[Step], list[str]]:
    """The steps of a fit without problems; problems are zeros of a size that nothing tells."""
    wanted = DTYPES[dtype]
    strip = chosen.target.strip if chosen.target else ""
    problems = []

    def shape_of(pattern: str) -> tuple[int, ...]:
        sizes = chosen.table.sizes[pattern]
        shape = [size_of(size, config) for size in sizes]
        for size, found in zip(sizes, shape, strict=True):
            if found is None:
                name = size if isinstance(size, str) else str(size)
                problems.append(f"{pattern}: {name} = {config.get(name)!r} is no size")
        return tuple(size or 0 for size in shape)

    steps = [
        Step(
            match.operation,
            (match.source,),
            match.target.removeprefix(strip),
            wanted or match.source.dtype,
            shape_of(match.pattern),
            match.part,
            match.number,
        )
        for match in chosen.rows
    ]
    if version and version.unscramble:
        steps = [*_unscrambled(chosen, steps, config[version.heads], version)]
    usual = wanted or widest_dtype(steps)
    for operation, pattern in _constants(chosen):
        if outgrows(pattern, chosen.numbers, chosen.index.tensors):
            problems.append(
                f"{pattern}: its tensors of zeros would be more than the file has: the table's "
                "letters in it count what does not belong together"
            )
            continue
        for target, _ in expand(pattern, chosen.numbers):
            steps.append(Step(operation, (), target.removeprefix(strip), usual, shape_of(pattern)))
    return steps, [*dict.fromkeys(problems)]


def _constants(chosen: Match) -> Iterator[tuple[str, str]]:
    """What the target has and the source has not: the operation that makes it, and its name."""
    yield from (("zeros", pattern) for pattern in chosen.table.zeros)
    for head in chosen.absent:
        if head.absent:
            yield from (("identity", pattern) for pattern in head.absent.identity)
            yield from (("zeros", pattern) for pattern in head.absent.zeros)


def _unscrambled(
    chosen: Match, steps: Iterable[Step], heads: int, version: Version
) -> Iterator[Step]:
    """The steps, those of a scrambled bias replaced: it needs all three biases of its layer."""
    names = chosen.index.tensors
    triples: dict[str, tuple[TensorEntry, ...]] = {}
    for triple in version.unscramble:
        expanded = ([*expand(chosen.prefix + name, chosen.numbers)] for name in triple)
        for layer in zip(*expanded, strict=True):
            sources = tuple(names[name] for name, _ in layer)
            triples |= {source.name: sources for source in sources}
    for step in steps:
        together = triples.get(step.sources[0].name)
        if together:
            part = together.index(step.sources[0])
            step = replace(step, operation="unscramble", sources=together, part=part, number=heads)
        yield step


def widest_dtype(steps: Sequence[Step]) -> np.dtype:
    """The dtype that holds every one of the weights as it is: Transformers loads all in one."""
    dtypes = {step.dtype for step in steps}
    largest = {dtype for dtype in dtypes if dtype.itemsize == max(d.itemsize for d in dtypes)}
    return largest.pop() if len(largest) == 1 else np.dtype(np.float32)  # float16 and bfloat16
