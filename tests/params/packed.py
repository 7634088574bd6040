"""The same tensors in every container."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping

import numpy as np

from tests.params.files import FLAGS, Array, File

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
GZIPPED = gzip.compress(CONTENT, 1)  # quickly


def tar(mode: str, members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    quickly = {"compresslevel": 1} if mode == "w:gz" else {}
    with tarfile.open(fileobj=target, mode=mode, format=form, **quickly) as archive:  # type: ignore[call-overload]
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


def array_bytes(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=True)
    return target.getvalue()


def header(text: bytes, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text
