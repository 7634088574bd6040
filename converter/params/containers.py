"""What a parameters file may be in: gzip, tar, ZIP, and NumPy's own files; read in place.

Each function here answers the same question: which tensors, and where in which stream their bytes
are. Nothing is extracted, and no name from an archive reaches the file system.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from converter.errors import ParamsError, safe
from converter.params import npy
from converter.params.array_list import HEADER, LIST_BEGINNING, MAX_NDIM, MAX_TENSORS, read_list
from converter.params.diagnosis import (
    HEAD,
    TAIL,
    diagnose,
    diagnose_zip,
    holds_none,
    holds_several,
)
from converter.params.entries import Block, Member, TensorEntry, byte_count
from converter.params.inflate import (
    DEFLATE,
    GZIP,
    Packed,
    PackedError,
    PackedFile,
    limit,
    scan,
)
from converter.params.tar import BLOCK, is_tar, tar_members

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
MAX_DIRECTORY = 2**23  # bytes of a ZIP's directory: 100 for each of `MAX_TENSORS` members
MAX_OTHER = 2**8  # characters of a name of another file in the archive: any file system's longest
SPARSE = ("data", "indices", "shape")  # what MXNet 2 writes of every sparse tensor


@dataclass(frozen=True)
class Contents:
    """The tensors of a file, and what they are in (the fields of `Index`)."""

    tensors: Mapping[str, TensorEntry]
    container: str
    member: str | None = None
    others: tuple[Member, ...] = ()


@dataclass(frozen=True)
class _Run:
    """A run of bytes, perhaps of a compressed stream: `name` is for messages alone.

    raw: the file that the stream is in, while nobody has scanned the stream
    holds_list: whether it is a list of arrays
    """

    file: BinaryIO
    start: int
    end: int
    name: str
    packed: Packed | None = None
    raw: BinaryIO | None = None
    holds_list: bool = False

    def head(self, count: int) -> bytes:
        self.file.seek(self.start)
        data = b""
        count = min(count, self.end - self.start)
        while len(data) < count and (more := self.file.read(count - len(data))):
            data += more
        return data


def read_contents(file: BinaryIO, size: int, path: Path) -> Contents:
    """The tensors of a file that is no list of arrays itself. Raises `ParamsError`."""
    whole = _Run(file, 0, size, path.name)
    try:
        head = whole.head(HEAD)
        if head.startswith(npy.MAGIC):
            return Contents({"0": _array(whole, "0", path)}, "npy")
        if head.startswith(ZIP_MAGICS):
            return _in_zip(whole, path)
        if head.startswith(GZIP_MAGIC):
            return _in_gzip(whole, path)
        if is_tar(head):
            return _in_tar(whole, path, "tar")
    except PackedError as error:
        raise ParamsError(f"{path}: {error}") from error
    file.seek(max(0, size - TAIL))
    raise ParamsError(f"{path}: {diagnose(head, file.read(TAIL), size, path.name)}")


def _is_list(run: _Run) -> bool:
    return run.end - run.start >= HEADER and run.head(len(LIST_BEGINNING)) == LIST_BEGINNING


def _one_list(runs: list[_Run], path: Path, container: str, none: str) -> Contents:
    """The tensors of the only run that is a list of arrays; `none`: what is said of none."""
    found = [run for run in runs if run.holds_list]
    if len(found) != 1:
        names = [run.name for run in found]
        raise ParamsError(f"{path}: {holds_several(container, names) if names else none}")
    (run,) = found
    file, packed = run.file, run.packed
    if packed and run.raw:
        packed = scan(run.raw, packed)
        file = _unpacked(run.raw, packed)
    others = tuple(
        Member(path, other.name, other.start, other.end - other.start, other.packed)
        for other in runs
        if other is not run and len(other.name) <= MAX_OTHER and other.name.isprintable()
    )
    tensors = read_list(file, run.start, run.end, path, packed)
    return Contents(tensors, container, run.name, others)


def _in_gzip(whole: _Run, path: Path) -> Contents:
    packed = scan(whole.file, Packed(0, whole.end, GZIP, limit(whole.end)))
    inner = _Run(_unpacked(whole.file, packed), 0, packed.length, path.stem, packed)
    head = inner.head(HEAD)
    if is_tar(head):
        return _in_tar(inner, path, "tar.gz")
    if not _is_list(inner):
        inner.file.seek(max(0, inner.end - TAIL))
        told = diagnose(head, inner.file.read(TAIL), inner.end, path.stem)
        raise ParamsError(f"{path}: gzip, and what is in it {_said(told)}")
    return Contents(read_list(inner.file, 0, inner.end, path, packed), "gzip")


def _said(told: str) -> str:
    return told if told.startswith("is ") else f"is {told}"


def _in_tar(whole: _Run, path: Path, container: str) -> Contents:
    runs, packed = [], []
    for name, start, size in tar_members(whole.file, whole.start, whole.end, path):
        run = _Run(whole.file, start, start + size, name, whole.packed)
        head = run.head(BLOCK)  # looked at in passing: the stream is read in one direction
        is_list = size >= HEADER and head.startswith(LIST_BEGINNING)
        runs.append(dataclasses.replace(run, holds_list=is_list))
        if head.startswith((*ZIP_MAGICS, GZIP_MAGIC)) or is_tar(head):
            packed.append(name)  # SageMaker's model_algo-1 is a ZIP within model.tar.gz
    names = [run.name for run in runs]
    return _one_list(runs, path, container, holds_none(container, names, packed))


class _Bounded:
    """A file for zipfile, which reads the whole directory of an archive at once."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._file = file.seek, file.tell, file

    def read(self, count: int = -1) -> bytes:
        if count > MAX_DIRECTORY:
            raise PackedError(
                f"a ZIP archive whose directory has {count:,} bytes: no model has so many members. "
                "Unpack the .params file, and give that"
            )
        return self._file.read(count)


