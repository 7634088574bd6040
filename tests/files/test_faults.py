"""Renames that fail, runs that were killed: the older directory stays, or comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import converter.files.staging
from converter.errors import WriteError
from tests.faults.making import contents, names_in
from tests.files.making import assert_only, fill, publish


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> Iterator[None]:
    """Let the rename of this number (1 is the first) raise, and only that one."""
    rename, count = os.rename, 0

    def counted(first: Path, second: Path, **place: int) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise error
        rename(first, second, **place)

    monkeypatch.setattr(converter.files.staging, "_exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", counted)
    yield
    monkeypatch.undo()
    assert count >= number


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("error", [OSError(28, "No space"), KeyboardInterrupt(), SystemExit(143)])
def test_older_one_stays_when_a_rename_fails_or_is_interrupted(
    number: int,
    error: BaseException,
    destination: Path,
    older: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises((WriteError, type(error))), failing(monkeypatch, number, error):
        publish(destination, force=True)
    assert contents(destination) == older
    assert names_in(destination.parent) == ["out"]


def test_older_one_survives_a_put_back_that_fails_too(
    destination: Path, older: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def only_away(first: Path, second: Path, **place: int) -> None:
        if second == destination:
            raise OSError(5, "Input/output error")
        rename(first, second, **place)

    monkeypatch.setattr(converter.files.staging, "_exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", only_away)
    with pytest.raises(WriteError):
        publish(destination, force=True)
    monkeypatch.undo()
    assert not destination.exists()
    with pytest.raises(WriteError, match="exists"):  # the next run puts it back, then asks
        publish(destination)
    assert contents(destination) == older


def killed(destination: Path, *names: str) -> None:
    """What a killed run leaves beside `destination`."""
    area = destination.parent / ".out.bort-convert"
    area.mkdir()
    (area / "lock").touch()
    for name in names:
        (area / name).mkdir()
        fill(area / name, name)


@pytest.mark.parametrize("names", [[], ["new"], ["new", "old"], ["old"]])
def test_next_run_removes_what_a_killed_one_left(names: list[str], destination: Path) -> None:
    killed(destination, *names)
    publish(destination, force=True)
    assert_only(destination, "newer")


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("names", [["new"], ["new", "old"], ["old"]])
def test_refused_run_removes_what_a_killed_one_left(names: list[str], destination: Path) -> None:
    killed(destination, *names)
    with pytest.raises(WriteError, match="exists"):
        publish(destination)
    assert_only(destination, "older")


def test_killed_between_two_renames_the_older_one_goes_back(destination: Path) -> None:
    killed(destination, "new", "old")
    with pytest.raises(WriteError, match="exists; choose another"):
        publish(destination)
    assert_only(destination, "old")
