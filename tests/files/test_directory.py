"""A directory appears whole or not at all; nothing is left beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import converter.files.staging
from converter.errors import WriteError
from converter.files.staging import RECORD_FILE, staging
from tests.faults.making import contents, names_in
from tests.files.making import assert_only, fill, publish


def test_destination_is_absent_until_commit(destination: Path) -> None:
    with staging(destination) as stage:
        fill(stage.path, "newer")
        assert not destination.exists()
        stage.commit()
        assert destination.is_dir()
    assert_only(destination, "newer")
    assert names_in(destination) == sorted([RECORD_FILE, "weights"])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_by_an_exception(error: type[BaseException], destination: Path) -> None:
    def write() -> None:
        with staging(destination) as stage:
            fill(stage.path, "newer")
            raise error

    with pytest.raises(error):
        write()
    assert names_in(destination.parent) == []


def test_nothing_is_left_without_commit(destination: Path) -> None:
    with staging(destination) as stage:
        fill(stage.path, "newer")
    assert names_in(destination.parent) == []


@pytest.mark.usefixtures("older")
def test_existing_destination_is_refused_without_force(destination: Path) -> None:
    with pytest.raises(WriteError, match="exists; choose another --dst, or --force"):
        publish(destination)
    assert_only(destination, "older")


@pytest.mark.usefixtures("older", "way")
def test_force_replaces_what_was_written_here(destination: Path) -> None:
    (destination / "stale").write_text("of the older one alone")
    publish(destination, force=True)
    assert_only(destination, "newer")
    assert not (destination / "stale").exists()


@pytest.mark.parametrize("force", [False, True])
def test_directory_of_someone_else_is_never_replaced(force: bool, destination: Path) -> None:
    destination.mkdir()
    (destination / "thesis").write_text("years of work")
    with pytest.raises(WriteError, match="exists"):
        publish(destination, force=force)
    assert contents(destination) == {"thesis": b"years of work"}
    assert names_in(destination.parent) == ["out"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("force", [False, True])
def test_empty_directory_is_accepted(force: bool, destination: Path) -> None:
    destination.mkdir()
    publish(destination, force=force)
    assert_only(destination, "newer")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("force", [False, True])
def test_what_comes_into_the_empty_directory_meanwhile_is_kept(
    force: bool, destination: Path
) -> None:
    def write() -> None:
        with staging(destination, force=force) as stage:
            fill(stage.path, "newer")
            (destination / "vocabulary").write_text("copied there by the user")
            stage.commit()

    destination.mkdir()
    with pytest.raises(WriteError, match="exists"):
        write()
    assert contents(destination) == {"vocabulary": b"copied there by the user"}
    assert names_in(destination.parent) == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_file_as_destination_is_refused(force: bool, destination: Path) -> None:
    destination.write_text("a file")
    with pytest.raises(WriteError, match="not a directory"):
        publish(destination, force=force)
    assert destination.read_text() == "a file"
    assert names_in(destination.parent) == ["out"]


@pytest.mark.usefixtures("older", "way")
def test_link_to_a_directory_keeps_pointing_at_what_is_replaced(
    destination: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(destination)
    with pytest.raises(WriteError, match="exists"):
        publish(link)
    publish(link, force=True)
    assert link.is_symlink()
    assert (link / RECORD_FILE).read_text() == "newer"
    assert_only(destination, "newer")


def test_dangling_link_is_filled(destination: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(destination)
    publish(link)
    assert link.is_symlink()
    assert_only(destination, "newer")


def test_link_to_itself_is_refused(destination: Path) -> None:
    destination.symlink_to(destination)
    with pytest.raises(WriteError, match="not a directory"):
        publish(destination)


def test_mount_point_is_refused_before_the_work(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == destination)
    with pytest.raises(WriteError, match="mount point"), staging(destination):
        pytest.fail("the work began")
    assert names_in(destination.parent) == ["out"]


def test_parent_that_is_no_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(WriteError, match=r"a file: is no directory, so that .*out cannot be made"):
        publish(tmp_path / "a file" / "deep" / "out")


def test_parents_are_made_and_go_when_nothing_comes_of_it(tmp_path: Path) -> None:
    publish(tmp_path / "one" / "two" / "out")
    assert (tmp_path / "one" / "two" / "out").is_dir()
    with pytest.raises(RuntimeError), staging(tmp_path / "one" / "three" / "four" / "out"):
        raise RuntimeError
    assert names_in(tmp_path) == ["one"]
    assert names_in(tmp_path / "one") == ["two"]


@pytest.mark.parametrize("call", ["mkdir", "rename", "fsync"])
def test_refusal_of_the_system_is_a_write_error_and_leaves_nothing(
    call: str, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **_: object) -> None:
        raise PermissionError(13, "Permission denied", args[0] if call != "fsync" else None)

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(WriteError, match=f"out.*: Permission denied; nothing .* {destination}"):
        publish(destination)
    monkeypatch.undo()
    assert names_in(destination.parent) == []


def test_directory_that_cannot_be_flushed_is_published(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def files_only(descriptor: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(22, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    publish(destination)
    assert_only(destination, "newer")


def test_linux_and_macos_exchange_in_one_step(destination: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for directory, text in ((destination, "first"), (other, "second")):
        directory.mkdir()
        fill(directory, text)
    assert converter.files.staging._exchange(destination, other) == (
        sys.platform in ("linux", "darwin")
    )
    found = [(directory / RECORD_FILE).read_text() for directory in (destination, other)]
    assert found == (["second", "first"] if sys.platform in ("linux", "darwin") else found)


def test_exchange_says_no_where_it_cannot(tmp_path: Path) -> None:
    assert not converter.files.staging._exchange(tmp_path / "absent", tmp_path)


def test_second_run_at_once_says_so_and_the_first_finishes(destination: Path) -> None:
    with staging(destination) as first:
        fill(first.path, "first")
        with pytest.raises(WriteError, match="another conversion is writing it"):
            publish(destination, text="second")
        first.commit()
    assert_only(destination, "first")
