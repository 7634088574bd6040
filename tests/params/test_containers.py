"""Every container: the same tensors as from the plain file, and bounded cost for hostile ones."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from converter import inspect, load_params
from converter.errors import ParamsError
from converter.params import Weights, read_index
from converter.params.entries import BFLOAT16, DTYPES
from tests.memory import peak
from tests.params.files import Array, File
from tests.params.packed import (
    ARRAYS,
    CONTENT,
    GZIPPED,
    LONG,
    MODEL,
    RANDOM,
    array_bytes,
    header,
    saved,
    tar,
    zipped,
)

WHOLE: dict[str, tuple[bytes, str]] = {
    "gzip": (GZIPPED, "gzip"),
    "gzip in parts": (gzip.compress(CONTENT[:999]) + gzip.compress(CONTENT[999:], 1), "gzip"),
    "gzip, padded": (GZIPPED + bytes(100), "gzip"),
    "tar, pax": (tar("w", MODEL), "tar"),
    "tar, GNU": (tar("w", MODEL, tarfile.GNU_FORMAT), "tar"),
    "tar.gz": (tar("w:gz", MODEL), "tar.gz"),
    "zip, deflated": (zipped(MODEL), "zip"),
    "zip, stored": (zipped(MODEL, zipfile.ZIP_STORED), "zip"),
    "npz": (saved(np.savez, **ARRAYS), "npz"),
    "npz, deflated": (saved(np.savez_compressed, **ARRAYS), "npz"),
    "npz, columns first": (
        saved(np.savez, **{k: np.asfortranarray(v) for k, v in ARRAYS.items()}),
        "npz",
    ),
    "npz, big-endian": (
        saved(
            np.savez_compressed,
            **{k: v.astype(v.dtype.newbyteorder(">")) for k, v in ARRAYS.items()},
        ),
        "npz",
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.params"


@pytest.mark.parametrize(("content", "container"), WHOLE.values(), ids=WHOLE.keys())
def test_every_container_gives_the_same_tensors(content: bytes, container: str, path: Path) -> None:
    path.write_bytes(content)
    index = read_index(path)
    assert index.container == container
    arrays = load_params(path)
    assert [*arrays] == [*ARRAYS]
    for name, expected in ARRAYS.items():
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)
        assert not arrays[name].flags.writeable
    large, second = index.tensors["large"], index.tensors["second"]
    with Weights(index) as weights:
        # two at once, as the writer compares tied tensors; then backwards
        for a, b in zip(weights.pieces(large), weights.pieces(second), strict=False):
            assert a is not b
        for entry in reversed([*index.tensors.values()]):
            data = b"".join(bytes(piece) for piece in weights.pieces(entry))
            assert data == ARRAYS[entry.name].tobytes()
            np.testing.assert_array_equal(weights.whole(entry), ARRAYS[entry.name])
    assert [*inspect(path).index.tensors] == [*ARRAYS]


def test_a_long_name_is_told_whole_and_never_used(path: Path) -> None:
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path.write_bytes(tar("w", MODEL, form))
        assert read_index(path).member == LONG
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("name", [n for n in WHOLE if n.startswith(("tar", "zip"))])
def test_the_other_files_are_listed_and_can_be_read(name: str, path: Path) -> None:
    """No link, no device; in memory, and no more than is asked for."""
    path.write_bytes(WHOLE[name][0])
    others = {other.place: other for other in read_index(path).others}
    assert others.keys() == MODEL.keys() - {LONG}
    notes = others["notes.txt"]
    assert (notes.name, notes.folder, notes.size) == ("notes.txt", "", 2000)
    assert all(other.read(2000) == MODEL[place] for place, other in others.items())
    with pytest.raises(ValueError, match="more than 1,999 bytes"):
        notes.read(1999)
    assert str(notes) == f"notes.txt in {path}"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"shorter|ends after|damaged"):
        others["notes.txt"].read(2000)


def test_what_has_no_other_files_lists_none(path: Path) -> None:
    for content, container in WHOLE.values():
        path.write_bytes(content)
        if container in ("gzip", "npz"):
            assert read_index(path).others == ()


def test_names_that_cannot_be_shown_are_not_listed(path: Path) -> None:
    names = ("a\nb.txt", "x" * 300, "\u202ea.txt", "good.txt")
    path.write_bytes(tar("w", {**dict.fromkeys(names, b"1"), "a.params": CONTENT}))
    assert [other.place for other in read_index(path).others] == ["good.txt"]


def test_a_bare_array_is_named_by_position(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.arange(3, dtype="<i8"))
    assert read_index(path).container == "npy"
    assert load_params(path)["0"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != BFLOAT16], ids=lambda d: d.name)
def test_every_dtype_stands_in_npz(dtype: np.dtype, save: Any, path: Path) -> None:
    values = np.array([[0, 1, 100], [7, 1, 0]]).astype(dtype)
    with path.open("wb") as file:
        save(file, a=values, columns=np.asfortranarray(values), scalar=values[1, 1])
    arrays = load_params(path)
    for name, expected in {"a": values, "columns": values, "scalar": values[1, 1]}.items():
        assert (arrays[name].dtype, arrays[name].shape) == (dtype, expected.shape)
        assert arrays[name].tolist() == expected.tolist()


def test_bfloat16_of_mxnet_2(path: Path) -> None:
    values = np.array([1, -2.5, 3e38], ml_dtypes.bfloat16)
    with path.open("wb") as file:
        np.savez(file, a=values.view([("bfloat16", "<u2")]))
    array = load_params(path)["a"]
    assert array.dtype == ml_dtypes.bfloat16
    assert array.tolist() == values.tolist()


def test_memory_stays_small(path: Path) -> None:
    """200 MB of weights in a gzip: indexed and streamed within little more than Python itself."""
    piece = RANDOM.bytes(2**20)
    head = File([Array((200, 2**20), b"", flag=5)], ["a"]).encode()
    head, names = head[:-17], head[-17:]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(200):
            file.write(piece)
        file.write(names)
    imports = "import sys\nfrom converter.params import Weights, read_index\n"
    streams = """