def _in_zip(whole: _Run, path: Path) -> Contents:
    try:
        with zipfile.ZipFile(cast(BinaryIO, _Bounded(whole.file))) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except PackedError:
        raise
    except Exception as error:  # a hostile directory makes zipfile raise more than BadZipFile
        raise ParamsError(
            f"{path}: a ZIP archive whose directory, at its end, is missing or damaged "
            f"({type(error).__name__}): the file may be truncated.\n"
            "Fetch or copy it again, and compare its size with the original's."
        ) from error
    if sum(info.compress_size for info in infos) > whole.end:
        raise ParamsError(f"{path}: damaged ZIP archive: its members overlap")
    if len(infos) > MAX_TENSORS:
        raise ParamsError(f"{path}: a ZIP archive of {len(infos)} members: no model has so many")
    names = [_zip_name(info) for info in infos]
    if infos and all(name.endswith(".npy") for name in names):
        return Contents(dict(_arrays(whole, infos, path)), "npz")
    runs = [_member(whole, info, path) for info in infos]
    return _one_list(
        [dataclasses.replace(run, holds_list=_is_list(run)) for run in runs if run],
        *(path, "zip", diagnose_zip(names)),
    )


def _arrays(
    whole: _Run, infos: list[zipfile.ZipInfo], path: Path
) -> Iterator[tuple[str, TensorEntry]]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = _zip_name(info).removesuffix(".npy")
        if name in members:
            raise ParamsError(f"{path}: the name {name!r} is a duplicate")
        members[name] = info

    def read(name: str) -> TensorEntry:
        run = _member(whole, members[name], path)
        if run is None:
            raise ParamsError(
                f"{path}: {safe(name)}: is encrypted, damaged or compressed by a method other than "
                "deflate; write the file again with numpy.savez"
            )
        return _array(run, name, path)

    sparse = {name.removesuffix("/format") for name in members if name.endswith("/format")}
    sparse = {name for name in sparse if {f"{name}/{part}" for part in SPARSE} <= members.keys()}
    sparse -= members.keys()  # one name for two tensors: then they are what they are
    for name in members:
        parent, _, part = name.rpartition("/")
        if parent not in sparse or part not in (*SPARSE, "indptr", "format"):
            yield name, read(name)
        elif part == "data":
            yield parent, _sparse(parent, read, f"{parent}/indptr" in members, whole.file, path)


