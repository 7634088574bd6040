"""tau for texts and pairs of texts. The author does not say what tau was for text: all are ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from agora.draw import Tau
from agora.errors import OptionError
from agora.points import Point
from agora.quiet import quiet

Fill = Callable[[str, np.random.Generator], str]  # a text with one hole, HOLE → the text filled
HOLE = "\x00"


def edits(first: str, second: str) -> int:
    """The fewest words to insert, remove or replace to get from one text to the other."""
    a, b = first.split(), second.split()
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, before + (word != other))
            before, row[j] = row[j], cost
    return row[-1]


class _Words:
    """The distance of texts: words edited, over both sides of a pair."""

    def distance(self, point: Point, other: Point) -> float:
        if isinstance(point, tuple):
            return float(sum(map(edits, point, other)))
        return float(edits(point, other))


@dataclass(frozen=True)
class Drop(_Words):
    """Leaves out one word, of at least two."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        words = point.split()
        if len(words) > 1:
            del words[rng.integers(len(words))]
        return " ".join(words)


@dataclass(frozen=True)
class Swap(_Words):
    """Exchanges two neighbouring words."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        words = point.split()
        if len(words) > 1:
            i = rng.integers(len(words) - 1)
            words[i], words[i + 1] = words[i + 1], words[i]
        return " ".join(words)


@dataclass(frozen=True)
class Synonym(_Words):
    """Replaces one word by one of its `nearest` neighbours in an embedding.

    vectors: word → vector; words without one are left alone. Neighbours are by cosine.
    source: where the vectors are from, for the run's record.
    """

    vectors: Mapping[str, Any] = field(repr=False)
    nearest: int = 5
    source: str = ""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        words = point.split()
        known = [i for i, word in enumerate(words) if word in self.vectors]
        if known:
            i = rng.choice(known)
            words[i] = str(rng.choice(self.neighbours(words[i])))
        return " ".join(words)

    def neighbours(self, word: str) -> list[str]:
        """The nearest other words, nearest first; the word itself if there is no other."""
        names, rows = self._rows
        far = -(rows @ rows[names.index(word)])
        close = np.argsort(far, kind="stable")[: self.nearest + 1]
        return [names[i] for i in close if names[i] != word][: self.nearest] or [word]

    @cached_property
    def _rows(self) -> tuple[list[str], npt.NDArray[np.float64]]:
        """The words, and their vectors at length 1."""
        rows = np.stack([np.asarray(vector, float) for vector in self.vectors.values()])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return [*self.vectors], rows / np.where(lengths > 0, lengths, 1)


@dataclass(frozen=True)
class Refill(_Words):
    """Masks one word, and lets a masked language model fill it.

    fill: takes a text with HOLE in the place of a word; `masked_model` makes one of a directory.
    """

    fill: Fill

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        words = point.split()
        if words:
            words[rng.integers(len(words))] = HOLE
        return " ".join(self.fill(" ".join(words), rng).split())


@dataclass(frozen=True)
class Either(_Words):
    """One of several taus, each as likely."""

    taus: tuple[Tau, ...]

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return self.taus[rng.integers(len(self.taus))](point, rng)


@dataclass(frozen=True)
class OneSide(_Words):
    """Perturbs one text of a pair: side 0, 1, or either (None); of a single text, that."""

    tau: Tau
    side: int | None = None

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        if not isinstance(point, tuple):
            return self.tau(point, rng)
        side = int(rng.integers(len(point))) if self.side is None else self.side
        return (*point[:side], self.tau(point[side], rng), *point[side + 1 :])


@dataclass(frozen=True)
class FromTable(_Words):
    """One of the `nearest` texts of a table of labelled ones, by words edited.

    For a teacher that is a table: it has labels for nothing else.
    """

    table: tuple[Point, ...] = field(repr=False)
    nearest: int = 5

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        if not self.table:
            raise OptionError("the table of labels is empty")
        far = [self.distance(point, other) for other in self.table]
        close = np.argsort(far, kind="stable")[: self.nearest + 1]
        return self.table[rng.choice(close)]


class Filler:
    """A masked language model of Transformers that fills a hole: draws among its `top` tokens."""

    def __init__(self, directory: str, top: int = 20) -> None:
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        self.directory, self.top = directory, top
        with quiet():
            self.tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
            self.model: Any = AutoModelForMaskedLM.from_pretrained(directory, local_files_only=True)
        self.model.eval()
        if self.tokenizer.mask_token_id is None:
            raise OptionError(f"the tokenizer in {directory} has no mask: use another tau")

    def __repr__(self) -> str:
        return f"Filler({self.directory!r}, {self.top})"

    def __call__(self, text: str, rng: np.random.Generator) -> str:
        import torch

        before, _, after = text.partition(HOLE)
        masked = f"{before}{self.tokenizer.mask_token}{after}"
        inputs = self.tokenizer(
            masked, return_tensors="pt", truncation=True, max_length=self._most()
        )
        inputs.pop("token_type_ids", None)
        places = (inputs["input_ids"][0] == self.tokenizer.mask_token_id).nonzero()
        if not len(places):  # cut off
            return text.replace(HOLE, "")
        with torch.no_grad():
            logits = self.model(**inputs).logits[0, places[0, 0]]
        logits[self.tokenizer.all_special_ids] = -torch.inf
        best = logits.topk(min(self.top, len(logits)))
        chances = best.values.double().softmax(0).numpy()
        token = int(best.indices[rng.choice(len(chances), p=chances / chances.sum())])
        return text.replace(HOLE, " " + self.tokenizer.decode([token]).strip() + " ")

    def _most(self) -> int:
        most: int = self.model.config.max_position_embeddings
        return most
