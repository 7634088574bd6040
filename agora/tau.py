"""tau for texts and pairs of texts. The author does not say what tau was for text: all are ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein
from transformers import AutoModelForMaskedLM, AutoTokenizer

from agora.bort import device
from agora.draw import Tau, each
from agora.errors import OptionError
from agora.points import Point, content

Fill = Callable[[Sequence[str], np.random.Generator], list[str]]  # texts with a HOLE each → filled
HOLE = "\x00"
BATCH = 32
TOP = 20  # the likeliest words that one is drawn of


def edits(point: Point, other: Point) -> int:
    """The fewest words to insert, remove or replace from text to text; over both sides of pairs."""
    if isinstance(point, tuple):
        return sum(map(edits, point, other))
    return Levenshtein.distance(point.split(), other.split())


def drop(point: Point, rng: np.random.Generator) -> Point:
    """The text without one word, of at least two."""
    words = point.split()
    if len(words) > 1:
        del words[rng.integers(len(words))]
    return " ".join(words)


def swap(point: Point, rng: np.random.Generator) -> Point:
    """The text with two neighbouring words exchanged."""
    words = point.split()
    if len(words) > 1:
        i = rng.integers(len(words) - 1)
        words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def drop_or_swap(point: Point, rng: np.random.Generator) -> Point:
    """`drop` or `swap`, either as likely."""
    return (drop, swap)[rng.integers(2)](point, rng)


@dataclass(frozen=True)
class FromPool:
    """One of the `nearest` texts of a pool of unlabelled ones, by words edited."""

    pool: tuple[Point, ...] = field(repr=False)  # the run knows its digest
    nearest: int = 5

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        far = [edits(point, other) for other in self.pool]
        close = np.argsort(far, kind="stable")[: self.nearest]
        return self.pool[rng.choice(close)]


@dataclass(frozen=True)
class OneSide:
    """Perturbs one text of a pair, either as likely; of a single text, that."""

    tau: Tau

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return self.many([point], rng)[0]

    def many(self, points: Sequence[Point], rng: np.random.Generator) -> list[Point]:
        """One of each; at once, if `tau` can."""
        sides = [int(rng.integers(len(p))) if isinstance(p, tuple) else None for p in points]
        texts = [p if s is None else p[s] for p, s in zip(points, sides, strict=True)]
        return [
            text if s is None else (*p[:s], text, *p[s + 1 :])
            for p, s, text in zip(points, sides, each(self.tau, texts, rng), strict=True)
        ]


@dataclass(frozen=True)
class Refill:
    """Masks one word, and lets a masked language model (`Filler`) fill it."""

    fill: Fill

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return self.many([point], rng)[0]

    def many(self, points: Sequence[Point], rng: np.random.Generator) -> list[Point]:
        """One of each."""
        holed = []
        for point in points:
            words = point.split()
            if words:
                words[rng.integers(len(words))] = HOLE
            holed.append(" ".join(words))
        return [" ".join(text.split()) for text in self.fill(holed, rng)]


class Filler:
    """Draws among the likeliest words for the hole; pieces of words (`##s`) are never put in.

    Raises:
        OptionError: the directory has no trained masked-LM head, or its tokenizer no mask.
    """

    def __init__(self, directory: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        load: Any = AutoModelForMaskedLM.from_pretrained
        model, told = load(directory, local_files_only=True, output_loading_info=True)
        if told["missing_keys"]:
            raise OptionError(f"{directory} has no head of a masked language model")
        if self.tokenizer.mask_token_id is None:
            raise OptionError(f"the tokenizer in {directory} has no mask")
        self.model: Any = model.eval().to(device())
        self.content = content(directory)
        self.words = _words(self.tokenizer, model.config.vocab_size)
        if not self.words:
            raise OptionError(f"no token of the tokenizer in {directory} is a whole word")

    def __repr__(self) -> str:
        return f"Filler({self.content})"

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        filled: list[str] = []
        for start in range(0, len(texts), BATCH):
            some = texts[start : start + BATCH]
            masked = [text.replace(HOLE, self.tokenizer.mask_token) for text in some]
            most = self.model.config.max_position_embeddings
            inputs = self.tokenizer(
                masked, return_tensors="pt", padding=True, truncation=True, max_length=most,
                return_token_type_ids=getattr(self.model.config, "type_vocab_size", 1) > 1,
            ).to(device())  # fmt: skip
            logits = self.model(**inputs).logits.float().cpu()[..., list(self.words)]
            holes = inputs["input_ids"].cpu() == self.tokenizer.mask_token_id
            for text, rows, hole in zip(some, logits, holes, strict=True):
                if not hole.any():  # it was cut off, or there are no words
                    filled.append(text.replace(HOLE, " "))
                    continue
                best = rows[hole][0].topk(min(TOP, len(self.words)))
                chances = best.values.double().softmax(0).numpy()
                place = int(best.indices[rng.choice(len(chances), p=chances / chances.sum())])
                filled.append(text.replace(HOLE, f" {[*self.words.values()][place]} "))
        return filled


def _words(tokenizer: Any, count: int) -> dict[int, str]:
    """Id → word, of the tokens that are by themselves a word of letters within a sentence."""
    special = {*tokenizer.all_special_ids}
    ids = [i for i in sorted(tokenizer.get_vocab().values()) if i < count and i not in special]
    texts = [text.strip() for text in tokenizer.batch_decode([[i] for i in ids])]
    letters = [(i, text) for i, text in zip(ids, texts, strict=True) if text.isalpha()]
    within = [" " + text for _, text in letters]
    read = tokenizer(within, add_special_tokens=False)["input_ids"] if within else []
    return {i: text for (i, text), tokens in zip(letters, read, strict=True) if tokens == [i]}
