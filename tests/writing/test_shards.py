"""Weights that are too large for one file: planned, written, proven, replaced."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub.serialization._base import parse_size_to_int
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import converter
from converter.errors import ConvertError, ParityError, WriteError
from converter.planning.options import parse_size
from converter.writing.shards import INDEX, WEIGHTS, stored_in, weight_files
from tests import borts
from tests.cli.test_main import invoke
from tests.faults.making import CONFIG, bort_arrays, write_params

NAME = "bort_decoder"
LIMIT = 20_000  # bytes: the fixture becomes several shards, one of them a single large tensor


def shards_of(directory: Path) -> dict[str, str]:
    told: dict[str, str] = json.loads((directory / INDEX).read_text())["weight_map"]
    return told


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture in shards, verified by the conversion itself."""
    directory = tmp_path_factory.mktemp("sharded") / "out"
    converter.convert(
        borts.source(NAME), directory, family="bort", config=borts.heads(NAME), max_shard_size=LIMIT
    )
    return directory


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 10**9), ("500MB", 5 * 10**8), (" 1.5kb ", 1500), ("2TB", 2 * 10**12), (7, 7)],
)
def test_sizes_are_those_of_the_hub(text: str | int, size: int) -> None:
    assert parse_size(text) == size
    if isinstance(text, str):
        assert parse_size_to_int(text) == size


@given(st.floats(0.001, 1e6), st.sampled_from(["KB", "mb", "GB", "tB"]))
def test_every_size_is_the_hubs(number: float, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == parse_size_to_int(f"{number}{unit}")


@pytest.mark.parametrize(
    "text", ["", "GB", "5 Gb x", "0", "-1", "-5GB", "nanMB", "1e999GB", "5GiB"]
)
def test_no_size_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="is no size of a shard"):
        parse_size(text)
    destination = str(tmp_path / "out")
    result = invoke("--src", borts.source(NAME), "--dst", destination, f"--max-shard-size={text}")
    assert result.exit_code == 2
    assert "is no size of a shard" in result.stderr


def test_shards_hold_what_one_file_holds(sharded: Path, tmp_path: Path) -> None:
    converter.convert(
        borts.source(NAME), tmp_path / "one", family="bort", config=borts.heads(NAME), verify=False
    )
    assert weight_files(tmp_path / "one") == [WEIGHTS]
    assert not (tmp_path / "one" / INDEX).exists()
    whole = load_file(tmp_path / "one" / WEIGHTS)
    files = weight_files(sharded)
    assert files == [
        f"model-{n + 1:05d}-of-{len(files):05d}.safetensors" for n in range(len(files))
    ]
    assert len(files) > 2
    found: dict[str, Any] = {}
    for file in files:
        tensors = load_file(sharded / file)
        assert not found.keys() & tensors.keys()
        assert len(tensors) == 1 or sum(t.nbytes for t in tensors.values()) <= LIMIT
        found |= tensors
    assert found.keys() == whole.keys()
    assert all(np.array_equal(found[name], whole[name]) for name in whole)
    index = json.loads((sharded / INDEX).read_text())
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in whole.values())
    assert {name: path.name for name, path in stored_in(sharded).items()} == index["weight_map"]


def test_report_and_card_name_the_shards(sharded: Path) -> None:
    report = json.loads((sharded / "conversion.json").read_text())
    assert report["verified"] is True
    assert report["files"] == weight_files(sharded)
    card = (sharded / "README.md").read_text("utf-8")
    assert all(file in card for file in report["files"])
    assert f"weights in {len(report['files'])} shards" in card


@pytest.mark.parametrize("more", [0, -1])
def test_the_limit_itself_is_not_too_large(more: int, tmp_path: Path) -> None:
    source = write_params(tmp_path / "a.params", bort_arrays())
    converter.convert(source, tmp_path / "one", family="bort", config=CONFIG, verify=False)
    total = sum(t.nbytes for t in load_file(tmp_path / "one" / WEIGHTS).values())
    converter.convert(
        source,
        tmp_path / "out",
        family="bort",
        config=CONFIG,
        verify=False,
        max_shard_size=total + more,
    )
    assert (tmp_path / "out" / INDEX).exists() is (more < 0)


def test_verify_proves_shards_that_were_written_before(sharded: Path) -> None:
    report = converter.verify(borts.source(NAME), sharded)
    assert report.passed
    assert report.files == tuple(weight_files(sharded))


