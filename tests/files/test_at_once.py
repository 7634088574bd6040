"""Several runs into one destination: one writes, and each other is told so in one line."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import converter.files.area
from converter.errors import WriteError
from tests.faults.making import names_in
from tests.files.making import assert_only, publish


def test_a_run_that_ends_while_another_begins_is_waited_out(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The area goes between the second's look and its lock; it makes its own."""
    found: list[bool] = []
    is_there = converter.files.area._is_there

    def removed_once(area: Path, lock: object, within: object) -> bool:
        if not found:
            (area / "lock").unlink()
            area.rmdir()
        found.append(is_there(area, lock, within))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(converter.files.area, "_is_there", removed_once)
    publish(destination)
    assert found[:2] == [False, True]
    assert_only(destination, "newer")


@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
def test_so_is_one_that_ends_while_the_lock_is_made(
    error: type[OSError], destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loser was told "File exists; nothing was written", and no more."""
    acquire, asked = FileLock.acquire, 0

    def gone_once(lock: FileLock, **more: Any) -> object:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise error(lock.lock_file)
        return acquire(lock, **more)

    monkeypatch.setattr(FileLock, "acquire", gone_once)
    publish(destination)
    assert asked == 2
    assert_only(destination, "newer")


def test_of_many_at_once_one_writes_and_each_other_is_told(destination: Path) -> None:
    """Every loser has one of three clear messages, and no directory is made of two runs."""
    told: list[str] = []
    start = threading.Barrier(8)

    def run(number: int) -> None:
        start.wait()
        try:
            publish(destination, text=str(number))
            told.append("wrote")
        except WriteError as error:
            told.append(str(error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.count("wrote") == 1
    clear = ("another conversion is writing it; wait for its end", "exists; choose another --dst")
    assert all(text == "wrote" or any(words in text for words in clear) for text in told), told
    text = (destination / "conversion.json").read_text()
    assert (destination / "weights").read_text() == f"weights of {text}"
    assert names_in(destination.parent) == ["out"]
