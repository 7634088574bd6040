"""Real MXNet reads the files of the tests' own writer, and finds in them what was put there.

The other tests believe `tests/params/files.py`; this one asks the original. It is marked live
because it needs the MXNet environments that `make test` builds.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.params import load_params, read_index
from tests.conftest import ROOT
from tests.params.files import CPU, GPU, PINNED, VERSIONS, Array, File, csr, row_sparse
from tests.params.strategies import FLAGS, dtype_of

pytestmark = pytest.mark.live

SHAPES = [(2, 3), (5,), (1, 2, 1, 3)]
# The dtypes an MXNet has names for: `mxnet.ndarray.ndarray._DTYPE_MX_TO_NP`.
DTYPES = {"mxnet_original": range(7), "mxnet_latest": (*range(8), 12)}
# MXNet 1.5 is older than V3.
CASES = [(e, v) for e in DTYPES for v in VERSIONS if (e, v) != ("mxnet_original", "V3")]


def make(environment: str, version: str) -> dict[str, Array]:
    """An array of every dtype and shape that this MXNet knows, saved from one device or other."""
    made: dict[str, Array] = {}
    for flag in DTYPES[environment]:
        for shape in [*SHAPES, (), (0, 2)] if version == "V3" else SHAPES:
            size = math.prod(shape) * dtype_of(flag).itemsize
            values = 2 if FLAGS[flag] == "bool" else 120
            data = bytes((7 * n + len(made)) % values for n in range(size))
            made[f"é.{len(made)}"] = Array(shape, data, flag, (CPU, GPU, PINNED)[len(made) % 3])
    return made


@pytest.fixture(scope="module")
def read(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str, bool], dict[str, Any]]:
    """What MXNet finds in the file of each case, with names and without: V3 in a process alone."""
    folder = tmp_path_factory.mktemp("written")
    found: dict[tuple[str, str, bool], dict[str, Any]] = {}
    for environment in DTYPES:
        versions = [version for of, version in CASES if of == environment]
        for some in ([v for v in versions if v != "V3"], [v for v in versions if v == "V3"]):
            keys = [(environment, version, named) for version in some for named in (True, False)]
            paths = [folder / f"{'-'.join(map(str, key))}.params" for key in keys]
            for (_, version, named), path in zip(keys, paths, strict=True):
                made = make(environment, version)
                path.write_bytes(
                    File([*made.values()], [*made] if named else None, version).encode()
                )
            options = ["--np-shape"] if "V3" in some else []
            lines = load(request.getfixturevalue(environment), *options, *paths) if some else []
            found |= zip(keys, lines, strict=True)
    return found


def load(python: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    """What tests/mxnet/load_params.py says of each file."""
    script = ROOT / "tests" / "mxnet" / "load_params.py"
    command = [python, "-W", "ignore", script, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize(("environment", "version"), CASES)
def test_mxnet_reads_what_the_writer_makes(
    environment: str, version: str, named: bool, read: dict[tuple[str, str, bool], dict[str, Any]]
) -> None:
    made = make(environment, version)
    assert read[environment, version, named] == {
        name if named else str(number): [
            dtype_of(array.flag).name,
            list(array.shape),
            hashlib.sha256(array.data).hexdigest(),
        ]
        for number, (name, array) in enumerate(made.items())
    }


@pytest.mark.parametrize("environment", DTYPES)
def test_mxnet_accepts_the_sparse_arrays_of_the_writer(
    environment: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data = np.array([[1, 2], [3, 4]], "<f4")
    made = {
        "rows": row_sparse((5, 2), [0, 3], data),
        "no rows": row_sparse((5, 2), [], data[:0]),
        "matrix": csr((3, 4), [0, 2, 2, 3], [0, 2, 1], data.reshape(-1)[:3]),
    }
    path = tmp_path / "x.params"
    path.write_bytes(File([*made.values()], [*made]).encode())
    (read,) = load(request.getfixturevalue(environment), path)
    ours = load_params(path, densify=True)
    entries = read_index(path).tensors
    assert read == {
        name: [
            value.dtype.name,
            list(value.shape),
            hashlib.sha256(value.tobytes()).hexdigest(),
            entries[name].storage,
        ]
        for name, value in ours.items()
    }


@pytest.mark.parametrize("environment", DTYPES)
def test_the_sparse_arrays_of_mxnet_are_read_equal(
    environment: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = tmp_path / "x.params"
    script = ROOT / "tests" / "mxnet" / "save_sparse.py"
    command = [request.getfixturevalue(environment), "-W", "ignore", script, path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    stated = json.loads(run.stdout.splitlines()[-1])
    ours = load_params(path, densify=True)
    entries = read_index(path).tensors
    assert {*ours} == {*stated}
    for name, (storage, values) in stated.items():
        assert entries[name].storage == ("dense" if storage == "default" else storage)
        np.testing.assert_array_equal(ours[name], np.array(values, ours[name].dtype))
