"""The writer: against the reader, the tests' own writer, and real MXNet, byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import converter
from converter.errors import WriteError
from tests.conftest import ROOT
from tests.faults.making import Arrays, names_in
from tests.params.files import File
from tests.params.strategies import FLAGS, arrays, dtype_of

Version = Literal["V2", "V3"]
VERSIONS: tuple[Version, ...] = ("V2", "V3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("saved")


@given(st.data(), st.sampled_from(VERSIONS))
def test_bytes_are_those_of_the_tests_own_writer(
    folder: Path, data: st.DataObject, version: Version
) -> None:
    made = data.draw(st.lists(arrays(version), max_size=4))
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    names = data.draw(st.lists(text, min_size=len(made), max_size=len(made), unique=True))
    values = {
        name: np.frombuffer(array.data, dtype_of(array.flag)).reshape(array.shape)
        for name, array in zip(names, made, strict=True)
    }
    path = folder / "a.params"
    converter.save_params(path, values, version, force=True)
    on_cpu = [type(a)(a.shape, a.data, a.flag) for a in made]
    assert path.read_bytes() == File(on_cpu, names, version).encode()
    loaded = converter.load_params(path)
    assert [*loaded] == names
    for name, value in values.items():
        assert (loaded[name].dtype, loaded[name].shape) == (value.dtype, value.shape)
        assert loaded[name].tobytes() == value.tobytes()


def test_strides_and_byte_order_are_the_files_own(tmp_path: Path) -> None:
    square = np.arange(12, dtype=np.int32).reshape(3, 4)
    given_ones = {"f": np.asfortranarray(square), "t": square.T, "s": square[::-2, 1::2]}
    given_ones["big"] = square.astype(">i4")
    converter.save_params(tmp_path / "a.params", given_ones)
    loaded = converter.load_params(tmp_path / "a.params")
    for name, array in given_ones.items():
        assert loaded[name].dtype == np.dtype("<i4")
        np.testing.assert_array_equal(loaded[name], array)


def test_everything_that_v2_cannot_hold_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.params"
    bad: Arrays = {
        "ok": np.zeros(1),
        "a.scalar": np.array(1.0),
        "an.empty": np.zeros((0, 3)),
        "a.complex": np.zeros(2, np.complex64),
        "text": np.array(["x"]),
        "deep": np.zeros((1,) * 33) if int(np.__version__[0]) > 1 else np.array(2.0),
        "half\ud800": np.zeros(1),
    }
    with pytest.raises(WriteError) as caught:
        converter.save_params(path, bad)
    for name in bad:
        assert (repr(name) in str(caught.value)) == (name != "ok")
    assert len(caught.value.problems) == len(bad) - 1
    assert names_in(tmp_path) == []
    converter.save_params(path, {name: bad[name] for name in ("ok", "a.scalar", "an.empty")}, "V3")


def test_two_names_of_the_same_bytes(tmp_path: Path) -> None:
    both = {"é": np.ones(1), "\udcc3\udca9": np.ones(1)}
    with pytest.raises(WriteError, match="same bytes"):
        converter.save_params(tmp_path / "a.params", both)


def test_version_that_is_not_written(tmp_path: Path) -> None:
    version: Any = "V1"
    with pytest.raises(WriteError, match="there are: V2, V3"):
        converter.save_params(tmp_path / "a.params", {}, version)


def test_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.params"
    path.write_text("older")
    with pytest.raises(WriteError, match="exists"):
        converter.save_params(path, {"a": np.ones(2)})
    assert path.read_text() == "older"
    converter.save_params(path, {"a": np.ones(2)}, force=True)
    assert [*converter.load_params(path)] == ["a"]
    assert names_in(tmp_path) == ["a.params"]


def test_file_can_be_written_over_itself(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("no mapped file can be replaced there")
    path = tmp_path / "a.params"
    converter.save_params(path, {"a": np.arange(5)})
    converter.save_params(path, converter.load_params(path), force=True)
    np.testing.assert_array_equal(converter.load_params(path)["a"], np.arange(5))


# The dtypes an MXNet has names for, by flag; see `test_live.py`.
KNOWN = {"mxnet_original": range(7), "mxnet_latest": (*range(8), 12)}


def every(environment: str, version: Version) -> Arrays:
    """Arrays of every dtype that this MXNet knows, with the values that are easily lost."""
    made: Arrays = {}
    shapes = [(2, 3), (5,), (1, 2, 1, 3), *([(), (0, 2)] if version == "V3" else [])]
    for flag in KNOWN[environment]:
        dtype = dtype_of(flag)
        for shape in shapes:
            size = int(np.prod(shape))
            values = np.arange(size) % 2 if FLAGS[flag] == "bool" else np.arange(size) - size // 2
            array = values.astype(np.float32).astype(dtype).reshape(shape)
            if size > 1 and dtype.kind in "fV":
                array.flat[:2] = np.array([np.nan, -0.0], dtype)
            made[f"é.{dtype.name}.{len(made)}"] = array
    return made


def assert_mxnet_agrees(python: Path, folder: Path, made: Arrays, version: Version) -> None:
    """We and MXNet read the same in our file, and MXNet's own file of it is ours to the byte."""
    ours, theirs = folder / "ours.params", folder / "theirs.params"
    converter.save_params(ours, made, version, force=True)
    options = ["--np-shape"] if version == "V3" else []
    script = ROOT / "tests" / "mxnet" / "resave.py"
    command: list[str | Path] = [python, "-W", "ignore", script, *options, ours, theirs]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found, read = json.loads(run.stdout.splitlines()[-1]), converter.load_params(ours)
    assert found.keys() == made.keys() == read.keys()
    for name, array in made.items():
        sha256 = hashlib.sha256(array.tobytes()).hexdigest()
        assert found[name] == [array.dtype.name, [*array.shape], sha256], name
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()
    assert theirs.read_bytes() == ours.read_bytes()


PAIRS = [("mxnet_original", "V2"), ("mxnet_latest", "V2"), ("mxnet_latest", "V3")]


@pytest.mark.live
@pytest.mark.parametrize(("environment", "version"), PAIRS)
def test_mxnet_reads_it_and_writes_the_same_file(
    environment: str, version: Version, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    python = request.getfixturevalue(environment)
    assert_mxnet_agrees(python, tmp_path, every(environment, version), version)


@pytest.mark.live
@pytest.mark.parametrize(("environment", "version"), PAIRS)
@settings(max_examples=4)  # each takes a process of MXNet; each has up to thirty arrays
@given(data=st.data())
def test_any_arrays_go_round_through_mxnet(
    environment: str,
    version: Version,
    request: pytest.FixtureRequest,
    folder: Path,
    data: st.DataObject,
) -> None:
    known = arrays(version).filter(lambda array: array.flag in KNOWN[environment])
    # C code ends a name at a NUL; the number keeps names apart and not empty.
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    drawn = data.draw(
        st.lists(st.tuples(known, st.text(letters, max_size=9)), min_size=1, max_size=30)
    )
    made = {
        f"{number}{text}": np.frombuffer(a.data, dtype_of(a.flag)).reshape(a.shape)
        for number, (a, text) in enumerate(drawn)
    }
    assert_mxnet_agrees(request.getfixturevalue(environment), folder, made, version)
