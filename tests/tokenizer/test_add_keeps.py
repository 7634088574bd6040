"""`tokenizer` makes the directory anew: what the user has or puts in it meanwhile, stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import converter
import converter.proof.tokens
from converter.errors import WriteError
from converter.tokenizer import make_spec
from tests.faults.making import contents, names_in
from tests.tokenizer.bort import OPTIONS, convert

posix = pytest.mark.skipif(os.name != "posix", reason="links that everybody may make")


@pytest.fixture
def out(bare: Path, tmp_path: Path) -> Path:
    """Of its own folder, converted without a tokenizer."""
    return Path(shutil.copytree(bare, tmp_path / "folder" / "out"))


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen after the tokenizer was written, while its ids are compared."""
    check = converter.proof.tokens.check_tokens

    def let(happen: Callable[[], object]) -> None:
        def then(*args: object) -> object:
            happen()
            return check(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(converter.proof.tokens, "check_tokens", then)

    return let


def comes(out: Path) -> object:
    return (out / "notes.txt").write_text("of the user")


def comes_into_a_folder(out: Path) -> object:
    return (out / "folder" / "notes.txt").write_text("of the user")


def is_edited(out: Path) -> object:
    return (out / "README.md").write_text("of the user")


def is_changed_in_place(out: Path) -> object:
    status = (out / "mine").stat()
    (out / "mine").write_text("of the user!")
    os.utime(out / "mine", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    return None


@pytest.mark.parametrize("happen", [comes, comes_into_a_folder, is_edited, is_changed_in_place])
def test_what_changes_meanwhile_stays(
    happen: Callable[[Path], object],
    out: Path,
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    """What came within the seconds of the proof went with the old directory."""
    (out / "folder").mkdir()
    (out / "mine").write_text("of the user ")
    states: list[dict[str, bytes]] = []

    def happens() -> None:
        if not states:
            happen(out)
            states.append(contents(out))

    meanwhile(happens)
    with pytest.raises(WriteError, match=r"changed while .* run the command again"):
        converter.add_tokenizer(out, **OPTIONS)
    assert states == [contents(out)]
    assert names_in(out.parent) == ["out"]
    converter.add_tokenizer(out, **OPTIONS)


def test_a_conversion_that_ends_meanwhile_is_not_mixed_with_an_older_record(
    out: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of the record and the lock: its config.json came to newer weights."""

    def then_converted(*args: object) -> object:
        convert(source, out, dtype="float16", verify=False, force=True)
        return make_spec(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("converter.api.make_spec", then_converted)
    with pytest.raises(WriteError, match=r"changed while .* run the command again"):
        converter.add_tokenizer(out, **OPTIONS)
    monkeypatch.undo()
    assert '"float16"' in (out / "config.json").read_text()


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "vocab.txt", "spiece.model"])
def test_a_tokenizer_of_the_users_own_is_not_replaced(name: str, out: Path) -> None:
    (out / name).write_text("of the user")
    before = contents(out)
    with pytest.raises(WriteError, match=f"this is not: {name}; move it away"):
        converter.add_tokenizer(out, **OPTIONS)
    assert contents(out) == before


@posix
@pytest.mark.parametrize("name", ["README.md", "config.json", "conversion.json"])
def test_a_link_is_not_written_through(name: str, out: Path, tmp_path: Path) -> None:
    """The file elsewhere was overwritten, even where the proof failed."""
    elsewhere = (out / name).rename(tmp_path / name)
    (out / name).symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    with pytest.raises(WriteError, match=f"this is not: {name}; move it away"):
        converter.add_tokenizer(out, **OPTIONS)
    assert elsewhere.read_bytes() == before
    assert (out / name).is_symlink()


@posix
def test_links_of_the_users_stay_links(out: Path, tmp_path: Path) -> None:
    """A link to a folder became a copy of all that is in it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "large").write_text("large")
    (out / "data").symlink_to(tmp_path / "data")
    (out / "beside").symlink_to("../beside.txt")  # dangling
    weights = (out / "model.safetensors").rename(tmp_path / "w.safetensors")
    (out / "model.safetensors").symlink_to(weights)
    converter.add_tokenizer(out, **OPTIONS)
    links = {path.name: os.readlink(path) for path in out.iterdir() if path.is_symlink()}  # noqa: PTH115
    assert links == {
        "data": str(tmp_path / "data"),
        "beside": "../beside.txt",
        "model.safetensors": str(weights),
    }
