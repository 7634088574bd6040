"""Every container: the same tensors as from the plain file, and bounded cost for hostile ones."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter import inspect, load_params
from converter.errors import ParamsError, safe
from converter.params import Weights, read_index
from converter.params.entries import BFLOAT16, DTYPES
from tests.conftest import ROOT
from tests.faults.test_memory import steps
from tests.params.files import FLAGS, Array, File
from tests.params.test_diagnosis import Explosive

RANDOM = np.random.default_rng(5)
ARRAYS: dict[str, np.ndarray] = {
    "small": np.arange(6, dtype="<f4").reshape(2, 3),
    "large": RANDOM.standard_normal((700, 1000)).astype("<f4"),  # several pieces, several marks
    "half": np.array([1.5, -2], "<f2"),
    "second": RANDOM.standard_normal((600, 1000)).astype("<f4"),
}
CONTENT = File(
    [Array(a.shape, a.tobytes(), FLAGS[a.dtype.name]) for a in ARRAYS.values()], [*ARRAYS]
).encode()


def tar(mode: str, members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        link = tarfile.TarInfo("link.params")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        hard = tarfile.TarInfo("hard.params")
        hard.type, hard.linkname = tarfile.LNKTYPE, "../x.params"
        archive.addfile(hard)
        device = tarfile.TarInfo("device.params")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def saved(save: Callable[..., None], **arrays: np.ndarray) -> bytes:
    target = io.BytesIO()
    save(target, **arrays)
    return target.getvalue()


LONG = "../" * 60 + "etc/x.params"
MODEL = {"a-symbol.json": b"{}", LONG: CONTENT, "notes.txt": bytes(2000)}
WHOLE: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(CONTENT), "gzip"),
    "gzip in parts": (gzip.compress(CONTENT[:999]) + gzip.compress(CONTENT[999:]), "gzip"),
    "gzip, padded": (gzip.compress(CONTENT) + bytes(100), "gzip"),
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


def array_bytes(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=True)
    return target.getvalue()


def header(text: bytes, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text


BOMB = zlib.compress(bytes(2**20), 9, wbits=31)
REFUSED: dict[str, tuple[bytes, str]] = {
    "objects": (
        zipped({"a.npy": array_bytes(np.array([Explosive(), None], object))}),
        "a: it holds Python objects .a pickle., which are never opened",
    ),
    "complex": (array_bytes(np.zeros(2, complex)), "0: its dtype complex128 is none that MXNet"),
    "text": (array_bytes(np.array(["csr"])), "0: its dtype .*is none that MXNet"),
    "negative": (
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n"),
        "0: damaged NumPy header: shape",
    ),
    "enormous": (
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }\n" % 2**62),
        "too large for any tensor",
    ),
    "more than there is": (
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }\n") + bytes(32),
        "truncated: 4 bytes are missing",
    ),
    "less than there is": (array_bytes(np.zeros(2)) + b"\0", "1 bytes stand after the end"),
    "nested": (header(b"(" * 3000), "damaged NumPy header"),
    "no header": (b"\x93NUMPY", "damaged NumPy header"),
    "cut npz": (saved(np.savez, **ARRAYS)[:-30], "directory, at its end, is missing"),
    "a name twice": (zipped({"a.npy": array_bytes(np.zeros(1))}), ""),
    "cut gzip": (gzip.compress(CONTENT)[:-1000], "truncated: the compressed stream ends after"),
    "gzip header alone": (b"\x1f\x8b\x08" + bytes(40), "compressed stream is damaged"),
    "gzip with another checksum": (gzip.compress(CONTENT)[:-8] + bytes(8), "incorrect data check"),
    "gzip and more": (gzip.compress(CONTENT) + b"more", "bytes stand after the end"),
    "cut list in gzip": (gzip.compress(CONTENT[:-1]), "name 4 of 4, .*truncated"),
    "no file": (tar("w", {}), "tar archive that holds no .params file; in it: nothing"),
    "others": (
        tar("w:gz", {"a.json": b"{}", "b\x1b.txt": b""}),
        r"holds no .params file; in it: a.json, b.x1b.txt",
    ),
    "two": (tar("w", {"a": CONTENT, "b": CONTENT}), "holds 2 .params files: a, b.\nUnpack"),
    "two in a ZIP": (zipped({"a": CONTENT, "b": CONTENT}), "holds 2 .params files: a, b.\nUnpack"),
    "no file in a ZIP": (zipped({"a.txt": b"a"}), "ZIP archive that holds no .params .*: a.txt"),
    "an empty ZIP": (zipped({}), "ZIP archive that holds no .params file; in it: nothing"),
    "cut tar": (tar("w", MODEL)[:3_000_000], "truncated: .* bytes of .* are missing"),
    "a bomb": (BOMB * 64, "become more than .* bomb"),
    "a bomb in a ZIP": (zipped({"a.npy": bytes(2**25)}), "a.npy: .* compressed bytes are said to"),
}
del REFUSED["a name twice"]


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_with_the_reason(
    content: bytes, reason: str, path: Path
) -> None:
    path.write_bytes(content)
    with pytest.raises(ParamsError, match=rf"(?s)^{path}: .*{reason}"):
        read_index(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_an_npz_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2):
            archive.writestr("a.npy", array_bytes(np.full(1, number)))
    with pytest.raises(ParamsError, match="'a' stands twice"):
        read_index(path)


def test_a_compressed_member_with_another_checksum_is_refused(path: Path) -> None:
    values = RANDOM.standard_normal(10_000)
    content = saved(np.savez_compressed, a=values)
    crc = zlib.crc32(array_bytes(values)).to_bytes(4, "little")
    assert crc in content
    path.write_bytes(content.replace(crc, b"abcd"))
    index = read_index(path)
    with Weights(index) as weights, pytest.raises(ParamsError, match="a: damaged: the checksum"):
        weights.whole(index.tensors["a"])


def test_overlapping_members_are_refused(path: Path) -> None:
    """Fifield's bomb: many entries of the directory share one run of compressed bytes."""
    content = zipped({"a.npy": array_bytes(RANDOM.standard_normal(10_000))})
    directory = content.rindex(b"PK\x01\x02")
    end = content.rindex(b"PK\x05\x06")
    entry = content[directory:end]
    many = b"".join(entry.replace(b"a.npy", b"%05d" % n) for n in range(300))
    tail = bytearray(content[end:])
    tail[8:10] = tail[10:12] = (300).to_bytes(2, "little")
    tail[12:16] = len(many).to_bytes(4, "little")
    path.write_bytes(content[:directory] + many + bytes(tail))
    with pytest.raises(ParamsError, match="members overlap"):
        read_index(path)