def lose_a_shard(directory: Path) -> str:
    (directory / weight_files(directory)[1]).unlink()
    return "is not there"


def name_a_wrong_file(directory: Path) -> str:
    index = json.loads((directory / INDEX).read_text())
    name = min(index["weight_map"])
    here = index["weight_map"][name]
    index["weight_map"][name] = next(f for f in weight_files(directory) if f != here)
    (directory / INDEX).write_text(json.dumps(index))
    return f"{name} is in {here}, and should be in {index['weight_map'][name]}"


def name_a_file_elsewhere(directory: Path) -> str:
    index = json.loads((directory / INDEX).read_text())
    index["weight_map"][min(index["weight_map"])] = "../other/model.safetensors"
    (directory / INDEX).write_text(json.dumps(index))
    return "../other/model.safetensors is not there"


def store_twice(directory: Path) -> str:
    first, second = weight_files(directory)[:2]
    tensors = load_file(directory / first)
    name = min(tensors)
    save_file({**load_file(directory / second), name: tensors[name]}, directory / second)
    return f"{name} is in {first} and in {second}"


def forget_a_tensor(directory: Path) -> str:
    index = json.loads((directory / INDEX).read_text())
    name = min(index["weight_map"])
    here = index["weight_map"].pop(name)
    (directory / INDEX).write_text(json.dumps(index))
    return f"{name} is in {here}, and should be nowhere"


def leave_a_whole_file(directory: Path) -> str:
    shutil.copy(directory / weight_files(directory)[0], directory / WEIGHTS)
    return f"{WEIGHTS} is in no line of it"


def leave_a_stale_shard(directory: Path) -> str:
    save_file({"more": np.zeros(1, np.float32)}, directory / "model-00009-of-00009.safetensors")
    return "model-00009-of-00009.safetensors is in no line of it"


def lose_the_index(directory: Path) -> str:
    (directory / INDEX).unlink()
    return "which is not there"


def damage_the_index(directory: Path) -> str:
    (directory / INDEX).write_text('{"weight_map": {"a": 1}}')
    return "it is no index of shards"


def cut_the_index(directory: Path) -> str:
    data = (directory / INDEX).read_bytes()
    (directory / INDEX).write_bytes(data[: len(data) // 2])
    return "it is no index of shards"


def flip_a_bit(directory: Path) -> str:
    path = directory / weight_files(directory)[-1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    return "should be all zeros"  # the zeros of the token types stand last


@pytest.mark.parametrize(
    "damage",
    [
        lose_a_shard,
        name_a_wrong_file,
        name_a_file_elsewhere,
        store_twice,
        forget_a_tensor,
        leave_a_whole_file,
        leave_a_stale_shard,
        lose_the_index,
        damage_the_index,
        cut_the_index,
        flip_a_bit,
    ],
)
def test_proof_sees_damaged_shards(
    damage: Callable[[Path], str], sharded: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "out"
    shutil.copytree(sharded, directory)
    expected = damage(directory)
    with pytest.raises(ParityError) as caught:
        converter.verify(borts.source(NAME), directory)
    proof = caught.value.report.proof
    assert any(expected in problem for problem in proof.bits.problems), proof.bits.problems
    assert proof.names.passed is (damage is flip_a_bit)


@pytest.mark.parametrize("sharded_first", [True, False])
def test_force_leaves_nothing_of_the_older_layout(sharded_first: bool, tmp_path: Path) -> None:
    destination = tmp_path / "out"
    sizes: list[int | str] = [LIMIT, "5GB"] if sharded_first else ["5GB", LIMIT]
    for size in sizes:
        converter.convert(
            borts.source(NAME),
            destination,
            family="bort",
            config=borts.heads(NAME),
            verify=False,
            force=True,
            max_shard_size=size,
        )
    assert (destination / INDEX).exists() is not sharded_first
    assert (weight_files(destination) == [WEIGHTS]) is sharded_first
    assert converter.verify(borts.source(NAME), destination).passed


def test_room_for_all_shards_is_claimed_before_a_byte_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = []

    def refuse(descriptor: int, _offset: int, size: int) -> None:
        assert os.fstat(descriptor).st_size == 0
        claimed.append(size)
        if len(claimed) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(WriteError, match="the disk is full"):
        converter.convert(
            borts.source(NAME),
            tmp_path / "out",
            family="bort",
            config=borts.heads(NAME),
            verify=False,
            max_shard_size=LIMIT,
        )
    assert len(claimed) == 3
    assert [*tmp_path.iterdir()] == []
