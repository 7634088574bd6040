"""A small model with as many words as a vocabulary has tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import converter

WORDS = 61  # tokens of every small model


def enlarged(source: Path, rows: int, path: Path) -> Path:
    """The fixture `source` with `rows` words, at `path`; arrays that were equal still are."""
    made: dict[bytes, np.ndarray] = {}
    random = np.random.default_rng(7)

    def resized(array: np.ndarray) -> np.ndarray:
        if array.shape[:1] != (WORDS,):
            return array
        shape = (rows, *array.shape[1:])
        return made.setdefault(array.tobytes(), random.normal(0, 0.1, shape).astype(np.float32))

    arrays = converter.load_params(source)
    converter.save_params(path, {key: resized(np.asarray(arrays[key])) for key in arrays})
    return path
