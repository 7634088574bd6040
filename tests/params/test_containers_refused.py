"""Hostile and damaged containers: refused with the reason, at a bounded cost."""

from __future__ import annotations

import gzip
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter import load_params
from converter.errors import ParamsError, safe
from converter.params import Weights, read_index
from converter.params.array_list import MAX_NAMES
from converter.params.containers import MAX_DIRECTORY
from converter.params.inflate import FREE, MAX_RATIO, STREAM, STREAMS, limit
from converter.params.tar import MAX_HEADERS
from tests.faults.test_memory import steps
from tests.params.files import Array, File
from tests.params.packed import (
    ARRAYS,
    CONTENT,
    GZIPPED,
    MODEL,
    RANDOM,
    array_bytes,
    header,
    saved,
    tar,
    zipped,
)
from tests.params.test_diagnosis import Explosive

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
    "less than there is": (array_bytes(np.zeros(2)) + b"\0", "1 bytes are left after the end"),
    "nested": (header(b"(" * 3000), "damaged NumPy header"),
    "no header": (b"\x93NUMPY", "damaged NumPy header"),
    "cut npz": (saved(np.savez, **ARRAYS)[:-30], "directory, at its end, is missing"),
    "cut gzip": (GZIPPED[:-1000], "truncated: the compressed stream ends after"),
    "gzip header alone": (b"\x1f\x8b\x08" + bytes(40), "compressed stream is damaged"),
    "gzip with another checksum": (GZIPPED[:-8] + bytes(8), "incorrect data check"),
    "gzip and more": (GZIPPED + b"more", "bytes are left after the end"),
    "cut list in gzip": (gzip.compress(CONTENT[:-1], 1), "name 4 of 4, .*truncated"),
    "no file": (tar("w", {}), "tar archive that holds no .params file; in it: nothing"),
    "others": (
        tar("w:gz", {"a.json": b"{}", "b\x1b.txt": b""}),
        r"holds no .params file; in it: a.json, b.x1b.txt",
    ),
    "an archive within": (
        tar("w:gz", {"model_algo-1": zipped({"mx-mod-0000.params": CONTENT}), "b.json": b"{}"}),
        r"no .params file, but an archive: model_algo-1\.\nUnpack the outer one",
    ),
    "two": (tar("w", {"a": CONTENT, "b": CONTENT}), "holds 2 .params files: a, b.\nUnpack"),
    "two in a ZIP": (zipped({"a": CONTENT, "b": CONTENT}), "holds 2 .params files: a, b.\nUnpack"),
    "no file in a ZIP": (zipped({"a.txt": b"a"}), "ZIP archive that holds no .params .*: a.txt"),
    "an empty ZIP": (zipped({}), "ZIP archive that holds no .params file; in it: nothing"),
    "cut tar": (tar("w", MODEL)[:3_000_000], "truncated: .* bytes of .* are missing"),
    "a bomb": (BOMB * 64, "become more than .* bomb"),
    "a bomb in a ZIP": (zipped({"a.npy": bytes(2**25)}), "a.npy: .* compressed bytes are said to"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.params"


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
    with pytest.raises(ParamsError, match="'a' is a duplicate"):
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


def test_empty_gzip_streams_take_linear_time_and_are_bounded(path: Path) -> None:
    stream = gzip.compress(b"")
    path.write_bytes(stream * STREAMS)
    with pytest.raises(ParamsError, match="gzip, and what is in it is empty"):
        read_index(path)
    path.write_bytes(stream * 20_000)
    with pytest.raises(ParamsError, match=r"400,000 bytes hold too many gzip streams.* unpack it"):
        read_index(path)
    assert steps(stream * 1_000, path) < 5 * steps(stream * 250, path)
    assert steps(stream * 80_000, path) < 3 * steps(stream * 20_000, path), "the rest is not read"


def test_streams_of_the_usual_size_are_not_bounded(path: Path) -> None:
    content = File([Array((2**20,), RANDOM.bytes(2**22))], ["a"]).encode()
    pieces = (content[at : at + STREAM] for at in range(0, len(content), STREAM))
    path.write_bytes(b"".join(map(gzip.compress, pieces)))
    assert read_index(path).container == "gzip"


def test_members_of_a_tar_are_counted_in_passing(path: Path) -> None:
    """Links and long names too: 512 bytes are a member."""
    member = tarfile.TarInfo("a").tobuf()[:512]
    path.write_bytes(member * MAX_HEADERS + bytes(1024))
    with pytest.raises(ParamsError, match=r"holds no \.params file; in it: a, a"):
        read_index(path)
    for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("a")
        info.type = kind
        path.write_bytes(info.tobuf()[:512] * (MAX_HEADERS + 1) + b"no header" * 200)
        with pytest.raises(ParamsError, match=r"more than 8,192 members.*\nUnpack the \.params"):
            read_index(path)


def test_records_and_names_longer_than_any_path_are_passed_over(path: Path) -> None:
    """64 KB of pax records before each of thousands of members would be minutes of parsing."""
    few, many = (
        steps(tar("w", {"x" * length + ".params": CONTENT}), path) for length in (200, 60_000)
    )
    assert many <= few
    path.write_bytes(tar("w", {"x" * 60_000 + ".params": CONTENT}))
    assert (read_index(path).member or "").startswith("xxx")
    path.write_bytes(tar("w", {"x" * 3000 + ".params": CONTENT}, tarfile.GNU_FORMAT))
    assert read_index(path).member == "x" * 3000 + ".params"


def test_the_directory_of_a_zip_is_bounded_before_it_is_read(path: Path) -> None:
    """Its end alone tells the size: 8 MiB of it that say nothing are never looked at."""
    for size, reason in ((MAX_DIRECTORY, "missing or damaged"), (MAX_DIRECTORY + 1, "so many")):
        tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, size, 0, 0)
        path.write_bytes(b"PK\3\4" + bytes(size - 4) + tail)
        with pytest.raises(ParamsError, match=rf"x\.params: a ZIP archive .*{reason}"):
            read_index(path)


