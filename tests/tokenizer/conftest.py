"""One conversion with its tokenizer and one without, for all tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tokenizer.bort import OPTIONS, convert, sized


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture Bort with its decoder, and as many rows as the small vocabulary has tokens."""
    return sized(tmp_path_factory.mktemp("source") / "bort.params")


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
