"""What is met in place of a `.params` file: each such file told in two lines, a text shown."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from converter.errors import ParamsError
from converter.params import read_index
from tests.cli.test_main import invoke

# AWS S3's answer for an object that is not public
DENIED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>F1</RequestId></Error>"""
LFS = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""
# MXNet's own layout: HybridBlock.export writes it beside the .params file
SYMBOL = json.dumps(
    {
        "nodes": [{"op": "null", "name": "data", "inputs": []}],
        "arg_nodes": [0],
        "heads": [[0, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    },
    indent=2,
).encode()


class Explosive:
    """Unpickling this fails the test."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[()]]:
        return (pytest.fail, ())


def torch_file(zipped: bool) -> bytes:
    target = io.BytesIO()
    state = {"weight": torch.zeros(2, 3)}
    torch.save(state, target, _use_new_zipfile_serialization=zipped)
    return target.getvalue()


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


NODE = field(1, field(1, b"dense/kernel") + field(2, b"VariableV2"))
ONNX = b"\x08\x07" + field(2, b"pytorch") + field(7, field(1, field(4, b"Gemm")))
STATES = pickle.dumps({0: (np.zeros(2), Explosive()), 1: None})
FILES: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "is empty", "Fetch it again"),
    "two bytes": (b"\x12\x01", "truncated: 2 bytes are too few", "Fetch it again"),
    "web page": (
        b"\n<!DOCTYPE html><html><head><title>404\n Not Found</title></head></html>",
        "a web page .* that says: 404 Not Found",
        "Fetch the file again",
    ),
    "error of S3": (DENIED, "that says: AccessDenied; Access Denied", "Fetch the file again"),
    "page without title": (b"<html>Gone</html>", "web page", "Fetch the file again"),
    "error as JSON": (b'{"message": "rate limit"}', "a JSON text", "Fetch it again"),
    "error of a CDN": (b"error code: 1003", "a text, perhaps an error", "Fetch it again"),
    "git-lfs": (LFS, "a git-lfs pointer", "git lfs pull"),
    "symbol": (SYMBOL, "the symbol of a network", "Give the .params file"),
    "optimizer": (STATES, "Python pickle.*optimizer", "never opened"),
    "old optimizer": (pickle.dumps({0: None}, 0), "Python pickle", "never opened"),
    "PyTorch": (torch_file(True), "a PyTorch checkpoint .a ZIP", "library that wrote it"),
    "old PyTorch": (torch_file(False), "a PyTorch checkpoint .of before 1.6", "library that wrote"),
    "safetensors": (
        safetensors.numpy.save({"a": np.zeros(2, np.float32)}),
        "a safetensors file",
        "needs no conversion",
    ),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file", "library that wrote it"),
    "SavedModel": (
        b"\x08\x01" + field(2, field(1, field(4, b"serve"))),
        "a TensorFlow SavedModel",
        "library that wrote it",
    ),
    "GraphDef": (NODE * 2, "a TensorFlow graph", "library that wrote it"),
    "index of TensorFlow": (
        bytes(50) + struct.pack("<Q", 0xDB4775248B80FB57),
        "the index of a TensorFlow checkpoint",
        "library that wrote it",
    ),
    "ONNX": (ONNX, "an ONNX model", "library that wrote it"),
    "xz": (b"\xfd7zXZ\0" + bytes(20), "compressed .*xz", "Unpack it first"),
    "Block.save": (
        json.dumps({"net0": {"orig_name": "net0", "hybridized": False, "children": {}}}).encode(),
        "Block.save writes beside the weights",
        "Give the -model.params beside it",
    ),
    "anything": (b"\x01\x02something else", "begins with 0102 736f 6d65", "Check that this"),
}
TEXTS = {  # what is shown of a text
    "page without title": ["<html>Gone</html>"],
    "error as JSON": ['{"message": "rate limit"}'],
    "error of a CDN": ["error code: 1003"],
    "git-lfs": LFS.decode().splitlines(),
}


@pytest.mark.parametrize(("content", "what", "do"), FILES.values(), ids=FILES.keys())
def test_it_is_named_with_what_to_do(content: bytes, what: str, do: str, tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(content)
    with pytest.raises(ParamsError) as caught:
        read_index(path)
    first, *shown, last = str(caught.value).split("\n")
    assert re.fullmatch(rf"{path}: .*{what}.*", first)
    assert do in last
    texts = {content: texts for name, texts in TEXTS.items() for content in [FILES[name][0]]}
    assert shown == [f"  | {line}" for line in texts.get(content, [])]
    told = invoke("inspect", path)
    assert (told.exit_code, told.stdout) == (1, "")
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("name", ["git-lfs", "optimizer", "symbol", "anything"])
def test_it_is_named_within_gzip_too(name: str, tmp_path: Path) -> None:
    content, what, do = FILES[name]
    path = tmp_path / "x.params"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ParamsError, match=rf"gzip, and what is in it is .*{what}(.*\n)+.*{do}"):
        read_index(path)


def test_the_data_of_a_tensorflow_checkpoint_is_known_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt-7.data-00000-of-00001"
    path.write_bytes(np.full(8, 0.5, np.float32).tobytes())
    with pytest.raises(ParamsError, match="the weights of a TensorFlow checkpoint"):
        read_index(path)


def test_a_truncated_file_says_where_and_how_much(fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "bort_decoder.params"
    index = read_index(source)
    count = len(index.tensors)
    fifth = [*index.tensors.values()][4]
    path = tmp_path / "x.params"
    path.write_bytes(source.read_bytes()[: fifth.offset + fifth.nbytes - 12])
    with pytest.raises(ParamsError, match=f"tensor 5 of {count}, .*12 or more are missing"):
        read_index(path)
    path.write_bytes(source.read_bytes()[:-3])
    with pytest.raises(ParamsError, match=f"name {count} of {count}, .*3 or more are missing"):
        read_index(path)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"Not Found\r\n\r\nno such key", ["Not Found", "no such key"]),
        ("Zugriff verweigert für alle".encode("latin1"), [r"Zugriff verweigert f\xfcr alle"]),
        ("Entry not found".encode("utf-16"), ["Entry not found"]),
        (b"\xef\xbb\xbfdenied", ["denied"]),
        (b"all of it \x1b[31mred\x1b[0m\rand more", [r"all of it \x1b[31mred\x1b[0m\rand more"]),
        ("right to left \u202e left".encode(), [r"right to left \u202e left"]),
        (b"line\n" * 7, ["line"] * 5 + ["…"]),
        (b"x" * 9000, ["x" * 120 + "…", "…"]),
    ],
)
def test_a_text_is_shown_as_it_is_within_bounds(
    content: bytes, shown: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(content)
    told = invoke("inspect", path)
    assert told.stderr.split("\n")[1:-2] == [f"  | {line}" for line in shown]
    assert "\x1b" not in told.stderr


@pytest.mark.parametrize("content", [bytes(range(1, 200)), b"a few letters\0", b"\xff" * 40])
def test_what_is_no_text_is_shown_as_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(content)
    assert f"begins with {content[:16].hex(' ', 2)}" in invoke("inspect", path).stderr


def test_a_page_cannot_forge_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    path.write_bytes(b"<html><title>a\nforged\x1b[31m</title>")
    told = invoke("inspect", path)
    assert not any(line.startswith("forged") for line in told.stderr.split("\n"))
    assert "\x1b" not in told.stderr


# fixtures/others/: written by TensorFlow 2.21, h5py 3.14, onnx 1.23 and MXNet 1.5.0 themselves.
REAL = {
    "model.ckpt.index": "the index of a TensorFlow checkpoint",
    "model.ckpt.data-00000-of-00001": "the weights of a TensorFlow checkpoint",
    "saved_model.pb": "a TensorFlow SavedModel",
    "graph.pb": "a TensorFlow graph",
    "model.h5": "an HDF5 file",
    "model.onnx": "an ONNX model",
    "trainer.states": "the states of an MXNet optimizer",
    "model-symbol.json": "the symbol of a network",
}


@pytest.mark.parametrize(("name", "what"), REAL.items())
def test_real_files_of_other_programs(name: str, what: str, fixtures: Path) -> None:
    with pytest.raises(ParamsError, match=f"{name}: not an MXNet .params file, but .*{what}.*\n"):
        read_index(fixtures / "others" / name)
