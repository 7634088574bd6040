"""`read_index`: what is read from whole files, and that everything else is one `ParamsError`."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from converter.errors import ParamsError
from converter.params import load_params, read_index
from tests.params.files import MAGIC, VERSIONS, Array, File
from tests.params.strategies import FLAGS, dtype_of, files

ONE = Array((2, 3), bytes(24))
HALF = Array((3,), bytes(6), flag=2)
SMALL = File([ONE, HALF, Array((1, 1, 5), bytes(5), flag=3)], ["a.weight", "é", "c"])
HUGE = 2**62


def refused(path: Path, content: bytes) -> str:
    """The message with which `content` is refused; it always names the file."""
    path.write_bytes(content)
    with pytest.raises(ParamsError) as caught:
        read_index(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that the examples of a hypothesis test write again and again."""
    return tmp_path_factory.mktemp("index") / "x.params"


@given(file=files())
def test_every_whole_file_is_read_back(file: File, scratch: Path) -> None:
    content = file.encode()
    scratch.write_bytes(content)
    index = read_index(scratch)
    assert index.size == len(content)
    assert list(index.tensors) == file.names
    for entry, array in zip(index.tensors.values(), file.arrays, strict=True):
        assert isinstance(array, Array)
        assert (entry.dtype, entry.shape) == (dtype_of(array.flag), array.shape)
        assert entry.version == file.version
        assert content[entry.offset : entry.offset + entry.nbytes] == array.data


