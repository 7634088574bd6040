"""What appears replaces nothing that came meanwhile, and takes over owner and permissions."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import converter.files.staging
from converter.errors import WriteError
from converter.files.area import area_of
from converter.files.staging import staging
from tests.faults.making import contents, environment, names_in
from tests.files.making import assert_only, fill, publish, publish_file

NOBODY = 65534
posix = pytest.mark.skipif(os.name != "posix", reason="permissions and owners of POSIX")
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)


def a_file(path: Path) -> None:
    path.write_text("of the user")


def a_full_directory(path: Path) -> None:
    path.mkdir(exist_ok=True)
    (path / "mine").write_text("of the user")


@pytest.fixture
def comes(monkeypatch: pytest.MonkeyPatch, destination: Path) -> Callable[..., None]:
    """Let something come to the destination between the last look and the rename."""
    check = converter.files.staging._check

    def let(come: Callable[[Path], None]) -> None:
        def then_it_came(*args: object, **more: object) -> None:
            check(*args, **more)  # type: ignore[arg-type]
            if (area_of(destination) / "new" / "weights").exists() and not came:
                came.append(True)
                come(destination)

        came: list[bool] = []
        monkeypatch.setattr(converter.files.staging, "_check", then_it_came)

    return let


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("come", [a_file, a_full_directory])
def test_what_comes_where_nothing_was_is_kept(
    come: Callable[[Path], None], force: bool, destination: Path, comes: Callable[..., None]
) -> None:
    comes(come)
    with pytest.raises(WriteError, match="exists"):
        publish(destination, force=force)
    kept = destination if come is a_file else destination / "mine"
    assert kept.read_text() == "of the user"
    assert names_in(destination.parent) == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_what_comes_into_the_empty_directory_is_kept(
    force: bool, destination: Path, comes: Callable[..., None]
) -> None:
    """An exchange took it away, and removed it with the directory that was empty before."""
    destination.mkdir()
    comes(a_full_directory)
    with pytest.raises(WriteError, match="exists"):
        publish(destination, force=force)
    assert contents(destination) == {"mine": b"of the user"}
    assert names_in(destination.parent) == ["out"]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="other systems have no call")
def test_a_file_system_that_cannot_rename_so_is_given_a_link(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS: it refuses the flag, and the plain rename replaced what had come meanwhile."""
    for flag in ("RENAME_NOREPLACE", "RENAME_EXCL"):
        monkeypatch.setattr(converter.files.staging, flag, 1 << 20)  # the kernel refuses it
    link = os.link

    def then_link(first: Path, second: Path) -> None:
        destination.write_text("of the user")
        link(first, second)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", then_link)
        with pytest.raises(WriteError, match="exists; choose another name, or --force"):
            publish_file(destination)
    assert destination.read_text() == "of the user"
    destination.unlink()
    publish_file(destination)
    assert destination.read_text() == "newer"
    assert destination.stat().st_nlink == 1
    assert names_in(destination.parent) == ["out"]


@posix
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
@pytest.mark.parametrize("empty", [False, True])
def test_the_permissions_of_what_is_replaced_stay(
    mode: int, empty: bool, destination: Path
) -> None:
    destination.mkdir()
    if not empty:
        fill(destination, "older")
    destination.chmod(mode)
    publish(destination, force=True)
    assert stat.S_IMODE(destination.stat().st_mode) == mode
    assert_only(destination, "newer")


@posix
def test_the_permissions_of_a_replaced_file_stay(destination: Path) -> None:
    destination.write_text("older")
    destination.chmod(0o600)
    publish_file(destination, force=True)
    assert stat.S_IMODE(destination.stat().st_mode) == 0o600


