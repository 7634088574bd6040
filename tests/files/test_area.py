"""The place beside a destination: what this program did not make in it is left alone."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

import converter.files.area
import converter.files.mounts
import converter.files.staging
from converter.errors import WriteError
from converter.files.area import area_of, held_area
from converter.files.staging import staging
from tests.faults.making import contents, names_in
from tests.files.making import assert_only, fill, publish, publish_file

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and owners of POSIX")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory with names such as this program's own in it, which must stay."""
    folder = tmp_path / "elsewhere"
    for name in ("new", "old"):
        (folder / name).mkdir(parents=True)
        (folder / name / "thesis").write_text("years of work")
    (folder / "lock").write_text("of another program")
    return folder


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_in_place_of_the_area_is_not_followed(
    dangling: bool, destination: Path, elsewhere: Path
) -> None:
    before = contents(elsewhere)
    area_of(destination).symlink_to(elsewhere / "absent" if dangling else elsewhere)
    with pytest.raises(WriteError, match="is no directory: bort-convert works in a directory of"):
        publish(destination)
    assert contents(elsewhere) == before
    assert not destination.exists()


@pytest.mark.parametrize("name", ["new", "old", "lock"])
def test_a_link_in_the_area_is_not_followed(name: str, destination: Path, elsewhere: Path) -> None:
    before = contents(elsewhere)
    area_of(destination).mkdir()
    (area_of(destination) / name).symlink_to(elsewhere / name)
    with pytest.raises(WriteError, match=f"holds '{name}'"):
        publish(destination)
    assert contents(elsewhere) == before
    assert not destination.exists()


def test_a_directory_of_that_name_with_something_else_in_it_stays(destination: Path) -> None:
    area_of(destination).mkdir()
    (area_of(destination) / "thesis").write_text("years of work")
    with pytest.raises(WriteError, match="holds 'thesis'"):
        publish(destination)
    assert contents(area_of(destination)) == {"thesis": b"years of work"}


def test_a_file_of_that_name_stays(destination: Path) -> None:
    area_of(destination).write_text("a file")
    with pytest.raises(WriteError, match="is no directory"):
        publish(destination)
    assert area_of(destination).read_text() == "a file"


