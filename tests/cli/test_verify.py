"""`verify`: the proof repeated, on directories that are right, damaged, absent or another's."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from tests.borts import MANIFEST, golden, source
from tests.cli.test_main import invoke
from tests.faults.making import arguments, contents, swapped_table


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fixture, converted without proof: `verify` is what is tested."""
    folder = tmp_path_factory.mktemp("converted")
    for name in MANIFEST:
        assert invoke(*arguments(name, folder / name, "--no-verify")).exit_code == 0
    return folder


@pytest.fixture
def copied(converted: Path, tmp_path: Path) -> Path:
    """`bort_decoder`, to be damaged."""
    return shutil.copytree(converted / "bort_decoder", tmp_path / "out")


def verify(name: str, directory: Path, *options: str | Path) -> Result:
    return invoke("verify", "--src", source(name), "--dst", directory, *options)


@pytest.mark.parametrize("name", MANIFEST)
def test_golden_of_every_fixture_passes(name: str, converted: Path) -> None:
    before = contents(converted / name)
    result = verify(name, converted / name, "--golden", golden(name))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "golden  passed  largest difference" in result.stdout
    assert "FAILED" not in result.stdout
    assert contents(converted / name) == before


def test_golden_of_other_weights_is_3(converted: Path) -> None:
    result = verify("bort_float16", converted / "bort_float16", "--golden", golden("bort_decoder"))
    assert result.exit_code == 3
    assert "layer 2 differs from the recorded one" in result.stdout
    assert "parity  passed" in result.stdout


def test_golden_of_another_shape_is_1(converted: Path) -> None:
    options = ("--golden", golden("bort_regression"))
    result = verify("bort_classifier", converted / "bort_classifier", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "recorded logits (3, 1) are another model's" in result.stderr


BAD_GOLDENS = {
    "empty": b"",
    "text": b"hidden states",
    "truncated": golden("bort_decoder").read_bytes()[:-500],
    "damaged": golden("bort_decoder").read_bytes().replace(b"\x93NUMPY", b"\x93NUMPI"),
    "pickled": pickle.dumps({"hidden_states": [1.0]}),
    "zip of nothing": b"PK\x05\x06" + bytes(18),
}


STRANGE = ["npy", "npz of objects", "no about", "compressed", "no array"]


@pytest.fixture(params=[*BAD_GOLDENS, *STRANGE, "absent", "a directory"])
def bad_golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "golden.npz"
    match request.param:
        case "a directory":
            path.mkdir()
        case "npy":
            with path.open("wb") as file:
                np.save(file, np.zeros(3))
        case "npz of objects":
            np.savez(path, input_ids=np.array([{}, None], dtype=object))
        case "no about":
            np.savez(path, about=np.array("[" * 100_000))
        case "compressed":
            np.savez_compressed(path, hidden_states=np.zeros(10_000_000))
        case "no array":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("input_ids", "no array")
        case name if name in BAD_GOLDENS:
            path.write_bytes(BAD_GOLDENS[name])
    return path


def test_bad_golden_is_1_and_one_line(bad_golden: Path, converted: Path) -> None:
    result = verify("bort_decoder", converted / "bort_decoder", "--golden", bad_golden)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {bad_golden}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("place", [-1, -1000, -60_000])
def test_one_flipped_bit_is_3_and_names_the_tensor(place: int, copied: Path) -> None:
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[place] ^= 1
    weights.write_bytes(data)
    result = verify("bort_decoder", copied)
    assert result.exit_code == 3
    assert "bits    FAILED" in result.stdout
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    at = len(data) + place - 8 - length
    ranges = {n: e["data_offsets"] for n, e in header.items() if n != "__metadata__"}
    (name,) = [n for n, (begin, end) in ranges.items() if begin <= at < end]
    assert name in result.stdout


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 8, bytes(100)])
def test_damaged_weights_are_3(data: bytes, copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(data)
    result = verify("bort_decoder", copied)
    assert result.exit_code == 3
    assert "model.safetensors cannot be read" in result.stdout


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "[" * 100_000, '"text"', "null"])
def test_damaged_config_is_3(text: str, copied: Path) -> None:
    (copied / "config.json").write_text(text)
    result = verify("bort_decoder", copied)
    assert result.exit_code == 3
    assert "names   FAILED" in result.stdout


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000),
        b'{"family": "bort", "config_overrides": [], "dtype": "keep"}',
    ],
)
def test_damaged_report_is_1(data: bytes, copied: Path) -> None:
    (copied / "conversion.json").write_bytes(data)
    result = verify("bort_decoder", copied)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{copied / 'conversion.json'}: cannot be used" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["absent", "a file", "empty"])