@root
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("empty", [False, True])
def test_the_owner_of_a_directory_and_its_read_only_mode_stay(
    empty: bool, destination: Path
) -> None:
    """Whoever has a private directory replaced by root could not enter it any more."""
    destination.mkdir()
    if not empty:
        fill(destination, "older")
    os.chown(destination, NOBODY, NOBODY)
    destination.chmod(0o500)
    publish(destination, force=True)
    found = destination.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, NOBODY, 0o500)
    assert_only(destination, "newer")


@root
def test_the_owner_of_a_file_stays(destination: Path) -> None:
    destination.write_text("older")
    destination.chmod(0o600)
    os.chown(destination, NOBODY, NOBODY)
    publish_file(destination, force=True)
    found = destination.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, NOBODY, 0o600)


@posix
@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("none", [False, True])
def test_whoever_may_not_give_away_keeps_the_group_if_it_may(
    none: bool, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def chown(_path: Path, user: int, group: int) -> None:
        asked.append((user, group))
        if none or user != -1:
            raise PermissionError(1, "Operation not permitted")

    kept = destination.stat()
    monkeypatch.setattr(os, "chown", chown)
    publish(destination, force=True)
    assert asked == [(kept.st_uid, kept.st_gid), (-1, kept.st_gid)]
    assert_only(destination, "newer")


@posix
def test_a_file_system_without_permissions_is_taken(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a USB stick: every directory has one mode, and changing it is an error."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for call in ("chmod", "fchmod", "chown"):
        monkeypatch.setattr(os, call, refuse)
    for text in ("older", "newer"):
        publish(destination, force=True, text=text)
    assert_only(destination, "newer")


def test_a_link_in_what_is_published_is_not_followed(
    destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").write_text("of the user")
    flushed: list[str] = []
    monkeypatch.setattr(converter.files.staging, "_sync", lambda path: flushed.append(path.name))
    with staging(destination) as stage:
        fill(stage.path, "newer")
        (stage.path / "link").symlink_to(tmp_path / "elsewhere")
        stage.commit()
    assert sorted(flushed) == ["conversion.json", "weights"]
    assert (destination / "link").is_symlink()


# Run as a user who is not root, in a folder of theirs
AS_A_USER = """
import os, sys
from pathlib import Path
from converter.errors import WriteError
from converter.files.area import area_of
from converter.files.staging import staging
from tests.faults.making import contents, names_in
from tests.files.making import assert_only, fill, publish
from tests.files.test_published import NOBODY

def read_only(folder):
    folder.mkdir(parents=True)
    (folder / "mine").write_text("of the user")
    (folder / "mine").chmod(0o444)
    folder.chmod(0o555)

Path("first").mkdir()
publish(Path("first/out").resolve())  # imports what another user may not be able to read
if os.geteuid() == 0:
    os.chown(".", NOBODY, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
out = Path("folder/out").resolve()
out.mkdir(parents=True)
fill(out, "older")
case = sys.argv[1]
if case == "destination":
    out.chmod(0o555)
    before = contents(out)
    for _ in range(2):
        try:
            publish(out, force=True)
        except WriteError as error:
            assert "Permission denied" in str(error), error
            assert contents(out) == before
        assert names_in(out.parent) == ["out"]
    out.chmod(0o755)
elif case == "replaced folder":
    read_only(out / "folder")
elif case == "left folder":
    area_of(out).mkdir()
    read_only(area_of(out) / "new" / "folder")
elif case == "new folder":
    with staging(out, force=True) as stage:
        fill(stage.path, "newer")
        read_only(stage.path / "folder")
        stage.commit()
    assert (out / "folder" / "mine").exists()
publish(out, force=True)
assert_only(out, "newer")
"""


@posix
@pytest.mark.parametrize("case", ["destination", "replaced folder", "left folder", "new folder"])
def test_what_is_read_only_leaves_nothing_beside(case: str) -> None:
    """What a run could not remove as it ended stopped every run after it."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is entered by its owner alone
        done = subprocess.run(
            [sys.executable, "-c", AS_A_USER, case],
            cwd=folder,
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == 0, done.stderr
