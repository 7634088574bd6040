from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from tests.agora.commands import prepare


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    """Made once for all workers, which read it alone: a teacher is trained for it."""
    here = tmp_path_factory.getbasetemp()
    everyones = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    place = everyones / "agora"
    with FileLock(everyones / "agora.lock"):
        if not place.exists():
            prepare(tmp_path_factory.mktemp("agora"), fixtures).rename(place)
    return place
