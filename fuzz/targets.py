"""What is fuzzed: functions of bytes that return, or raise what their users are promised.

Each target swallows its one promised error (`ParamsError`, `TableError`, `ConvertError`); anything
else that leaves it is a finding. `run.py` drives them with atheris, the test suite with hypothesis.
"""

from __future__ import annotations

import atexit
import functools
import gzip
import io
import json
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConvertError, ParamsError, PlanError, TableError, VocabularyError
from converter.files.staging import RECORD_FILE
from converter.params import Weights, load_params, read_index
from converter.params.source import find_params
from converter.planning.config import read_config
from converter.planning.file import plan_file
from converter.planning.match import Match, match_table
from converter.planning.model_yml import read_model_config, recorded_model_config
from converter.planning.plan import TablePlan, make_plan
from converter.planning.vocabulary import RecordedTokenizer
from converter.proof.bits import check_bits
from converter.proof.config_json import compare_config
from converter.proof.golden import _inputs, read_recording
from converter.report import record
from converter.report.inspection import inspection_lines
from converter.report.plan_json import plan_json
from converter.report.table_text import table_lines
from converter.tables.load import load_family, parse_table
from converter.tokenizer.vocabulary import read_merges, read_vocabulary
from converter.writing.model import write_json, write_model
from fuzz import graphs
from tests.borts import FIXTURES
from tests.faults.making import BORT_TOML, CONFIG, bort_arrays, write_params
from tests.params.files import Array, File


@functools.cache
def folder() -> Path:
    """A folder of this process."""
    made = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@functools.cache
def converted() -> TablePlan:
    """A tiny Bort, converted into `folder()`: the targets about `verify` change one file of it."""
    source = write_params(folder() / "tiny.params", bort_arrays(vocabulary=5))
    plan = make_plan(read_index(source), [load_family("bort")], CONFIG, "keep")
    for name in ("whole", "bits", "names"):
        directory = folder() / name
        directory.mkdir()
        write_model(plan, directory)
    return plan


def reader(data: bytes) -> None:
    """A parameters file: index, arrays and pieces agree with one another and with the bytes."""
    path = folder() / "x.params"
    path.unlink(missing_ok=True)  # an array of the input before may still be mapped
    path.write_bytes(data)
    read_all(path)


LARGE = 2**20  # bytes


def read_all(path: Path) -> None:
    """Read `path` in every way there is."""
    data = path.read_bytes()
    try:
        index = read_index(path)
        # A sparse tensor may claim any size: made dense where that is no matter of memory.
        small = all(entry.dense_nbytes < LARGE for entry in index.tensors.values())
        for other in index.others:
            with suppress(ValueError):  # too large, or damaged
                assert len(other.read(LARGE)) == other.size
        arrays = load_params(path, densify=small)
        with Weights(index, densify=small) as weights:
            for name, entry in index.tensors.items():
                pieces = b"".join(map(bytes, weights.pieces(entry)))
                assert (arrays[name].dtype, arrays[name].shape) == (entry.dtype, entry.shape)
                assert arrays[name].tobytes() == pieces
                if entry.storage == "dense" and index.container == "params":
                    assert pieces == data[entry.offset : entry.offset + entry.nbytes]
    except ParamsError as refusal:
        assert str(refusal).startswith(f"{path}: "), refusal


def table(data: bytes) -> None:
    """A table of a user's own: read, printed, and tried on a file."""
    try:
        own = parse_table(data.decode("utf-8", "replace"), "own", "own.toml")
    except TableError as refusal:
        assert str(refusal).startswith("own.toml"), refusal
        return
    assert [*table_lines(own)]
    try:
        plan = make_plan(converted().index, [own], CONFIG)
        assert json.dumps(plan_json(plan), allow_nan=False)
    except PlanError as refusal:
        assert refusal.problems


def told(data: bytes) -> None:
    """`conversion.json`, as far as `verify` believes it: the plan made from it."""
    plan = converted()
    (folder() / RECORD_FILE).write_bytes(data)
    try:
        said = record.read_record(folder())
        made = plan_file(
            plan.index.path,
            family=said["family"],
            config=said["config_overrides"],
            dtype=said["dtype"],
        )
        assert isinstance(made, TablePlan)
        recorded = RecordedTokenizer(record=said["tokenizer"], directory=folder())
        recorded.choose(made.match, made.config, {}, None, made.known)
    except ConvertError as refusal:
        assert str(refusal)


