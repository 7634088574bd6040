"""A destination, what may stand there, and the ways of replacing it."""

from __future__ import annotations

from pathlib import Path

import pytest

import converter.files.staging
from tests.faults.making import contents
from tests.files.making import fill


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    """Absent, in a folder of its own; the tests compare what stands beside it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "out"


@pytest.fixture
def older(destination: Path) -> dict[str, bytes]:
    """An older conversion at the destination, and its files."""
    destination.mkdir()
    fill(destination, "older")
    return contents(destination)


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How an older directory is replaced: in one step, or as on systems that have none."""
    if request.param == "two renames":
        monkeypatch.setattr(converter.files.staging, "_exchange", lambda *_: False)
    return str(request.param)
