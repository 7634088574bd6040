"""Vectors of words, for synonyms: of a model of Transformers, or of a file of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agora.errors import DataError
from agora.quiet import quiet

Vectors = dict[str, npt.NDArray[np.float32]]


def read_vectors(path: Path) -> Vectors:
    """Word → float32 (size,): of a model's directory (`of_model`), else of a file (`of_file`).

    Raises:
        DataError: a line is no word with as many numbers as the others, or there are no words.
    """
    vectors = of_model(path) if path.is_dir() else of_file(path)
    if len(vectors) < 2:
        raise DataError(f"{path} has vectors of {len(vectors)} words: synonyms need some")
    return vectors


def of_model(directory: Path) -> Vectors:
    """The rows of the input embedding whose token is by itself a word of letters.

    A token that a word has within a sentence, after a space, goes before the one that starts it.
    """
    from transformers import AutoModel, AutoTokenizer

    with quiet():
        tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model: Any = AutoModel.from_pretrained(directory, local_files_only=True)
    rows = model.get_input_embeddings().weight.detach().float().numpy()
    ids = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    ids = [i for i in ids if i < len(rows)]
    words = [text.strip() for text in tokenizer.batch_decode([[i] for i in ids])]
    letters = [(i, word) for i, word in zip(ids, words, strict=True) if word.isalpha()]
    found: Vectors = {}
    for space in (" ", ""):
        texts = [space + word for _, word in letters]
        read = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        for (i, word), tokens in zip(letters, read, strict=True):
            if tokens == [i]:
                found.setdefault(word, rows[i])
    return found


def of_file(path: Path) -> Vectors:
    """A line a word: the word and its numbers, as GloVe's; word2vec's first line is skipped."""
    found: Vectors = {}
    size = 0
    with path.open(encoding="utf-8", errors="strict") as file:
        for number, line in enumerate(file, 1):
            word, *numbers = line.split() or [""]
            if number == 1 and len(numbers) == 1 and word.isdigit():
                continue
            try:
                vector = np.array(numbers, np.float32)
                if not numbers:
                    raise ValueError
            except ValueError:
                raise DataError(f"{path}, line {number}: no word and numbers") from None
            size = size or len(vector)
            if len(vector) != size or not np.isfinite(vector).all():
                raise DataError(
                    f"{path}, line {number}: {len(vector)} numbers, all finite, should be {size}"
                )
            found[word] = vector
    return found
