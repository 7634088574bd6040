"""One conversion with its tokenizer and one without, for all tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import converter
from tests import borts
from tests.tokenizer.bort import OPTIONS, ROWS, convert


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture Bort with its decoder, and as many rows as the small vocabulary has tokens."""
    path = tmp_path_factory.mktemp("source") / "bort.params"
    arrays = dict(converter.load_params(borts.source("bort_decoder")))
    random = np.random.default_rng(6)
    for name in ("word_embed.0.weight", "decoder.3.bias"):
        old = np.asarray(arrays[name])
        arrays[name] = random.normal(0, 0.1, (ROWS, *old.shape[1:])).astype(np.float32)
    arrays["decoder.3.weight"] = arrays["word_embed.0.weight"]
    converter.save_params(path, arrays)
    return path


@pytest.fixture(scope="session")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted with its tokenizer."""
    out = tmp_path_factory.mktemp("whole") / "out"
    convert(source, out, **OPTIONS)
    return out


@pytest.fixture(scope="session")
def bare(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted without one."""
    out = tmp_path_factory.mktemp("bare") / "out"
    convert(source, out)
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))
