"""Inputs on which other loaders crash, take gigabytes, or read something else than was written.

What they do was measured: MXNet 1.9.1's `mx.nd.load` overwrites its own stack for ndim = -1, takes
4.3 GB for a name length of 2^32, keeps the last of two equal names, cuts a name at a NUL, and
accepts what stands after the end. `tests/faults/test_memory.py` reads the bombs under a limit.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converter.errors import ParamsError
from converter.params import load_params, read_index
from tests.params.files import VERSIONS, Array, File

ONE = Array((2, 3), np.arange(6, dtype="<f4").tobytes())
TWO = Array((1,), b"\7", flag=3)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_minus_one_dimensions_overwrite_nothing(version: str, tmp_path: Path) -> None:
    smasher = File([replace(ONE, ndim=-1, data=b"\x41" * 4096)], ["a"], version)
    with pytest.raises(ParamsError, match=r"(tensor 1 of 1|names), byte .*(dimensions|damaged)"):
        read_index(written(tmp_path / "x", smasher.encode()))


def test_a_name_of_four_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x", File([ONE], ["a"], name_lengths=[2**32]).encode())
    with pytest.raises(
        ParamsError, match=r"name 1 of 1, byte .*truncated: a name needs 4294967296"
    ):
        read_index(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_neither_of_two_equal_names_wins(version: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x", File([ONE, TWO], ["a", "a"], version).encode())
    with pytest.raises(ParamsError, match=r"name 2 of 2, .*'a' is a duplicate"):
        load_params(path)


def test_a_nul_cuts_no_name(tmp_path: Path) -> None:
    names = ["weight\0of another", "weight\0", "weight"]
    path = written(tmp_path / "x", File([ONE, TWO, TWO], names).encode())
    assert list(load_params(path)) == names


@pytest.mark.parametrize("garbage", [b"\0", b"garbage", bytes(1000), File([ONE], ["b"]).encode()])
@pytest.mark.parametrize("names", [["a"], None], ids=["named", "unnamed"])
def test_what_stands_after_the_end_is_refused(
    names: list[str] | None, garbage: bytes, tmp_path: Path
) -> None:
    path = written(tmp_path / "x", File([ONE], names).encode() + garbage)
    with pytest.raises(
        ParamsError, match=f"{len(garbage)} bytes are left after the end of the list"
    ):
        read_index(path)


@pytest.mark.parametrize("flag", [2, 12], ids=["float16", "bfloat16"])
def test_half_precision_is_not_read_as_float32(flag: int, tmp_path: Path) -> None:
    """As ncnn's tool does."""
    path = written(tmp_path / "x", File([Array((3, 2), bytes(12), flag), ONE], ["a", "b"]).encode())
    arrays = load_params(path)
    assert arrays["a"].nbytes == 12
    assert arrays["b"].ravel().tolist() == [0, 1, 2, 3, 4, 5]