def test_what_is_no_conversion_is_1(kind: str, tmp_path: Path) -> None:
    directory = tmp_path / "out"
    if kind == "a file":
        directory.write_text("")
    elif kind == "empty":
        directory.mkdir()
    result = verify("bort_decoder", directory)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a directory that bort-convert wrote is needed" in result.stderr


def test_another_source_of_the_same_shapes_is_3(copied: Path) -> None:
    result = verify("bort_v3", copied)  # the same weights in another array version
    assert result.exit_code == 0
    result = verify("bort_float16", copied)
    assert result.exit_code == 3
    assert "is F32 [97, 32], not as planned" in result.stdout
    assert f"{copied} is not proven to be {source('bort_float16')}" in result.stderr


def test_another_model_as_source_is_3(copied: Path) -> None:
    result = verify("bort_classifier", copied)
    assert result.exit_code == 3
    assert "classifier.weight was not written" in result.stdout
    assert "unexpected: cls.predictions.bias" in result.stdout


def test_wrong_table_is_seen_by_parity_alone(copied: Path, tmp_path: Path) -> None:
    table = swapped_table(tmp_path / "swapped.toml")
    assert (
        invoke(
            *arguments("bort_decoder", tmp_path / "wrong", "--table", str(table), "--no-verify")
        ).exit_code
        == 0
    )
    unknown = verify("bort_decoder", tmp_path / "wrong")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "was converted with the table 'swapped': give it by --table" in unknown.stderr
    result = verify("bort_decoder", tmp_path / "wrong", "--table", table)
    assert result.exit_code == 3
    assert "bits    passed" in result.stdout
    assert "parity  FAILED" in result.stdout


@pytest.fixture
def proven(tmp_path: Path) -> Path:
    """`bort_decoder`, converted with its proof."""
    assert invoke(*arguments("bort_decoder", tmp_path / "proven")).exit_code == 0
    return tmp_path / "proven"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def test_config_and_record_edited_together_are_3(proven: Path) -> None:
    """Heads 4 → 2 in both: the plan is made of the record, so no other question can see it."""
    edit(proven / "config.json", num_attention_heads=2)
    config = json.loads((proven / "config.json").read_text("utf-8"))
    edit(proven / "conversion.json", config_overrides={"num_attention_heads": 2}, config=config)
    result = verify("bort_decoder", proven)
    assert result.exit_code == 3
    assert "parity  passed" in result.stdout
    assert "record  FAILED" in result.stdout
    assert "conversion.json was changed after it was written" in result.stdout
    assert "config.json was changed after it was written" in result.stdout


@pytest.mark.parametrize("key", ["verified", "sha256", "digest", "proof", "assumed", "new"])
def test_any_edit_of_the_record_is_3(key: str, proven: Path) -> None:
    edit(proven / "conversion.json", **{key: {"config.json": "0"}})
    result = verify("bort_decoder", proven)
    assert result.exit_code == 3
    assert "conversion.json was changed after it was written" in result.stdout


def test_the_record_of_an_unchanged_directory_passes(proven: Path) -> None:
    (proven / "README.md").write_text("My own card.")
    (proven / "notes.txt").write_text("A file of the user's.")
    result = verify("bort_decoder", proven)
    assert result.exit_code == 0
    assert "record  passed  2 files beside the weights and itself" in result.stdout


def test_a_record_without_digests_is_as_before(proven: Path) -> None:
    record = json.loads((proven / "conversion.json").read_text("utf-8"))
    del record["digest"], record["sha256"]
    (proven / "conversion.json").write_text(json.dumps(record), "utf-8")
    result = verify("bort_decoder", proven)
    assert result.exit_code == 0
    assert "record" not in result.stdout