def test_thousands_of_empty_gzip_streams_take_linear_time(path: Path) -> None:
    stream = gzip.compress(b"")
    path.write_bytes(stream * 20_000)
    with pytest.raises(ParamsError, match="gzip, and what is in it is empty"):
        read_index(path)
    assert steps(stream * 4_000, path) < 5 * steps(stream * 1_000, path)


@settings(max_examples=300)
@given(
    kind=st.sampled_from(["gzip", "tar", "tar.gz", "zip", "npz", "npy"]),
    flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 3000),
)
def test_a_damaged_container_is_read_or_refused(
    kind: str, flips: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = {"a": np.arange(6, dtype="<f4").reshape(2, 3), "b": np.zeros(3, "<i8")}
    plain = File(
        [Array(v.shape, v.tobytes(), 0 if k == "a" else 6) for k, v in small.items()], ["a", "b"]
    ).encode()
    content = bytearray(
        {
            "gzip": lambda: gzip.compress(plain),
            "tar": lambda: tar("w", {"x": plain}),
            "tar.gz": lambda: tar("w:gz", {"x": plain}),
            "zip": lambda: zipped({"x": plain}),
            "npz": lambda: saved(np.savez_compressed, **small),
            "npy": lambda: array_bytes(small["a"]),
        }[kind]()
    )
    for position, value in flips:
        content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.params"
    path.write_bytes(content[: len(content) - cut % 50])
    try:
        arrays = load_params(path)
        for name in arrays:
            arrays[name].tobytes()
    except ParamsError as error:
        message = str(error)
    else:
        message = f"{path}: read"
    assert message.startswith(f"{path}: ")


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
    code = """
import resource, sys
from converter.params import Weights, read_index
from converter.params.entries import BFLOAT16, DTYPES
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
index = read_index(sys.argv[1])
with Weights(index) as weights:
    for entry in index.tensors.values():
        assert sum(len(piece) for piece in weights.pieces(entry)) == 200 * 2**20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 40_000  # kB


def test_names_are_escaped_in_messages() -> None:
    assert safe("a\nb\udcff") == "a\\nb\\udcff"


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
