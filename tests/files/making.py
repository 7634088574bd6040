"""What is published in these tests, and what must stand there afterwards."""

from __future__ import annotations

from pathlib import Path

from converter.files.staging import RECORD_FILE, staging
from tests.faults.making import names_in


def fill(directory: Path, text: str) -> None:
    (directory / RECORD_FILE).write_text(text)
    (directory / "weights").write_text(f"weights of {text}")


def publish(destination: Path, *, force: bool = False, text: str = "newer") -> None:
    with staging(destination, force=force) as stage:
        fill(stage.path, text)
        stage.commit()


def assert_only(destination: Path, text: str) -> None:
    assert names_in(destination.parent) == [destination.name]
    assert (destination / RECORD_FILE).read_text() == text


def publish_file(destination: Path, *, force: bool = False, text: str = "newer") -> None:
    with staging(destination, file=True, force=force) as stage:
        stage.path.write_text(text)
        assert not destination.exists() or destination.read_text() != text
        stage.commit()