def test_no_file_becomes_so_large_that_reading_takes_minutes() -> None:
    sizes = [10**power for power in range(11)]
    assert limit(10**6) == FREE + MAX_RATIO * 10**6
    assert limit(3 * 10**8) < 2 * 10**9
    assert all(limit(size) > 4 * size for size in sizes)
    assert sorted(map(limit, sizes)) == [*map(limit, sizes)]


@pytest.mark.parametrize(
    "kind",
    [
        [("bfloat16", "<f2")],
        [("bfloat16", "S2")],
        [("bfloat16", "i2")],
        [("bfloat16", "u4")],
        [("bfloat16", "u1", 2)],
        [("bfloat16", "u2", 2)],
        [("bfloat16", "u2"), ("b", "u2")],
        {"names": ["bfloat16"], "formats": ["u2"], "offsets": [2]},
    ],
    ids=str,
)
def test_a_structure_that_is_only_called_bfloat16_is_refused(kind: Any, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3, np.dtype(kind)))
    with pytest.raises(ParamsError, match=r"none that MXNet has|damaged NumPy header"):
        read_index(path)


def test_a_header_of_many_dimensions_is_read_and_a_longer_one_refused(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((1,) * 32, "<f4"))
    assert read_index(path).tensors["0"].shape == (1,) * 32
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1,) * 400}
        )
    with pytest.raises(ParamsError, match="damaged NumPy header"):
        read_index(path)


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


def test_the_names_of_a_list_are_bounded_together(path: Path) -> None:
    """One of 16 MiB is as bad as 60,000 of 300 bytes."""
    one = Array((1,), bytes(4))
    path.write_bytes(File([one], ["a" * (MAX_NAMES - 8)]).encode())
    assert len(read_index(path).tensors) == 1
    path.write_bytes(File([one, one], ["b", "a" * (MAX_NAMES - 16)]).encode())
    with pytest.raises(ParamsError, match=r"names, byte \d+: the names have 16,777,217 bytes"):
        read_index(path)


def test_names_are_escaped_in_messages() -> None:
    assert safe("a\nb\udcff") == "a\\nb\\udcff"
