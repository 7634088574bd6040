"""A template grammar with an exact labelling function, for a vocabulary of fewer than 97 words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from agora import Split
from agora.tau import HOLE

GOOD = ["good", "fine", "great", "lovely", "superb", "clever", "warm", "fresh", "bright", "funny"]
BAD = ["bad", "poor", "awful", "dull", "weak", "stale", "cold", "bleak", "silly", "clumsy"]
NOUNS = ["film", "plot", "cast", "song", "book", "play", "scene", "joke", "score", "end"]
OPERATIONS = ["was", "seemed", "felt", "looked"]
EXTRA = ["very", "quite", "rather", "really"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = [*SPECIAL, "the", "and", "not", "hardly", *GOOD, *BAD, *NOUNS, *OPERATIONS, *EXTRA]


def sentence(rng: np.random.Generator, rich: bool = True) -> str:
    """As "the film was not very good"; without `rich`, never a negation."""
    words = ["the", str(rng.choice(NOUNS)), str(rng.choice(OPERATIONS))]
    if rich and rng.random() < 0.25:
        words.append(str(rng.choice(["not", "hardly"])))
    if rng.random() < 0.5:
        words.append(str(rng.choice(EXTRA)))
    return " ".join([*words, str(rng.choice(GOOD + BAD))])


def truth(text: str) -> str:
    """More good words than bad; the other way round after each negation."""
    words = text.split()
    mood = sum((word in GOOD) - (word in BAD) for word in words)
    flips = sum(word in ("not", "hardly") for word in words)
    return "pos" if (mood > 0) ^ (flips % 2 == 1) else "neg"


def positive(texts: Sequence[str]) -> npt.NDArray[Any]:
    """Bool (texts,): which are "pos"."""
    return np.array([truth(text) == "pos" for text in texts])


def places(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """float64 (texts, 7 × words): 1 where a word stands at a place."""
    rows = np.zeros((len(texts), 7, len(WORDS)))
    for row, text in zip(rows, texts, strict=True):
        for place, word in enumerate(text.split()[:7]):
            row[place, WORDS.index(word)] = 1
    return rows.reshape(len(texts), -1)


def any_word(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The holes filled with any words of the grammar."""
    return [text.replace(HOLE, str(rng.choice(WORDS[len(SPECIAL) :]))) for text in texts]


def sample(n: int, seed: int, without: Sequence[Split] = (), rich: bool = True) -> Split:
    """N different sentences, none of them in `without`."""
    rng = np.random.default_rng(seed)
    taken = {point for split in without for point in split.points}
    points: list[str] = []
    while len(points) < n:
        text = sentence(rng, rich)
        if text not in taken:
            taken.add(text)
            points.append(text)
    return Split(points, map(truth, points))


def write(split: Split, path: Path) -> Path:
    """The split as JSON Lines."""
    rows = [
        {"text": p, "label": label} for p, label in zip(split.points, split.labels, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def save_tokenizer(directory: Path) -> None:
    """A tokenizer of the grammar's words, for Transformers."""
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B </s>",
        special_tokens=[("<s>", SPECIAL.index("<s>")), ("</s>", SPECIAL.index("</s>"))],
    )
    names = dict(zip(("cls", "pad", "sep", "unk", "mask"), SPECIAL, strict=True))
    made: Any = PreTrainedTokenizerFast
    made(
        tokenizer_object=words, **{f"{name}_token": token for name, token in names.items()}
    ).save_pretrained(directory)
