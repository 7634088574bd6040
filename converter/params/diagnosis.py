"""What a file is that is no list of MXNet arrays: one line what it is, one line what to do.

Every sign is the first bytes of its format's own description; nothing is opened or unpickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converter.errors import safe
from converter.params.array_list import HEADER, LIST_BEGINNING

HEAD = 4096  # bytes of the beginning that are looked at
TAIL = 8  # bytes of the end
SHOWN, WIDTH = 5, 120  # lines of a text that are shown, characters of each
FETCH = "Fetch it again, and compare its size with the original's."
LOAD_THERE = "It was not written by MXNet: load it with the library that wrote it."


@dataclass(frozen=True)
class Sign:
    """A format met in place of a `.params` file. The first sign that fits is the one told.

    starts: what the file begins with, from byte `at` on, one of these; ends: what it ends with;
    holds: what its beginning must hold besides, all of these; named: a part of the file's name;
    shown: whether it is a text that a person is shown
    """

    what: str
    do: str
    starts: tuple[bytes, ...] = (b"",)
    at: int = 0
    ends: bytes = b""
    holds: tuple[bytes, ...] = ()
    named: str = ""
    shown: bool = False

    def fits(self, head: bytes, tail: bytes, name: str) -> bool:
        return (
            head[self.at :].startswith(self.starts)
            and tail.endswith(self.ends)
            and all(part in head for part in self.holds)
            and self.named in name
        )


PICKLE = "It is never opened: unpickling runs code. Take the .params file that was saved beside it."
PROTO = tuple(bytes([0x80, protocol]) for protocol in range(1, 6))
SIGNS = (
    Sign(
        "a git-lfs pointer, not the file itself",
        "Run `git lfs pull` in the repository that it is from.",
        (b"version https://git-lfs",),
        shown=True,
    ),
    # MXNet 1.9.1 python/mxnet/gluon/block.py, Block.save: <prefix>-model.json and -model.params
    Sign(
        "what MXNet's Block.save writes beside the weights (its -model.json): how blocks are named",
        "Give the -model.params beside it, which has the weights.",
        (b"{",),
        holds=(b'"orig_name"',),
    ),
    Sign(
        "the symbol of a network (its -symbol.json), which holds no weights",
        "Give the .params file beside it, such as <prefix>-0000.params.",
        (b"{",),
        holds=(b'"nodes"', b'"op"'),
    ),
    Sign("a JSON text, perhaps an error message of the server", FETCH, (b"{", b"["), shown=True),
    Sign(
        "a PyTorch checkpoint (of before 1.6, a Python pickle)",
        LOAD_THERE,
        # torch/serialization.py, MAGIC_NUMBER 0x1950a86a20f9469cfc6c as a pickled long
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19",),
    ),
    # MXNet 1.9.1 python/mxnet/optimizer/optimizer.py, Updater.get_states: pickle.dumps
    Sign(
        "a Python pickle, such as the states of an MXNet optimizer (.states)",
        PICKLE,
        (*PROTO, b"(dp", b"(lp", b"(i", b"c__", b"ccopy_reg"),
    ),
    Sign("a safetensors file", "It needs no conversion: load it as it is.", (b'{"',), at=8),
    Sign("an HDF5 file (Keras, TensorFlow)", LOAD_THERE, (b"\x89HDF\r\n\x1a\n",)),
    # tensorflow/core/lib/io/format.h, kTableMagicNumber, at the end of the file
    Sign(
        "the index of a TensorFlow checkpoint",
        LOAD_THERE,
        ends=(0xDB4775248B80FB57).to_bytes(8, "little"),
    ),
    Sign("the weights of a TensorFlow checkpoint", LOAD_THERE, named=".data-00000-of-"),
    # saved_model.proto: field 1 (schema version) is 1, then field 2
    Sign("a TensorFlow SavedModel", LOAD_THERE, (b"\x08\x01\x12",)),
    # onnx.proto: field 1 (ir_version), from 3 on, then field 2, 3, 5, 7 or 8
    Sign(
        "an ONNX model",
        LOAD_THERE,
        tuple(bytes([8, v, tag]) for v in range(3, 20) for tag in (0x12, 0x1A, 0x28, 0x3A, 0x42)),
    ),
    Sign("a GGUF file", LOAD_THERE, (b"GGUF",)),
    # dmlc-core include/dmlc/recordio.h, kMagic
    Sign(
        "a RecordIO file (data, not weights)",
        "Give the .params file of the model.",
        ((0xCED7230A).to_bytes(4, "little"),),
    ),
    Sign(
        "compressed (bzip2, xz, zstd, 7z or RAR)",
        "Unpack it first.",
        (b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!"),
    ),
)


def diagnose(head: bytes, tail: bytes, size: int, name: str = "") -> str:
    """What a file of `size` bytes is that begins with `head` and ends with `tail`; what to do.

    A line each, and between them the beginning of what is a text.
    """
    if not size:
        return f"is empty: the download may have failed.\n{FETCH}"
    if head.startswith(LIST_BEGINNING[:size]):
        return (
            f"truncated: {size} bytes are too few for an MXNet .params file (its header alone has "
            f"{HEADER}).\n{FETCH}"
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        said = _quoted(text)
        return (
            "not an MXNet .params file, but a web page or an error message of the server"
            f"{said or _shown(head)}{'.' if said else ''}\n"
            "Fetch the file again, from an address that still has it."
        )
    for sign in SIGNS:
        if sign.fits(head, tail, name) or sign.fits(text, tail, name):
            shown = _shown(head) if sign.shown else ""
            return f"not an MXNet .params file, but {sign.what}{shown or '.'}\n{sign.do}"
    if _is_graph(head):
        return f"not an MXNet .params file, but a TensorFlow graph (.pb).\n{LOAD_THERE}"
    if shown := _shown(head):
        what = "a text, perhaps an error message of the server"
        return f"not an MXNet .params file, but {what}{shown}\n{FETCH}"
    return (
        f"not an MXNet .params file: it begins with {head[:16].hex(' ', 2)}, not with "
        f"{LIST_BEGINNING.hex(' ', 2)}.\nCheck that this is the file that MXNet saved."
    )


def diagnose_zip(names: Sequence[str]) -> str:
    """Two lines about a ZIP archive without parameters."""
    parts = {part for name in names for part in name.split("/")}
    if "data.pkl" in parts or "constants.pkl" in parts:
        return f"not an MXNet .params file, but a PyTorch checkpoint (a ZIP archive).\n{LOAD_THERE}"
    if "model.weights.h5" in parts or "saved_model.pb" in parts:
        what = "a Keras or TensorFlow model (a ZIP archive)"
        return f"not an MXNet .params file, but {what}.\n{LOAD_THERE}"
    return holds_none("ZIP", names)


def holds_none(kind: str, names: Sequence[str], packed: Sequence[str] = ()) -> str:
    """Two lines about an archive without parameters; `packed` are the archives in it."""
    if packed:
        return (
            f"a {kind} archive that holds no .params file, but an archive: {listed(packed)}.\n"
            "Unpack the outer one (tar xf, unzip), and give the archive that was in it."
        )
    return (
        f"a {kind} archive that holds no .params file; in it: {listed(names)}.\n"
        "Check that this is the archive of the model."
    )


def holds_several(kind: str, names: Sequence[str]) -> str:
    """Two lines about an archive in which more than one file could be meant."""
    return (
        f"a {kind} archive that holds {len(names)} .params files: {listed(names)}.\n"
        "Unpack the one that you mean, and give it."
    )


def listed(names: Sequence[str], most: int = 10) -> str:
    """Some names as one line."""
    names = [*map(safe, names)]
    shown = [name if len(name) <= 100 else name[:100] + "…" for name in names[:most]]
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*shown, *more]) or "nothing"


def _quoted(text: bytes) -> str:
    """What a page says of itself: its title, or the Code and Message of an XML error."""
    said = []
    lower = text.lower()
    for tag in (b"title", b"code", b"message"):
        start = lower.find(b"<%s" % tag)
        start = lower.find(b">", start) + 1 if start >= 0 else 0
        end = lower.find(b"</%s" % tag, start) if start else -1
        if end > start:
            said.append(" ".join(text[start:end].decode("utf-8", "replace").split())[:100])
    return f" that says: {'; '.join(said)}" if said else ""


def _shown(head: bytes) -> str:
    """The first lines of a file that is a text, as they may be printed; empty for what is none."""
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))  # as PowerShell's `>` writes it
    encoding = "utf-16" if utf16 else "utf-8-sig"
    text = head.decode(encoding, "replace").strip("\ufeff")
    readable = sum((c.isprintable() and c != "\ufffd") or c.isspace() for c in text)
    if "\0" in text or readable < 0.9 * len(text):
        return ""
    text = head.decode(encoding, "backslashreplace").strip("\ufeff")
    lines = [line for line in text.split("\n") if line.strip()]
    cut = (safe(line.expandtabs().rstrip()) for line in lines[:SHOWN])
    shown = [line if len(line) <= WIDTH else f"{line[:WIDTH]}…" for line in cut]
    more = ["…"] if len(lines) > SHOWN or len(head) == HEAD else []
    return "".join([":", *(f"\n  | {line}" for line in [*shown, *more])])


def _is_graph(head: bytes) -> bool:
    """graph.proto: field 1 (a node), its length, in it field 1 (a name), field 2 (an operator)."""
    if head[:1] != b"\n" or len(head) < 8:
        return False
    at = 2 if head[1] < 0x80 else 3
    if head[at : at + 1] != b"\n":
        return False
    name_end = at + 2 + head[at + 1]
    name = head[at + 2 : name_end]
    return name.isascii() and bool(name) and head[name_end : name_end + 1] == b"\x12"
