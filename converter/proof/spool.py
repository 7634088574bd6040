"""What one side of the proof gives, kept until the other side does: in a file when it is much."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile, gettempdir
from types import TracebackType
from typing import Any, Self

import numpy as np

from converter.errors import ConvertError
from converter.proof.reference.layers import Array, Outputs

HELD = 32 * 1024 * 1024  # bytes that stay in memory: a model that has no more leaves no file


class Spool:
    """Arrays by their keys, written as they come and read when asked for.

    They are in memory up to `HELD` bytes, then in a file without a name in `folder`, or among the
    system's temporary files where nothing can be written there. The file is gone with the spool, at
    the end of its context at the latest, and with the process. Raises `ConvertError` when there is
    no room.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = Path(gettempdir())
        if folder is not None and os.access(folder, os.W_OK):
            self._folder = folder
        self._file = SpooledTemporaryFile(HELD, dir=str(self._folder))  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._places: dict[tuple[str, object], tuple[int, np.dtype, tuple[int, ...]]] = {}
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which reads only: the bytes, or where Linux opens the same file."""
        own = Path(f"/proc/{os.getpid()}/fd")
        self._file.flush()
        if self._end > HELD and own.is_dir():  # it is a file by now
            return vars(self) | {"_file": own / str(self._file.fileno())}
        self._file.seek(0)
        return vars(self) | {"_file": self._file.read()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        file = state["_file"]
        opened = BytesIO(file) if isinstance(file, bytes) else file.open("rb")
        vars(self).update(state | {"_file": opened})
        weakref.finalize(self, opened.close)

    def put(self, key: tuple[str, object], array: Array) -> None:
        """Write one; another of its shape under the same key takes its place."""
        offset, dtype, shape = self._places.get(key, (self._end, array.dtype, array.shape))
        if (dtype, shape) != (array.dtype, array.shape):
            offset = self._end
        try:
            self._file.seek(offset)
            self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise ConvertError(
                f"{self._folder}: the proof keeps here what the layers of a large model give until "
                f"they are compared, and cannot: {error}. Make room; --no-verify converts without "
                "proof"
            ) from error
        self._places[key] = offset, array.dtype, array.shape
        self._end = max(self._end, offset + array.nbytes)

    def get(self, key: tuple[str, object]) -> Array:
        """Read one into memory of its own."""
        offset, dtype, shape = self._places[key]
        array = np.empty(shape, dtype)
        buffer = array.reshape(-1).view(np.uint8).data
        self._file.seek(offset)
        while buffer:
            count = self._file.readinto(buffer)
            if not count:
                raise ConvertError(f"{self._folder}: what the proof wrote there became shorter")
            buffer = buffer[count:]
        return array

    def names(self, kind: str) -> list[str]:
        """The names of one kind, in the order in which they came."""
        return [str(name) for of, name in self._places if of == kind]


class Named(MutableMapping[str, Array]):
    """Arrays of one `kind` in a spool, by their names."""

    def __init__(self, spool: Spool, kind: str) -> None:
        self._spool, self._kind = spool, kind

    def __setitem__(self, name: str, array: Array) -> None:
        self._spool.put((self._kind, name), array)

    def __getitem__(self, name: str) -> Array:
        return self._spool.get((self._kind, name))

    def __delitem__(self, name: str) -> None:
        raise TypeError("what was spooled stays until the end")

    def __contains__(self, name: object) -> bool:
        return name in self._spool.names(self._kind)

    def __iter__(self) -> Iterator[str]:
        return iter(self._spool.names(self._kind))

    def __len__(self) -> int:
        return len(self._spool.names(self._kind))


class States(Sequence[Array]):
    """The states of every layer, in a spool under their numbers."""

    def __init__(self, named: Named) -> None:
        self._named = named

    def __len__(self) -> int:
        return len(self._named)

    def __getitem__(self, number: int) -> Array:  # type: ignore[override]  # nobody cuts them
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._named[str(number)]


def spooled(outputs: Outputs, spool: Spool) -> Outputs:
    """The same outputs, of which nothing is in memory any longer."""
    states = []
    for kind in ("hidden_states", "decoder_states"):
        named = Named(spool, kind)
        for number, state in enumerate(getattr(outputs, kind)):
            named[str(number)] = state
        states.append(States(named))
    kept = Named(spool, "named")
    for name, values in outputs.named.items():
        kept[name] = values
    return replace(outputs, hidden_states=states[0], decoder_states=states[1], named=kept)
