from __future__ import annotations

from pathlib import Path

import pytest

from tests.agora.commands import prepare


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    return prepare(tmp_path_factory.mktemp("agora"), fixtures)
