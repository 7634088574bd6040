"""An array in NumPy's own format: its header, read by NumPy's own parser, never a pickle."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.lib import format as numpy_format

from converter.params.entries import BFLOAT16, DTYPES, byte_count

# MXNet 2 writes bfloat16 as a structure (2.0.0.beta1 src/serialization/cnpy.cc, dtype_descr)
MXNET_BFLOAT16 = np.dtype([("bfloat16", "<u2")])
MAGIC = b"\x93NUMPY"
MAX_HEADER = 1024  # bytes: 32 dimensions need fewer; NumPy itself would take 10,000


@dataclass(frozen=True)
class Header:
    """The header before the data, `size` bytes long."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool
    swapped: bool
    size: int
    nbytes: int


def read_header(file: BinaryIO) -> Header:
    """The header at the file's position. Raises ValueError, saying what is wrong with it."""
    beginning = io.BytesIO(_read(file, 12 + MAX_HEADER))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers written by Python 2
            major, _ = numpy_format.read_magic(beginning)
            if major == 1:
                parsed = numpy_format.read_array_header_1_0(beginning, MAX_HEADER)
            else:  # 3.0 differs from 2.0 in the names of fields alone
                parsed = numpy_format.read_array_header_2_0(beginning, MAX_HEADER)
    except Exception as error:  # it parses Python literals: hostile ones raise anything
        raise ValueError(f"damaged NumPy header: {type(error).__name__}") from error
    shape, fortran, dtype = parsed
    if dtype.hasobject:
        raise ValueError("it holds Python objects (a pickle), which are never opened")
    if any(size < 0 for size in shape) or len(shape) > 32:
        raise ValueError(f"damaged NumPy header: shape {shape}"[:200])
    swapped = dtype.str[0] == ">" or (dtype.names is not None and dtype[0].str[0] == ">")
    little = dtype.newbyteorder("<")
    if little == MXNET_BFLOAT16:
        little = BFLOAT16
    if little not in DTYPES or dtype.itemsize != little.itemsize:
        raise ValueError(f"its dtype {dtype} is none that MXNet has"[:200])
    nbytes = byte_count(shape, little)
    if nbytes is None:
        raise ValueError(f"damaged NumPy header: shape {shape} is too large for any tensor"[:300])
    column_order = bool(fortran) and len(shape) > 1
    return Header(little, tuple(shape), column_order, swapped, beginning.tell(), nbytes)


def _read(file: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := file.read(count - len(data))):
        data += more
    return data
