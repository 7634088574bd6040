"""Sparse tensors, and names without an array: described at once, refused or made dense by name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import load_params
from converter.errors import ParamsError, PlanError
from converter.params import Weights, read_index
from converter.planning.file import plan_file
from tests.params.files import VERSIONS, Array, File, csr, nothing, row_sparse

DATA = np.array([[1, 2], [3, 4]], "<f4")
VALUES = np.array([1, 2, 3], "<f4")
ROWS = row_sparse((5, 2), [0, 3], DATA)
MATRIX = csr((3, 4), [0, 2, 2, 3], [0, 2, 1], VALUES)
ONE = Array((2,), bytes(8))


def write(path: Path, *arrays: Array | bytes, version: str = "V2") -> Path:
    path.write_bytes(File(arrays, [f"t{n}" for n in range(len(arrays))], version).encode())
    return path


def test_the_index_describes_them(tmp_path: Path) -> None:
    path = write(tmp_path / "x.params", ROWS, MATRIX, ONE)
    rows, matrix, dense = read_index(path).tensors.values()
    assert (rows.storage, rows.shape, rows.stored_shape) == ("row_sparse", (5, 2), (2, 2))
    assert [block.shape for block in rows.aux] == [(2,)]
    assert (matrix.storage, matrix.shape, matrix.stored_shape) == ("csr", (3, 4), (3,))
    assert [block.shape for block in matrix.aux] == [(4,), (3,)]
    assert (rows.nbytes, rows.dense_nbytes, matrix.dense_nbytes) == (16, 40, 48)
    assert (dense.storage, dense.aux, dense.dense_nbytes) == ("dense", (), dense.nbytes)


def test_they_are_made_dense_on_request_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "x.params", ROWS, MATRIX, ONE)
    arrays = load_params(path)
    assert arrays["t2"].tolist() == [0, 0]
    for name in ("t0", "t1"):
        with pytest.raises(ParamsError, match=rf"x\.params: {name}: .*sparse.*densify=True"):
            arrays[name]
    dense = load_params(path, densify=True)
    assert dense["t0"].tolist() == [[1, 2], [0, 0], [0, 0], [3, 4], [0, 0]]
    assert dense["t1"].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 3, 0, 0]]
    with pytest.raises(ValueError, match="read-only"):
        dense["t0"][0] = 1
    with Weights(read_index(path)) as weights, pytest.raises(ParamsError, match=r"t1: .*csr"):
        next(weights.pieces(read_index(path).tensors["t1"]))


DAMAGED: dict[str, tuple[Array, str]] = {
    "row -1": (row_sparse((5, 2), [-1, 3], DATA), "row number is not within 0 … 4"),
    "row 5": (row_sparse((5, 2), [0, 5], DATA), "not within"),
    "row 2^62": (row_sparse((5, 2), [0, 2**62], DATA), "not within"),
    "a row twice": (row_sparse((5, 2), [3, 3], DATA), "is a duplicate"),
    "a row number too few": (row_sparse((5, 2), [3], DATA), "1 row numbers for data"),
    "rows of other width": (row_sparse((5, 3), [0, 3], DATA), "row numbers for data of shape"),
    "float row numbers": (
        replace(ROWS, aux=((1, (2,), np.array([0.0, 3.0]).tobytes()),)),
        "no integers",
    ),
    "csr of 1 dimension": (csr((3,), [0, 2, 2, 3], [0, 2, 1], VALUES), "csr is for matrices"),
    "indptr too short": (csr((3, 4), [0, 2, 3], [0, 2, 1], VALUES), "3 row starts"),
    "indptr falls": (csr((3, 4), [0, 2, 1, 3], [0, 2, 1], VALUES), "do not rise"),
    "indptr from 1": (csr((3, 4), [1, 2, 2, 3], [0, 2, 1], VALUES), "do not rise"),
    "indptr to 4": (csr((3, 4), [0, 2, 2, 4], [0, 2, 1], VALUES), "do not rise"),
    "column 4": (csr((3, 4), [0, 2, 2, 3], [0, 4, 1], VALUES), "column number is not within"),
    "column -1": (csr((3, 4), [0, 2, 2, 3], [0, -1, 1], VALUES), "column number is not within"),
    "columns fall": (csr((3, 4), [0, 2, 2, 3], [2, 0, 1], VALUES), "do not ascend"),
    "a column twice": (csr((3, 4), [0, 2, 2, 3], [2, 2, 1], VALUES), "is a duplicate"),
    "a column too few": (csr((3, 4), [0, 2, 2, 3], [0, 2], VALUES), "2 column numbers"),
    "no machine holds it": (
        row_sparse((2**40, 2**20), [3], np.zeros((1, 2**20), "i1"), flag=5),
        "more than the memory",
    ),
}


@pytest.mark.parametrize(("array", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_what_mxnet_would_not_accept_is_refused_by_name(
    array: Array, reason: str, tmp_path: Path
) -> None:
    arrays = load_params(write(tmp_path / "x.params", ONE, array), densify=True)
    with pytest.raises(ParamsError, match=rf"x\.params: t1: cannot be made dense: .*{reason}"):
        arrays["t1"]


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    values = st.integers(-2, 2)
    rows = draw(
        st.lists(st.lists(values, min_size=width, max_size=width), min_size=height, max_size=height)
    )
    return np.array(rows, "<i4")


@given(dense=matrices())
def test_every_matrix_comes_back(
    dense: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = np.flatnonzero(dense.any(axis=1))
    rows, columns = np.nonzero(dense)
    indptr = [0, *np.cumsum(np.bincount(rows, minlength=len(dense))).tolist()]
    path = write(
        tmp_path_factory.getbasetemp() / "matrix.params",
        row_sparse(dense.shape, kept.tolist(), dense[kept], flag=4),
        csr(dense.shape, indptr, columns.tolist(), dense[rows, columns], flag=4),
    )
    for array in load_params(path, densify=True).values():
        np.testing.assert_array_equal(array, dense)


def test_a_sparse_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.params", ROWS, MATRIX)
    content = path.read_bytes()
    for length in range(24, len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ParamsError, match="truncated"):
            read_index(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_without_array_is_refused_where_its_value_is_needed(
    version: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.params", ONE, nothing(version), ONE, version=version)
    index = read_index(path)
    entry = index.tensors["t1"]
    assert (entry.storage, entry.nbytes, entry.version) == ("none", 0, version)
    for densify in (False, True):
        arrays = load_params(path, densify=densify)
        assert "t1" in arrays
        assert arrays["t2"].tolist() == [0, 0]
        with pytest.raises(ParamsError, match=r"t1: holds no array .*before it was initialised"):
            arrays["t1"]


def test_a_file_of_nothing_but_entries_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(File([bytes(8 * (2**17 + 1))], count=2**17 + 1).encode())
    with pytest.raises(ParamsError, match="131073 tensors are more than any model has"):
        read_index(path)


def test_an_unknown_size_in_v3_is_no_array(tmp_path: Path) -> None:
    """`shape_is_known` in MXNet 1.9.1's `NDArray::Load`; nothing stands behind such a shape."""
    unknown = nothing("V3")[:-4] + (2).to_bytes(4, "little") + b"\xff" * 8 + bytes(8)
    path = write(tmp_path / "x.params", unknown, ONE, version="V3")
    assert [entry.storage for entry in read_index(path).tensors.values()] == ["none", "dense"]