def vocabulary(data: bytes) -> None:
    """A vocabulary or merges of a user's own."""
    path = folder() / "some.vocab"
    path.write_bytes(data)
    for read in (read_vocabulary, read_merges):
        try:
            read(path)
        except VocabularyError as refusal:
            assert str(refusal).startswith(f"{path}: "), refusal


def yml(data: bytes) -> None:
    """A `model.yml`: plain values that JSON can hold, and the config that they make."""
    path = folder() / "model.yml"
    path.write_bytes(data)
    try:
        read = read_model_config(path)
    except PlanError as refusal:
        assert str(refusal).startswith(f"{path}: "), refusal
        return
    record = json.loads(json.dumps(asdict(read), allow_nan=False))
    assert recorded_model_config(record) == read
    for match in models():
        config, problems = read_config(match, {}, None, read)
        assert problems or json.dumps(config, allow_nan=False)


@functools.cache
def models() -> tuple[Match, ...]:
    """A BERT, and a generator of ELECTRA, whose sizes are products of two values."""
    found = {"bert_pretrain_sigmoid": "bert_1x", "electra_gen": "electra_1x"}
    return tuple(
        match_table(read_index(find_params(FIXTURES / "zoo_1x" / name)), load_family(family))
        for name, family in found.items()
    )


MOST = 2**20  # bytes of what is repeated: so many of anything are read in less than a second


def counts(data: bytes) -> None:
    """One piece many times: the members of an archive, gzip streams, names with their numbers.

    `data`: what is made, how many times (3 bytes), and the piece. libFuzzer's limits of time and
    memory are what is tried.
    """
    kind, count, piece = data[:1], int.from_bytes(data[1:4], "little"), data[4:1000]
    path = folder() / "many.params"
    path.unlink(missing_ok=True)
    path.write_bytes(repeated(kind, count, piece))
    try:
        index = read_index(path)
    except ParamsError as refusal:
        assert str(refusal).startswith(f"{path}: "), refusal
        return
    fits = [match_table(index, load_family(name)) for name in ("bert", "mobilebert_1x")]
    assert all(fit.accounted <= len(index.tensors) for fit in fits)
    for line in inspection_lines(index, fits):
        assert len(line) < 10 * MOST