index = read_index(sys.argv[1])
with Weights(index) as weights:
    for entry in index.tensors.values():
        assert sum(len(piece) for piece in weights.pieces(entry)) == 200 * 2**20
"""
    assert peak(imports + streams, path)[0] - peak(imports)[0] < 40_000_000


BROKEN = header(b"{'descr': '|s3{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n") + b"csr"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_sparse_folders_of_mxnet_2(method: int, path: Path) -> None:
    """As `save_array` of 2.0.0.beta1 `src/serialization/cnpy.cc` writes them, broken header too."""
    parts: dict[str, np.ndarray] = {
        "m/data": np.array([1, 2, 3], "<f4"),
        "m/indptr": np.array([0, 2, 2, 3]),
        "m/indices": np.array([0, 2, 1]),
        "m/shape": np.array([3, 4]),
        "r/data": np.array([[1, 2], [3, 4]], "<f4"),
        "r/indices": np.array([0, 3]),
        "r/shape": np.array([5, 2]),
        "dense/data": np.zeros(2),
    }
    members = {f"{name}.npy": array_bytes(array) for name, array in parts.items()}
    members |= {"m/format.npy": BROKEN, "r/format.npy": BROKEN.replace(b"csr", b"row_sparse")}
    path.write_bytes(zipped(members, method))
    index = read_index(path)
    assert {name: entry.storage for name, entry in index.tensors.items()} == {
        "m": "csr",
        "r": "row_sparse",
        "dense/data": "dense",
    }
    arrays = load_params(path, densify=True)
    assert arrays["m"].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 3, 0, 0]]
    assert arrays["r"].tolist() == [[1, 2], [0, 0], [0, 0], [3, 4], [0, 0]]
    with pytest.raises(ParamsError, match=r"m: .*densify=True"):
        load_params(path)["m"]
    for shape in ([], [-1, 4], [2**62, 2**62]):
        members["m/shape.npy"] = array_bytes(np.array(shape, "<i8"))
        path.write_bytes(zipped(members, method))
        with pytest.raises(ParamsError, match="m: damaged: no sparse tensor"):
            read_index(path)
