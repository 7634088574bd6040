"""The whole command into places that cannot take it: said in one line, and nothing is changed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.borts import source
from tests.faults.making import OLDER, arguments, command, contents, environment, names_in, run
from tests.faults.mounts import on_tmpfs, permitted

NAME = "bort_backbone"
THESIS = {"thesis": b"years of work"}


def a_file(place: Path) -> None:
    place.write_bytes(b"a file")


def a_full_directory(place: Path) -> None:
    place.mkdir()
    (place / "thesis").write_bytes(THESIS["thesis"])


def a_link_to_a_file(place: Path) -> None:
    a_file(place.with_name("other"))
    place.symlink_to("other")


def a_link_to_a_full_directory(place: Path) -> None:
    a_full_directory(place.with_name("other"))
    place.symlink_to("other")


def a_link_to_itself(place: Path) -> None:
    place.symlink_to(place)


def state(folder: Path) -> dict[str, object]:
    """Every entry of a folder: where a link points to, what a file or a directory holds."""
    found: dict[str, object] = {}
    for path in folder.iterdir():
        if path.is_symlink():
            found[path.name] = os.readlink(path)  # noqa: PTH115
        else:
            found[path.name] = contents(path) if path.is_dir() else path.read_bytes()
    return found


def refused(result: subprocess.CompletedProcess[str], words: str) -> None:
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "force"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_file, "exists and is not a directory"),
        (a_full_directory, "exists"),
        (a_link_to_a_file, "exists and is not a directory"),
        (a_link_to_a_full_directory, "exists"),
        (a_link_to_itself, "exists and is not a directory"),
    ],
)
def test_destination_that_is_something_else(
    make: Callable[[Path], None], words: str, force: tuple[str, ...], tmp_path: Path
) -> None:
    make(tmp_path / "out")
    before = state(tmp_path)
    refused(run(*arguments(NAME, tmp_path / "out", "--no-verify", *force)), words)
    assert state(tmp_path) == before


@pytest.mark.parametrize("place", ["the source", "a link to the source", "the source's folder"])
def test_destination_that_is_or_holds_the_source(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    copy = folder / "copy.params"
    copy.write_bytes(source(NAME).read_bytes())
    (folder / "link").symlink_to(copy)
    before = state(folder)
    destination = {"the source": copy, "a link to the source": folder / "link"}.get(place, folder)
    refused(run("--src", copy, "--dst", destination, "--force"), "the source is in it")
    assert state(folder) == before
    assert names_in(tmp_path) == ["folder"]


def test_dangling_link_is_filled(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("out")
    assert run(*arguments(NAME, tmp_path / "link", "--no-verify")).returncode == 0
    assert names_in(tmp_path) == ["link", "out"]
    assert (tmp_path / "link" / "model.safetensors").is_file()


@pytest.mark.parametrize("older", [False, True])
def test_read_only_destination(older: bool, tmp_path: Path) -> None:
    """A tmpfs mounted read-only; where that is not permitted, a folder without write permission."""
    mounts = permitted(tmp_path)
    folder, kept = tmp_path / "folder", tmp_path / "left"
    place = kept if mounts else folder
    folder.mkdir()
    kept.mkdir()
    if older:
        (place / "out").mkdir()
        (place / "out" / "conversion.json").write_bytes(OLDER["conversion.json"])
    before = state(place)
    args = command(*arguments(NAME, folder / "out", "--no-verify", "--force"))
    if mounts:
        args = on_tmpfs(2**20, folder, kept, args, "ro")
    else:
        folder.chmod(0o555)
    result = subprocess.run(
        args, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    folder.chmod(0o755)
    refused(result, "Read-only file system" if mounts else "Permission denied")
    assert state(place) == before
