"""Plan → `model.safetensors` and `config.json`, streamed: one small buffer, whatever the size.

The safetensors layout (8 bytes of length, a JSON header, then the data; `safetensors` README,
"Format") is written here because the library's `save_file` wants every tensor in memory.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from converter.errors import ConvertError, PlanError, WriteError
from converter.params import TensorEntry
from converter.plan import Plan, Step
from converter.verbs import VERBS

PIECE = 256 * 1024  # bytes; stays in the CPU's cache, measured fastest (benchmarks/README.md)
NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a limit on the size of files stands in the way (`ulimit -f`, or the file system)",
}
Progress = Callable[[str, int, int], None]
# safetensors' names of the floating-point types (its README, "Format")
CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


def write_model(plan: Plan, directory: Path, progress: Progress = silent) -> None:
    """Write `model.safetensors` and `config.json` of `plan` into an existing directory.

    Raises `PlanError` when tensors that must be equal are not, `ConvertError` when a cast
    overflows (naming the tensor), `WriteError` when the disk is full or cannot be written.
    """
    try:
        with plan.index.path.open("rb", buffering=0) as source:
            _check_source(plan, source)
            _check_tied(plan, source)
            with (directory / "model.safetensors").open("wb", buffering=0) as target:
                _write_safetensors(plan, source, target, progress)
        write_json(directory / "config.json", plan.config)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise WriteError(
                f"{directory.parent.parent}: {NO_ROOM[error.errno]}: {plan.nbytes:,} bytes are "
                "needed; nothing was written"
            ) from error
        raise


def write_json(path: Path, content: Any) -> None:
    """JSON as people read it: UTF-8, two spaces, a newline at the end."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """UTF-8 on every system; a file name that is no text stands in it escaped (as JSON does)."""
    path.write_text(text, "utf-8", errors="backslashreplace", newline="\n")


def header_of(plan: Plan) -> tuple[bytes, list[Step]]:
    """The safetensors header and the steps in the order their data follows it.

    Widest dtype first, so that every tensor is aligned; then the source's order, so that it is
    read in one direction.
    """
    steps = sorted(
        plan.steps,
        key=lambda s: (-s.dtype.itemsize, s.source.offset if s.source else plan.index.size),
    )
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for step in steps:
        end = offset + step.nbytes
        code = CODES[step.dtype.name]
        header[step.target] = {"dtype": code, "shape": step.shape, "data_offsets": (offset, end)}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, steps


def _write_safetensors(plan: Plan, source: BinaryIO, target: BinaryIO, progress: Progress) -> None:
    header, steps = header_of(plan)
    _reserve(target, len(header) + plan.nbytes)
    _write_all(target, header)
    done = 0
    for step in steps:
        for piece in _pieces(step, source):
            _write_all(target, piece)
            done += len(piece)
            progress("writing", done, plan.nbytes)


def _reserve(target: BinaryIO, size: int) -> None:
    """Claim the whole size first: a full disk is refused before a byte is written."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(target.fileno(), 0, size)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            # a file system that cannot reserve: it will say so while writing


def _write_all(target: BinaryIO, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) :]


def _pieces(step: Step, source: BinaryIO) -> Iterator[bytes | memoryview]:
    """The target's bytes of one step, in order, in pieces of at most `PIECE` where it can be."""
    entry = step.source
    if entry is None:
        for start in range(0, step.nbytes, PIECE):
            yield bytes(min(PIECE, step.nbytes - start))
        return
    verb = VERBS[step.verb]
    if verb.moves_bytes:
        for piece in read_pieces(source, entry):
            yield _cast(piece, step) if step.casts else piece
        return
    whole = bytearray(entry.nbytes)  # one tensor at a time: this verb needs it
    _read_into(source, entry.offset, memoryview(whole))
    array = verb.forward(np.frombuffer(whole, entry.dtype).reshape(entry.shape))
    data = array.reshape(-1).view(np.uint8).data
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        yield _cast(piece, step) if step.casts else piece


def _cast(piece: memoryview, step: Step) -> memoryview:
    assert step.source is not None
    values = np.frombuffer(piece, step.source.dtype)
    cast = step.cast(values)
    if not np.array_equal(np.isfinite(cast), np.isfinite(values)):
        largest = float(np.abs(values[np.isfinite(values)].astype(np.float64)).max())
        raise ConvertError(
            f"{step.source.name}: {largest:.6g} is too large for {step.dtype.name}; "
            "use --dtype bfloat16 or --dtype keep"
        )
    return cast.view(np.uint8).data


def read_pieces(source: BinaryIO, entry: TensorEntry) -> Iterator[memoryview]:
    """The bytes of one source tensor in pieces; each piece is valid until the next one."""
    buffer = memoryview(bytearray(min(PIECE, entry.nbytes)))
    for start in range(0, entry.nbytes, PIECE):
        piece = buffer[: min(PIECE, entry.nbytes - start)]
        _read_into(source, entry.offset + start, piece)
        yield piece


def _read_into(source: BinaryIO, offset: int, buffer: memoryview) -> None:
    source.seek(offset)
    while buffer:
        count = source.readinto(buffer)  # type: ignore[attr-defined]  # BinaryIO lacks it
        if not count:
            raise ConvertError(f"{source.name}: became shorter while it was read; copy it again")
        buffer = buffer[count:]


def _check_source(plan: Plan, source: BinaryIO) -> None:
    if os.fstat(source.fileno()).st_size != plan.index.size:
        raise ConvertError(f"{plan.index.path}: the file changed while it was read; start again")


def _check_tied(plan: Plan, source: BinaryIO) -> None:
    """Tensors under two names are stored once: only when they are equal, byte for byte."""
    for second, first in plan.tied:
        pairs = zip(read_pieces(source, second), read_pieces(source, first), strict=True)
        for number, (a, b) in enumerate(pairs):
            if a != b:
                raise PlanError(
                    f"{plan.index.path} cannot be converted as {plan.table.name}:",
                    [
                        f"{second.name} must equal {first.name} (one tensor under two names) and "
                        f"differs within its bytes from {number * PIECE:,} on: this decoder is "
                        "not tied to the embedding, and the target class cannot hold it"
                    ],
                )