def _sparse(
    name: str, read: Callable[[str], TensorEntry], csr: bool, file: BinaryIO, path: Path
) -> TensorEntry:
    """A sparse tensor as MXNet 2 writes it: a folder of arrays.

    2.0.0.beta1 src/serialization/cnpy.cc, save_array. Its `format.npy` has a header that NumPy
    cannot parse and that MXNet itself ignores; so do we: csr alone has `indptr`.
    """
    data, shape = read(f"{name}/data"), read(f"{name}/shape")
    aux = [read(f"{name}/{part}") for part in (["indptr"] if csr else []) + ["indices"]]
    parts = [data, shape, *aux]
    sizes = _small(shape, file)
    if sizes is None or any(part.fortran or part.swapped for part in parts):
        raise ParamsError(f"{path}: {safe(name)}: damaged: no sparse tensor as MXNet 2 writes it")
    return dataclasses.replace(
        data,
        name=name,
        shape=sizes,
        storage="csr" if csr else "row_sparse",
        stored_shape=data.shape,
        aux=tuple(Block(a.dtype, a.shape, a.offset, a.nbytes, a.packed) for a in aux),
    )


def _small(entry: TensorEntry, file: BinaryIO) -> tuple[int, ...] | None:
    """The sizes in a `shape.npy`; None when they can be none."""
    if len(entry.shape) != 1 or not 1 <= entry.shape[0] <= MAX_NDIM or entry.dtype.kind != "i":
        return None
    stream = _unpacked(file, entry.packed) if entry.packed else file
    run = _Run(stream, entry.offset, entry.offset + entry.nbytes, entry.name)
    data = run.head(entry.nbytes)
    sizes = tuple(np.frombuffer(data, entry.dtype).tolist()) if len(data) == entry.nbytes else ()
    if not sizes or min(sizes) < 0 or byte_count(sizes, np.dtype("<f8")) is None:
        return None
    return sizes


def _array(run: _Run, name: str, path: Path) -> TensorEntry:
    run.file.seek(run.start)
    try:
        header = npy.read_header(run.file)
        missing = header.size + header.nbytes - (run.end - run.start)
        if missing > 0:
            raise ValueError(f"truncated: {missing} bytes are missing; fetch or copy it again")
        if missing:
            raise ValueError(f"{-missing} bytes are left after the end of the array")
    except (ValueError, PackedError) as error:
        raise ParamsError(f"{path}: {safe(name)}: {error}") from error
    return TensorEntry(
        *(name, header.dtype, header.shape, run.start + header.size, header.nbytes, "npy"),
        packed=run.packed,
        fortran=header.fortran,
        swapped=header.swapped,
    )


def _member(whole: _Run, info: zipfile.ZipInfo, path: Path) -> _Run | None:
    """Where a member's bytes are; None when they cannot be read."""
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return None
    whole.file.seek(info.header_offset)
    local = whole.file.read(30)
    if len(local) != 30 or not local.startswith(ZIP_MAGICS[0]):
        return None
    start = (
        info.header_offset
        + 30
        + sum(int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
    )
    if start + info.compress_size > whole.end:
        return None
    name = _zip_name(info)
    if info.compress_type == zipfile.ZIP_STORED:
        return _Run(whole.file, start, start + info.compress_size, name)
    packed = Packed(start, info.compress_size, DEFLATE, info.file_size, info.CRC)
    if info.file_size > limit(info.compress_size):
        raise ParamsError(
            f"{path}: {safe(name)}: {info.compress_size:,} compressed bytes are said to become "
            f"{info.file_size:,}: no weights do so (a decompression bomb?). "
            "If you trust it, unpack it first"
        )
    return _Run(_unpacked(whole.file, packed), 0, info.file_size, name, packed, whole.file)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The member's name; without the flag for UTF-8, zipfile took its bytes for code page 437."""
    name = info.orig_filename
    if info.flag_bits & 0x800:
        return name
    return name.encode("cp437", "replace").decode("utf-8", "surrogateescape")


def _unpacked(file: BinaryIO, packed: Packed) -> BinaryIO:
    return cast(BinaryIO, PackedFile(file, packed))
