"""--force replaces what this program wrote, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

import converter
from converter.errors import WriteError
from tests import borts, zoo
from tests.faults.making import CONFIG, arguments, command, contents, environment
from tests.faults.mounts import permitted
from tests.tokenizer.bort import OPTIONS
from tests.tokenizer.bort import convert as with_tokenizer
from tests.tokenizer.conftest import source  # noqa: F401  (a fixture)

NAME = "bort_backbone"
posix = pytest.mark.skipif(os.name != "posix", reason="links that everybody may make")


def convert(out: Path, *, force: bool = False) -> None:
    converter.convert(
        borts.source(NAME), out, family="bort", config=CONFIG, verify=False, force=force
    )


def earlier(out: Path) -> None:
    """Let it have a record such as the first versions wrote, without lists of files."""
    record = json.loads((out / "conversion.json").read_text())
    for key in ("schema", "digest", "sha256", "files", "options", "exported"):
        del record[key]
    (out / "conversion.json").write_text(json.dumps(record))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    convert(tmp_path / "out")
    return tmp_path / "out"


def test_what_was_written_here_is_replaced(out: Path) -> None:
    (out / "README.md").write_text("a card that the user edited is a card")
    convert(out, force=True)
    assert (out / "README.md").read_text() != "a card that the user edited is a card"


def test_so_is_every_kind_of_directory(source: Path, tmp_path: Path) -> None:  # noqa: F811
    """With a tokenizer, in shards, with what no class has a place for."""
    out = tmp_path / "out"
    for force in (False, True):
        with_tokenizer(source, out, force=force, **OPTIONS)
    shutil.rmtree(out)
    plan = zoo.plan_of("scripts/xlnet_qa")
    for force in (False, True):
        converter.convert(
            plan.index.path,
            out,
            config=dict(plan.overrides),
            verify=False,
            max_shard_size=20_000,
            force=force,
        )
    assert len([*out.glob("model-*.safetensors")]) > 1
    assert (out / "not_converted.safetensors").exists()


def test_a_directory_of_before_there_were_numbers_is_replaced(out: Path) -> None:
    earlier(out)
    convert(out, force=True)
    assert "digest" in json.loads((out / "conversion.json").read_text())


@pytest.mark.parametrize(
    "name", ["notes.txt", "pytorch_model.bin", "model.safetensors.bak", "checkpoints/", ".git/"]
)
def test_a_file_of_the_users_own_stops_it_by_name(name: str, out: Path) -> None:
    path = out / name
    if name.endswith("/"):
        path.mkdir()
        (path / "thesis").write_text("years of work")
    else:
        path.write_text("years of work")
    before = contents(out)
    with pytest.raises(WriteError, match=f"and this is not: {name.rstrip('/')}; move it away"):
        convert(out, force=True)
    assert contents(out) == before


@pytest.mark.parametrize(
    "record", ["", "{}", "[]", "null", "{", "[" * 100_000, '{"tool": {"name": "another"}}']
)
def test_a_record_of_another_program_stops_it(record: str, tmp_path: Path) -> None:
    """A directory with somebody's conversion.json was replaced, whatever was in it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "conversion.json").write_text(record)
    with pytest.raises(WriteError, match=r"this is not: conversion\.json \(it is not as"):
        convert(tmp_path / "out", force=True)
    assert contents(tmp_path / "out") == {"conversion.json": record.encode()}


OURS = [
    *("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "not_converted.safetensors"),
    *("model-00001-of-00002.safetensors", "model.safetensors.index.json"),
]


@pytest.mark.parametrize("name", OURS)
def test_a_file_under_a_name_of_ours_that_the_conversion_did_not_write_stops_it(
    name: str, out: Path
) -> None:
    """A tokenizer of the user's own beside a model that was converted without one was lost."""
    (out / name).write_text("of the user")
    before = contents(out)
    with pytest.raises(WriteError, match=f"and this is not: {name}; move it away"):
        convert(out, force=True)
    assert contents(out) == before


@pytest.mark.parametrize("name", OURS)
def test_of_an_earlier_version_every_name_that_it_may_have_written_is_its_own(
    name: str, out: Path
) -> None:
    """Its record does not list what it wrote; any other name stops it as ever."""
    earlier(out)
    (out / name).write_text("of the earlier version")
    (out / "mine").write_text("of the user")
    with pytest.raises(WriteError, match="and this is not: mine; move it away"):
        convert(out, force=True)
    (out / "mine").unlink()
    convert(out, force=True)
    assert not (out / name).exists() or (out / name).read_text() != "of the earlier version"


@posix
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "README.md"])
def test_a_link_in_place_of_a_file_of_ours_stops_it(name: str, out: Path, tmp_path: Path) -> None:
    (out / name).rename(tmp_path / "elsewhere")
    (out / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WriteError, match=f"and this is not: {name}; move it away"):
        convert(out, force=True)
    assert (out / name).is_symlink()


def test_a_directory_in_place_of_a_file_of_ours_stops_it(out: Path) -> None:
    (out / "merges.txt").mkdir()
    with pytest.raises(WriteError, match=r"this is not: merges\.txt"):
        convert(out, force=True)


def test_the_directory_keeps_its_permissions(out: Path) -> None:
    out.chmod(0o700)
    convert(out, force=True)
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


# Something of $1 is mounted at $2; then the command.
MOUNTED = """
mount --bind "$1" "$2" || exit 99
shift 2
"$@"
"""


def with_mount(what: Path, place: Path, args: list[str]) -> subprocess.CompletedProcess[str]:
    """The command, while `what` is mounted at `place`."""
    mounted = ["sh", "-c", MOUNTED, "sh", str(what), str(place), *args]
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", *mounted],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_mounted_in_it_is_not_lost(
    kind: str,
    source: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """`tokenizer` makes the directory anew, the user's files too; a mount would be emptied."""
    if not permitted(tmp_path):
        pytest.skip("nothing can be mounted here; tests/files/test_area.py has it by a patch")
    out, precious = tmp_path / "out", tmp_path / "precious"
    with_tokenizer(source, out)
    place = out / "mine"
    if kind == "folder":
        precious.mkdir()
        (precious / "thesis").write_text("years of work")
        place.mkdir()
    else:
        precious.write_text("years of work")
        place.write_text("")
    options = [f"--{name}={path}" for name, path in OPTIONS.items()]
    done = with_mount(precious, place, command("tokenizer", "--dst", out, *options))
    assert done.returncode == 1, done.stderr
    assert "something is mounted in it (mine)" in done.stderr
    kept = precious / "thesis" if kind == "folder" else precious
    assert kept.read_text() == "years of work"


def test_a_file_of_ours_that_is_mounted_from_elsewhere_stops_force(
    out: Path, tmp_path: Path
) -> None:
    """The name and the content are this program's; the file is not the directory's."""
    if not permitted(tmp_path):
        pytest.skip("nothing can be mounted here; tests/files/test_area.py has it by a patch")
    precious = tmp_path / "precious"
    shutil.copy(out / "config.json", precious)
    before = contents(out)
    args = command(*arguments(NAME, out, "--no-verify", "--force"))
    done = with_mount(precious, out / "config.json", args)
    assert done.returncode == 1, done.stderr
    assert "something is mounted in it (config.json)" in done.stderr
    assert contents(out) == before


def test_the_command_says_which_file(out: Path) -> None:
    (out / "notes.txt").write_text("mine")
    args = command(*arguments(NAME, out, "--no-verify", "--force"))
    done = subprocess.run(
        args, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "and this is not: notes.txt; move it away or choose another --dst" in done.stderr
