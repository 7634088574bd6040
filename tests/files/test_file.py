"""The same for one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from converter.errors import WriteError
from converter.files.staging import staging
from tests.faults.making import names_in
from tests.files.making import publish_file


def test_file_appears_and_is_replaced_by_force_alone(destination: Path) -> None:
    publish_file(destination, text="older")
    with pytest.raises(WriteError, match="exists; choose another name, or --force"):
        publish_file(destination)
    assert destination.read_text() == "older"
    publish_file(destination, force=True)
    assert destination.read_text() == "newer"
    assert names_in(destination.parent) == ["out"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["a directory", "not a regular file"])
def test_file_replaces_nothing_but_a_file(kind: str, force: bool, destination: Path) -> None:
    if kind == "a directory":
        destination.mkdir()
    elif not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names here")
    else:
        os.mkfifo(destination)
    with pytest.raises(WriteError, match=f"is {kind}"):
        publish_file(destination, force=force)
    assert names_in(destination.parent) == ["out"]


def test_link_to_a_file_keeps_pointing_at_what_is_replaced(
    destination: Path, tmp_path: Path
) -> None:
    publish_file(destination, text="older")
    link = tmp_path / "link"
    link.symlink_to(destination)
    publish_file(link, force=True)
    assert link.is_symlink()
    assert destination.read_text() == "newer"


def test_file_that_comes_meanwhile_is_kept(destination: Path) -> None:
    def write() -> None:
        with staging(destination, file=True) as stage:
            stage.path.write_text("newer")
            destination.write_text("the user's")
            stage.commit()

    with pytest.raises(WriteError, match="exists"):
        write()
    assert destination.read_text() == "the user's"
    assert names_in(destination.parent) == ["out"]


@pytest.mark.parametrize("error", [OSError(28, "No space"), KeyboardInterrupt(), SystemExit(143)])
def test_older_file_stays_when_the_rename_fails(
    error: BaseException, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    publish_file(destination, text="older")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises((WriteError, type(error))):
        publish_file(destination, force=True)
    assert destination.read_text() == "older"
    assert names_in(destination.parent) == ["out"]