@pytest.mark.parametrize("flag", range(len(FLAGS)), ids=FLAGS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_dtype_stands_in_every_version(version: str, flag: int, tmp_path: Path) -> None:
    data = bytes(dtype_of(flag).itemsize * 2)
    path = tmp_path / "x.params"
    path.write_bytes(File([Array((2,), data, flag)], ["a"], version).encode())
    entry = read_index(path).tensors["a"]
    assert (entry.dtype.name, entry.nbytes) == (FLAGS[flag], len(data))


def test_an_unnamed_list_is_named_by_position(tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(File([ONE, HALF]).encode())
    assert list(read_index(path).tensors) == ["0", "1"]


def test_mxnets_own_oldest_file(fixtures: Path) -> None:
    path = fixtures / "legacy_ndarray.v0"
    index = read_index(path)
    assert index.versions == ("V0",)
    assert list(index.tensors) == ["0", "1", "2", "3", "4", "5"]
    for value in load_params(path).values():
        assert value.dtype == np.float32
        assert np.array_equal(value, np.arange(128))


def test_the_fixtures_are_what_the_manifest_says(fixtures: Path, manifest: dict[str, Any]) -> None:
    assert {p.stem for p in fixtures.glob("*.params")} == manifest.keys()
    for name, stated in manifest.items():
        index = read_index(fixtures / f"{name}.params")
        assert index.versions == (stated["array_version"],)
        dtypes = {entry.dtype.name for entry in index.tensors.values()}
        assert dtypes == {"float16" if name == "bort_float16" else "float32"}
        twice = {"word_embed.0.weight", "decoder.3.weight"} & index.tensors.keys()
        if name == "bort_deduplicated":
            assert twice == {"decoder.3.weight"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_cut_anywhere_is_refused(version: str, tmp_path: Path) -> None:
    content = replace(SMALL, version=version).encode()
    path = tmp_path / "x.params"
    for length in range(1, len(content)):
        message = refused(path, content[:length])
        assert ("truncated" in message) or (length < 24 and "too few" in message), message
    path.write_bytes(content)
    assert len(read_index(path).tensors) == 3


def test_bytes_after_the_end_are_refused(tmp_path: Path) -> None:
    assert "1 bytes are left after the end" in refused(tmp_path / "x", SMALL.encode() + b"\0")


HOSTILE: dict[str, tuple[File, str]] = {
    "ndim 2^31": (File([replace(ONE, ndim=2**31)]), "tensor 1 of 1, byte 36: .* dimensions"),
    "ndim 2^31 in V0": (File([replace(ONE, ndim=2**31)], version="V0"), "2147483648 dimensions"),
    "ndim 33": (File([replace(ONE, ndim=33)]), "33 dimensions"),
    "ndim -1 in V2": (File([replace(ONE, ndim=-1)]), "-1 dimensions"),
    "dimension -2 in V3": (File([Array((-2, 3), bytes(24))], version="V3"), "negative size"),
    "dimension 2^40": (File([Array((2**40,), b"")]), "truncated: float32 data .* 4398046511104"),
    "dimension -2": (File([Array((-2, 3), bytes(24))]), "negative size"),
    "dimensions -2, -3": (File([Array((-2, -3), bytes(24))]), "negative size"),
    "product 2^64": (File([Array((2**32, 2**32), b"")]), "too large for any tensor"),
    "product 2^124": (File([Array((HUGE, HUGE), b"")]), "too large for any tensor"),
    "empty and impossible": (File([Array((0, HUGE), b"")], version="V3"), "too large for any"),
    "2^62 tensors": (File([ONE], count=HUGE), f"{HUGE} tensors do not fit in"),
    "a tensor too many": (File([ONE], count=2), "truncated"),
    "2^62 names": (File([ONE], ["a"], names_count=HUGE), f"{HUGE} names for 1 tensors"),
    "a name too few": (File([ONE, HALF], ["a"]), "1 names for 2 tensors"),
    "a name too many": (File([ONE], ["a", "b"]), "2 names for 1 tensors"),
    "name of 2^62 bytes": (File([ONE], ["a"], name_lengths=[HUGE]), "name 1 of 1, .*truncated"),
    "a name twice": (File([ONE, HALF], ["a", "a"]), "'a' is a duplicate"),
    "dtype 99": (File([replace(ONE, flag=99)]), "dtype flag 99"),
    "dtype -1": (File([replace(ONE, flag=-1)]), "dtype flag -1"),
    "device 0": (File([replace(ONE, context=(0, 0))]), "device type 0"),
    "sparse in V3": (File([replace(ONE, storage=1)], version="V3"), "storage type 1 .in V3"),
    "storage 7": (File([replace(ONE, storage=7)]), "damaged: storage type 7"),
    "other magic": (File([ONE], magic=0x113), "not an MXNet .params file"),
    "reserved is set": (File([ONE], reserved=1), "not an MXNet .params file"),
}


@pytest.mark.parametrize(("file", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_with_the_reason(file: File, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(file.encode())
    with pytest.raises(ParamsError, match=f"{path}: .*{reason}"):
        read_index(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in [
        (tmp_path / "missing.params", "No such file"),
        (tmp_path, "a directory"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "a\0b", "null"),
        (Path("-"), "standard input .*Save it to a file"),
        (Path("/dev/null"), "not a regular file"),
    ]:
        with pytest.raises(ParamsError, match=reason):
            read_index(path)


def open_all(path: Path) -> None:
    """Read index and arrays; a `ParamsError` is the only refusal."""
    try:
        index = read_index(path)
        arrays = load_params(path)
    except ParamsError as refusal:
        message = str(refusal)
    else:
        message = f"{path}: read"
        for name, entry in index.tensors.items():
            assert arrays[name].shape == entry.shape
            assert arrays[name].tobytes() == path.read_bytes()[entry.offset :][: entry.nbytes]
    assert message.startswith(f"{path}: ")


@settings(max_examples=500)
@given(
    version=st.sampled_from(VERSIONS),
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_file_is_read_or_refused(
    version: str, flips: list[tuple[int, int]], scratch: Path
) -> None:
    content = bytearray(replace(SMALL, version=version).encode())
    for position, value in flips:
        content[position % len(content)] = value
    scratch.write_bytes(content)
    open_all(scratch)


@settings(max_examples=300)
@given(
    version=st.sampled_from(VERSIONS),
    shape=st.lists(st.sampled_from([0, 1, 2, 2**31, 2**60, HUGE, 2**63 - 1, -1]), max_size=33),
    tail=st.binary(max_size=30),
)
@example(version="V3", shape=[0, HUGE], tail=b"")
@example(version="V3", shape=[0] * 32, tail=b"")
def test_an_absurd_shape_is_read_or_refused(
    version: str, shape: list[int], tail: bytes, scratch: Path
) -> None:
    if version == "V0":
        shape = [size % 2**32 for size in shape]
    scratch.write_bytes(File([Array(tuple(shape), tail)], ["a"], version).encode())
    open_all(scratch)


def test_a_first_word_near_a_magic_is_a_number_of_dimensions(tmp_path: Path) -> None:
    content = bytearray(File([ONE]).encode())
    struct.pack_into("<I", content, 24, MAGIC["V3"] + 1)
    assert "dimensions" in refused(tmp_path / "x", bytes(content))
