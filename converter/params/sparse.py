"""Sparse tensors made dense, after everything that MXNet needs of them was checked.

The rules are those of MXNet 1.9.1 `src/common/utils.h`: `csr_indptr_check`, `csr_idx_check`,
`rsp_idx_check`, `CheckFormatCSRImpl`, `CheckFormatRSPImpl`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converter.params.entries import TensorEntry


def make_dense(entry: TensorEntry, data: np.ndarray, aux: Sequence[np.ndarray]) -> np.ndarray:
    """The dense tensor of a sparse `entry`. Raises ValueError, saying what is damaged."""
    if any(array.dtype.kind not in "iu" for array in aux):
        raise ValueError("its indices are no integers")
    if entry.storage == "row_sparse":
        _check_rows(entry, data, aux[0])
    else:
        _check_csr(entry, data, *aux)
    try:
        dense = np.zeros(entry.shape, entry.dtype)
    except MemoryError as error:
        raise ValueError(
            f"dense it has {entry.dense_nbytes:,} bytes, more than the memory here"
        ) from error
    if entry.storage == "row_sparse":
        dense[aux[0].astype(np.int64)] = data
    else:
        starts, columns = (array.astype(np.int64) for array in aux)
        rows = np.repeat(np.arange(entry.shape[0]), starts[1:] - starts[:-1])
        dense[rows, columns] = data
    return dense


def _check_rows(entry: TensorEntry, data: np.ndarray, rows: np.ndarray) -> None:
    if rows.ndim != 1 or data.shape != (len(rows), *entry.shape[1:]):
        raise ValueError(f"{len(rows)} row numbers for data of shape {data.shape}")
    _check_range(rows, entry.shape[0], "row")
    # In any order: real MXNet 1.5 and 1.9 write and read unsorted ones (fixtures/formats/).
    if len(np.unique(rows)) < len(rows):
        raise ValueError("one of its row numbers is a duplicate")


def _check_csr(
    entry: TensorEntry, data: np.ndarray, indptr: np.ndarray, columns: np.ndarray
) -> None:
    if len(entry.shape) != 2 or not data.ndim == indptr.ndim == columns.ndim == 1:
        raise ValueError(f"csr is for matrices, not for shape {entry.shape}")
    if len(indptr) != entry.shape[0] + 1 or len(columns) != len(data):
        raise ValueError(
            f"{len(indptr)} row starts and {len(columns)} column numbers for "
            f"{entry.shape[0]} rows and {len(data)} values"
        )
    if indptr[0] != 0 or indptr[-1] != len(data) or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(f"its row starts do not rise from 0 to {len(data)}")
    _check_range(columns, entry.shape[1], "column")
    falls = columns[1:] <= columns[:-1]
    # The first of a row follows the last of another.
    falls[indptr[(indptr > 0) & (indptr < len(columns))].astype(np.int64) - 1] = False
    if falls.any():
        raise ValueError("its column numbers do not ascend, or one is a duplicate")


def _check_range(numbers: np.ndarray, size: int, what: str) -> None:
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= size):
        raise ValueError(f"a {what} number is not within 0 … {size - 1}")