def test_names_that_are_not_utf8_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(File([ONE, ONE], [b"\xff\xfea", "é"]).encode())
    first, second = load_params(path)
    assert first.encode("utf-8", "surrogateescape") == b"\xff\xfea"
    assert second == "é"


@pytest.mark.parametrize("storage", ["row_sparse", "none"])
def test_a_plan_refuses_what_has_no_dense_bytes(
    storage: str, fixtures: Path, tmp_path: Path
) -> None:
    source = load_params(fixtures / "bort_decoder.params")
    made: list[Array | bytes] = [Array(value.shape, value.tobytes()) for value in source.values()]
    name, value = next((name, value) for name, value in source.items() if value.ndim == 2)
    made[[*source].index(name)] = (
        nothing("V2") if storage == "none" else row_sparse(value.shape, [0], value[:1])
    )
    path = tmp_path / "x.params"
    path.write_bytes(File(made, [*source]).encode())
    what = "holds no array" if storage == "none" else "row_sparse"
    with pytest.raises(PlanError, match=rf"{re.escape(name)} .*{what}|{re.escape(name)} is \(\)"):
        plan_file(path, family="bort", config={"num_attention_heads": 4})


def test_rows_may_stand_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path / "x.params", row_sparse((5, 2), [3, 0], DATA))
    assert load_params(path, densify=True)["t0"].tolist()[3] == [1, 2]
