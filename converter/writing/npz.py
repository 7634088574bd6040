"""Tensors → one `.npz`, streamed: a ZIP of `.npy` members, stored, the same bytes every time.

Sources: NumPy's `numpy.lib.format` (NEP 1) for the members, `numpy.savez` for their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from numpy.lib import format as npy

from converter.files.disk import new_file
from converter.files.progress import Progress, silent
from converter.writing.safetensors import Tensor

SUFFIX = ".npy"  # of a member; `numpy.load` takes it off again


def write_npz(path: Path, tensors: Sequence[Tensor], progress: Progress = silent) -> None:
    """Write `tensors` into the new file `path`, in their order, dated 1980 as ZIP begins.

    Raises `WriteError` and `OSError` as `write_safetensors` does.
    """
    done, total = 0, sum(tensor.nbytes for tensor in tensors)
    with new_file(path, total) as file, ZipFile(file, "w", ZIP_STORED) as archive:
        for tensor in tensors:
            info = ZipInfo(tensor.name + SUFFIX)
            info.file_size = tensor.nbytes  # so that a large member gets ZIP64 fields
            info.create_system = 3  # the same on Windows
            with archive.open(info, "w") as member:
                described = {"descr": tensor.dtype.str, "fortran_order": False}
                npy.write_array_header_1_0(member, {**described, "shape": tensor.shape})
                for piece in tensor.pieces():
                    member.write(piece)
                    done += len(piece)
                    progress("writing", done, total)