@posix
def test_the_area_of_another_user_is_not_used(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area_of(destination).mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(WriteError, match="another user's conversion is writing it, or was killed"):
        publish(destination)
    area_of(destination).rmdir()
    publish(destination)  # made just now: on NFS the server's nobody may own it
    assert_only(destination, "newer")


@posix
@pytest.mark.parametrize("link", [True, False])
def test_what_is_removed_is_the_area_even_if_its_name_is_given_away(
    link: bool, destination: Path, elsewhere: Path
) -> None:
    """Between the look and the removal, a link or another directory takes the area's name."""
    before = contents(elsewhere)
    with held_area(destination) as area:
        (area / "new").mkdir()
        fill(area / "new", "newer")
        area.rename(area.with_name("moved"))
        if link:
            area.symlink_to(elsewhere)
        else:
            shutil.copytree(elsewhere, area)
    assert contents(elsewhere) == before
    if not link:
        assert contents(area) == before
    assert not (destination.parent / "moved" / "new").exists()


WAYS = ["the system's call", "a link", "neither"]


@pytest.fixture(params=WAYS)
def no_replace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a file is published without replacing another."""
    if request.param != "the system's call":
        monkeypatch.setattr(converter.files.staging, "_rename", lambda *_: False)
    if request.param == "neither":

        def refuse(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


def test_a_file_is_published(no_replace: str, destination: Path) -> None:
    publish_file(destination)
    assert destination.read_text() == "newer", no_replace
    assert names_in(destination.parent) == ["out"]


@pytest.mark.usefixtures("no_replace")
@pytest.mark.parametrize("no_replace", WAYS[:2], indirect=True)  # else the last look is all
def test_a_file_that_came_meanwhile_is_not_replaced(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look and the rename."""
    check = converter.files.staging._check

    def then_it_came(*args: object, **more: object) -> None:
        check(*args, **more)  # type: ignore[arg-type]
        if (area_of(destination) / "new" / "file").exists():
            destination.write_text("of the user")

    monkeypatch.setattr(converter.files.staging, "_check", then_it_came)
    with pytest.raises(WriteError, match="exists; choose another name, or --force"):
        publish_file(destination)
    assert destination.read_text() == "of the user"
    assert names_in(destination.parent) == ["out"]


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("names", [["mine.txt"], [f"{n}.txt" for n in range(9)], ["evil\x1b[31m"]])
def test_force_leaves_a_directory_with_the_users_files(names: list[str], destination: Path) -> None:
    before = contents(destination)
    with (
        pytest.raises(WriteError, match=r"and this is not: .*; move it away") as caught,
        staging(destination, force=True, foreign=lambda _: names),
    ):
        pytest.fail("the work began")
    assert "\x1b" not in str(caught.value)
    assert ("and 4 more" in str(caught.value)) == (len(names) == 9)
    assert contents(destination) == before


@pytest.mark.usefixtures("older")
def test_files_that_the_user_puts_in_meanwhile_are_kept(destination: Path) -> None:
    def foreign(directory: Path) -> list[str]:
        return [path.name for path in directory.iterdir() if path.name == "mine"]

    def write() -> None:
        with staging(destination, force=True, foreign=foreign) as stage:
            fill(stage.path, "newer")
            (destination / "mine").write_text("of the user")
            stage.commit()

    with pytest.raises(WriteError, match="and this is not: mine"):
        write()
    assert_only(destination, "older")


@pytest.mark.usefixtures("older")
def test_a_mount_in_the_directory_is_not_lost(
    destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = destination / "a folder" / "disk"
    inner.mkdir(parents=True)
    (inner / "thesis").write_text("years of work")
    before = contents(destination)
    ismount = os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == inner or ismount(path))
    with pytest.raises(WriteError, match=r"something is mounted in it \(disk\)"):
        publish(destination, force=True)
    monkeypatch.undo()
    mounts = tmp_path / "mountinfo"
    place = str(inner).replace(" ", "\\040")
    mounts.write_text(f"36 35 98:0 /mnt1 {place} rw,noatime master:1 - ext3 /dev/root rw\n")
    monkeypatch.setattr(converter.files.mounts, "MOUNTS", mounts)  # a bind of the same system
    with pytest.raises(WriteError, match=r"something is mounted in it \(a folder/disk\)"):
        publish(destination, force=True)
    assert contents(destination) == before
    monkeypatch.undo()
    publish(destination, force=True)


@posix
@pytest.mark.parametrize("there", [False, True])
def test_nobody_else_can_look_into_the_area(there: bool, destination: Path) -> None:
    """An earlier version made it for all to see; so does filelock, if it was gone."""
    if there:
        area_of(destination).mkdir(mode=0o755)
    with staging(destination):
        assert stat.S_IMODE(area_of(destination).stat().st_mode) == 0o700


@posix
@pytest.mark.parametrize("link", [True, False])
def test_what_takes_the_areas_place_before_it_is_opened_stays(
    link: bool, destination: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = converter.files.area._locked

    def then_moved(place: Path, area: Path) -> object:
        lock = locked(place, area)
        area.rename(area.with_name("moved"))
        if link:
            area.symlink_to(elsewhere)
        else:
            shutil.copytree(elsewhere, area)
        return lock

    before = contents(elsewhere)
    monkeypatch.setattr(converter.files.area, "_locked", then_moved)
    with pytest.raises(WriteError, match=r"another directory took its place|Not a directory"):
        publish(destination)
    assert contents(elsewhere) == contents(area_of(destination)) == before


def test_a_mount_in_what_a_killed_run_left_is_not_emptied(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = area_of(destination) / "new" / "disk"
    inner.mkdir(parents=True)
    (inner / "thesis").write_text("years of work")
    ismount = os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == inner or ismount(path))
    with pytest.raises(WriteError, match=r"something is mounted in it \(disk\)"):
        publish(destination)
    assert (inner / "thesis").read_text() == "years of work"
    monkeypatch.undo()
    publish(destination)
    assert_only(destination, "newer")


def test_what_cannot_be_removed_is_said(destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (area_of(destination) / "new").mkdir(parents=True)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "new")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(WriteError, match=r"bort-convert: what a killed run left in it cannot be"):
        publish(destination)
    monkeypatch.undo()
    publish(destination)
    assert_only(destination, "newer")
