"""What every plan says, whichever way it was made: all that writing, bits and names ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.errors import safe
from converter.params import Index, TensorEntry
from converter.planning.assumptions import Assumed
from converter.planning.steps import Step

# What the target has no place for, under its own names
UNCONVERTED_FILE = "not_converted.safetensors"
MODULE_FILE = "model.py"  # the module of a graph


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan(ABC):
    """Everything that will happen to the tensors of a file: complete before a weight is read.

    `name` is the way it goes, for messages: a family's, for one. `index` is what is in the file;
    `steps` make the tensors of the target, in `dtype` (a key of `DTYPES`). The `tied` pairs are
    equal by assumption, checked when the bytes are read, and so are the zeros of `zero`;
    `exported` are written beside the model under their own names; `dropped` gives the reason for
    every other tensor that is left out. `assumed` is what no file tells and nobody gave.
    """

    name: str
    index: Index
    steps: tuple[Step, ...]
    dtype: str
    tied: tuple[tuple[TensorEntry, TensorEntry], ...] = ()
    zero: tuple[TensorEntry, ...] = ()
    exported: tuple[TensorEntry, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    assumed: tuple[Assumed, ...] = ()

    def __repr__(self) -> str:
        file = safe(self.index.path.name)
        return f"<{type(self).__name__} of {file}: {self.name}, {len(self.steps):,} tensors>"

    @abstractmethod
    def beside(self) -> Mapping[str, Any]:
        """The files beside the weights, by name: a text each, or what is written as JSON."""

    @property
    def nbytes(self) -> int:
        """Size of all target data in bytes."""
        return sum(step.nbytes for step in self.steps)

    def rows(self) -> Iterator[tuple[Step, ...]]:
        """The steps that come of the same sources by the same operation, together, in order."""
        together: dict[Any, list[Step]] = {}
        for step in self.steps:
            if step.sources:
                key = step.operation, *(source.name for source in step.sources)
                together.setdefault(key, []).append(step)
        for steps in together.values():
            yield tuple(sorted(steps, key=lambda step: step.part))

    def untied(self, second: TensorEntry, first: TensorEntry) -> str:
        """The end of what is said when two `tied` tensors differ: what to do about it."""
        return ""