def repeated(kind: bytes, count: int, piece: bytes) -> bytes:
    """The file that `counts` reads."""
    if kind == b"g":
        stream = gzip.compress(piece)
        return stream * min(count, MOST // len(stream))
    if kind == b"t":
        info = tarfile.TarInfo(piece[1:101].decode("latin-1").replace("\0", ""))
        info.type = piece[:1]
        return info.tobuf(tarfile.USTAR_FORMAT, "latin-1")[:512] * min(count, MOST // 512)
    if kind == b"z":
        entry = piece or b"PK\1\2"
        many = entry * min(count, MOST // len(entry))
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, len(many), 4, 0)
        return b"PK\3\4" + many + end
    names: dict[str, None] = {}
    for line in piece.decode("latin-1").split("\n"):
        most = min(count, MOST // (len(line) + 80)) if "#" in line else 1
        names |= dict.fromkeys(line.replace("#", str(number)) for number in range(most))
    return File([Array((1,), bytes(4))] * len(names), [*names]).encode()


def bits(data: bytes) -> None:
    """`model.safetensors`: what is not the written one fails, and says why."""
    plan = converted()
    (folder() / "bits" / "model.safetensors").write_bytes(data)
    verdict = check_bits(plan, folder() / "bits")
    assert verdict.passed == (not verdict.problems)


class Usual:
    """A config class as Transformers has them, which is not there: every field is as planned."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def to_dict(self) -> dict[str, Any]:
        return self._fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Usual:
        return cls(**fields)


def names(data: bytes) -> None:
    """`config.json`: it is as planned, or every field that is not is told."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    planned = converted().config
    fields = compare_config(planned, found, Usual)
    assert fields.problems or fields.edited or found == planned


def golden(data: bytes) -> None:
    """A recorded golden: arrays, and what they must be before a model runs."""
    path = folder() / "golden.npz"
    path.write_bytes(data)
    try:
        arrays, about = read_recording(path)
        assert isinstance(about, dict)
        _inputs(converted(), path, arrays)
    except ConvertError as refusal:
        assert str(refusal).startswith(f"{path}: "), refusal


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": reader,
    "table": table,
    "told": told,
    "vocabulary": vocabulary,
    "yml": yml,
    "counts": counts,
    "bits": bits,
    "names": names,
    "golden": golden,
    "symbol": graphs.symbol,
    "symbol_params": graphs.symbol_params,
}


# Where each target begins: whole files, as small as they come


def seeds(target: str) -> Iterator[bytes]:
    """Files that the target accepts."""
    if target == "reader":
        yield from (path.read_bytes() for path in sorted(FIXTURES.glob("formats/*.params")))
        yield (FIXTURES / "legacy_ndarray.v0").read_bytes()
    elif target == "table":
        yield BORT_TOML.encode()
        yield from (part.encode() for part in BORT_TOML.split("\n\n"))
    elif target == "told":
        told_by: dict[str, Any] = {"family": "bort", "config_overrides": CONFIG, "dtype": "keep"}
        told_by |= {"config": {}, "gluonnlp_version": None, "tokenizer": None}
        write_json(folder() / RECORD_FILE, told_by)
        yield (folder() / RECORD_FILE).read_bytes()
        yield json.dumps(told_by | {"dtype": "float16"}).encode()
        record: dict[str, Any] = {
            "files": {"vocab": "v", "merges": "m"},
            "special": {"pad": "<pad>"},
        }
        record |= {"tokens_sha256": "", "lower": None, "gluonnlp_version": "0.8"}
        yield json.dumps(told_by | {"tokenizer": record}).encode()
    elif target == "vocabulary":
        roles = {"padding_token": "p"}
        parts = {"idx_to_token": ["u", "p"], "token_to_idx": {"u": 0, "p": 1}}
        yield json.dumps(parts | {"unknown_token": "u", "identifiers_to_tokens": roles}).encode()
        newer = {"all_tokens": ["u"], "special_token_key_value": {"unk_token": "u"}}
        yield json.dumps(newer).encode()
        yield from (b'{"a": 0, "b": 1}', b"[PAD]\n##b\n", b"#version: 0.2\na b\nab c\n")
    elif target == "yml":
        for file in ("zoo_1x/bert_pretrain_sigmoid/model.yml", "autogluon/cfg.yml"):
            yield (FIXTURES / file).read_bytes()
        yield b'{"MODEL": {"activation": "gelu", "num_heads": 4, "layer_norm_eps": 1e-12}}'
        yield b'{"MODEL": {"generator_layers_scale": 0.5, "layout": "NT", "ENCODER": {"a": 1}}}'
        yield b"a: &a {b: 1}\nMODEL: {a: *a, <<: *a, b: 0x1F, c: 1:30, d: .inf, e: 2001-01-01}"
    elif target == "counts":
        yield b"g\1\0\0" + File([Array((1,), bytes(4))], ["a"]).encode()
        yield from (b"g\0\1\0", b"t\2\0\00name", b"t\0\1\05", b"t\0\1\0L" + b"a" * 90)
        yield b"z\2\0\0PK\1\2" + bytes(42)
        yield b"n\0\1\0encoder.transformer_cells.#.proj.weight\nword_embed.0.weight"
        yield b"n\0\4\0bertencoder0_transformer#_proj_weight\nbertclassifier#_dense0_bias"
        cell = b"encoder.all_layers.%d.stacked_ffn.%d.ffn_1.weight\n"
        yield b"n\0\4\0" + cell % (999, 0) + cell % (0, 999) + b"x#"
    elif target in ("bits", "names"):
        converted()
        file = "model.safetensors" if target == "bits" else "config.json"
        yield (folder() / "whole" / file).read_bytes()
    elif target == "golden":
        yield from _goldens()
    else:
        yield from graphs.seeds(target)


def _goldens() -> Iterator[bytes]:
    arrays: dict[str, Any] = {
        "input_ids": np.array([[1, 2, 3], [4, 0, 0]], np.int32),
        "valid_length": np.array([3, 1], np.int32),
        "hidden_states": np.zeros((1, 2, 3, 8), np.float16),
        "about": np.array('{"mxnet": "1.5.0"}'),
    }
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **arrays)
        yield file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("input_ids", b"\x93NUMPY\x01\x00")
    yield file.getvalue()
