"""Which parameters and which graph `--src` means: MXNet's own names, folders, archives."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from converter.errors import ParamsError
from converter.params import read_index, save_params
from converter.params.graphs import Source, find_source, read_symbol_text, symbol_names

GRAPH = b'{\n  "nodes": []}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint as MXNet saves it, and the graph of another one."""
    save_params(tmp_path / "net-0007.params", {"arg:w": np.zeros(2, np.float32)})
    (tmp_path / "net-symbol.json").write_bytes(GRAPH)
    (tmp_path / "other-symbol.json").write_bytes(b"{}")
    return tmp_path


@pytest.mark.parametrize("src", ["", "net-0007.params", "net-symbol.json"])
def test_folder_parameters_and_graph_mean_the_same(src: str, folder: Path) -> None:
    found = find_source(folder / src)
    assert (found.params.name, found.symbol) == ("net-0007.params", folder / "net-symbol.json")


def test_a_graph_of_another_name_is_told_and_not_taken(folder: Path) -> None:
    (folder / "net-symbol.json").unlink()
    other = folder / "other-symbol.json"
    assert find_source(folder) == Source(folder / "net-0007.params", None, (other,))
    assert find_source(folder, other) == Source(folder / "net-0007.params", other)


def test_the_names_of_a_graph() -> None:
    assert [*symbol_names("r50-v1.2-0000.params")] == [
        "r50-v1.2-symbol.json",
        "r50-v1.2-0000-symbol.json",
    ]
    assert [*symbol_names("model.params")] == ["model-symbol.json"]


def test_a_graph_without_parameters_or_with_several(folder: Path) -> None:
    with pytest.raises(ParamsError, match=r"other-0000\.params.*--symbol other-symbol\.json"):
        find_source(folder / "other-symbol.json")
    save_params(folder / "net-0010.params", {"arg:w": np.zeros(2, np.float32)})
    with pytest.raises(ParamsError, match=r"source: net-0007\.params, net-0010\.params"):
        find_source(folder / "net-symbol.json")
    assert find_source(folder / "net-0010.params").symbol == folder / "net-symbol.json"


def test_a_graph_under_any_name_is_known_by_its_beginning(folder: Path) -> None:
    (folder / "net-symbol.json").rename(folder / "net.json")
    save_params(folder / "net.params", {"w": np.zeros(2, np.float32)})
    assert find_source(folder / "net.json") == Source(folder / "net.params", folder / "net.json")


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
@pytest.mark.parametrize("inner", ["", "model/"])
def test_the_graph_in_an_archive(kind: str, inner: str, folder: Path) -> None:
    path = folder / f"model.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in ("net-0007.params", "other-symbol.json", "net-symbol.json"):
                archive.write(folder / file, inner + file)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as tar:
            for file in ("net-0007.params", "other-symbol.json", "net-symbol.json"):
                tar.add(folder / file, inner + file)
    found = read_symbol_text(find_source(path), read_index(path))
    assert found is not None
    assert (found.name, found.content) == ("net-symbol.json", GRAPH)


def test_a_graph_that_cannot_be_read(folder: Path) -> None:
    index = read_index(folder / "net-0007.params")
    source = find_source(folder / "net-0007.params", folder / "none.json")
    with pytest.raises(ParamsError, match=r"none\.json: cannot be read as a graph: No such file"):
        read_symbol_text(source, index)
    assert read_symbol_text(Source(folder / "net-0007.params"), index) is None
