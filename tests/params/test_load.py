"""`load_params`: arrays backed by the file, and what importing the package costs."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from converter import load_params
from converter.errors import ParamsError
from converter.params import read_index
from converter.params.load import map_tensors
from tests.conftest import ROOT
from tests.params.files import Array, File
from tests.params.strategies import dtype_of, files

HEAVY = ["torch", "transformers", "scipy", "mxnet"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("load")


@given(file=files())
def test_every_array_has_its_dtype_shape_and_bytes(file: File, scratch: Path) -> None:
    path = scratch / "x.params"
    path.unlink(missing_ok=True)  # arrays of the example before may still be mapped
    path.write_bytes(file.encode())
    arrays = load_params(path)
    assert list(arrays) == file.names
    for value, array in zip(arrays.values(), file.arrays, strict=True):
        assert isinstance(array, Array)
        assert (value.dtype, value.shape) == (dtype_of(array.flag), array.shape)
        assert value.tobytes() == array.data


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Three bytes, then float32 and bfloat16 at odd offsets."""
    path = tmp_path / "odd.params"
    numbers = np.array([[1.5, -0.0], [np.nan, 3e38]], "<f4")
    halves = np.array([1.0, -2.5], ml_dtypes.bfloat16)
    made = [
        Array((3,), b"abc", flag=3),
        Array((2, 2), numbers.tobytes(), flag=0),
        Array((2,), halves.tobytes(), flag=12),
    ]
    path.write_bytes(File(made, ["bytes", "numbers", "halves"]).encode())
    return path


def test_unaligned_arrays_have_their_values(odd: Path) -> None:
    assert read_index(odd).tensors["numbers"].offset % 4 != 0
    arrays = load_params(odd)
    np.testing.assert_array_equal(arrays["numbers"], np.array([[1.5, -0.0], [np.nan, 3e38]], "f4"))
    assert arrays["halves"].astype("f4").tolist() == [1.0, -2.5]


def test_nothing_can_be_written_through_it(odd: Path) -> None:
    before = odd.read_bytes()
    arrays = load_params(odd)
    with pytest.raises(TypeError):
        arrays["bytes"] = np.zeros(3)  # type: ignore[index]
    for value in arrays.values():
        with pytest.raises(ValueError, match="read-only"):
            value[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            value.flags.writeable = True
    assert odd.read_bytes() == before


def test_an_array_outlives_mapping_and_file(odd: Path) -> None:
    value = load_params(odd)["bytes"]
    odd.unlink()
    gc.collect()
    assert value.tobytes() == b"abc"


def test_a_file_that_changed_after_its_index_is_refused(odd: Path) -> None:
    index = read_index(odd)
    with odd.open("ab") as file:
        file.truncate(index.size - 1)
    with pytest.raises(ParamsError, match=r"odd\.params: the file changed"):
        map_tensors(index)
    odd.unlink()
    with pytest.raises(ParamsError, match="No such file"):
        map_tensors(index)


@pytest.mark.parametrize(
    "arguments",
    [None, ["--help"], ["families"], ["inspect", "bort_decoder.params"], ["families", "bort"]],
    ids=lambda a: " ".join(a or ["import converter"]),
)
def test_what_needs_no_model_imports_no_model_library(
    arguments: list[str] | None, fixtures: Path
) -> None:
    code = f"""
import json, sys
import converter
from converter.cli.main import main
arguments = json.loads(sys.argv[1])
if arguments is not None:
    main(arguments, standalone_mode=False)
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        cwd=fixtures,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout.splitlines()[-1]) == []


def test_run_without_proof_imports_nothing_of_the_proof(fixtures: Path, tmp_path: Path) -> None:
    """Each costs 5 to 5,000 ms to import, and half of a run without proof is imports."""
    code = """
import sys
from converter.cli.main import main
main(sys.argv[1:], standalone_mode=False)
slow = "torch transformers scipy safetensors email importlib.metadata"
own = "converter.proof.reference converter.proof.bits converter.params.containers"
own += " converter.writing.npz converter.graph"
print([name for name in f"{slow} {own}".split() if name in sys.modules])
"""
    arguments = ["--no-verify", "--src", str(fixtures / "bort_decoder.params")]
    arguments += [
        "--dst",
        str(tmp_path / "out"),
        "--family",
        "bort",
        "--config",
        "num_attention_heads=4",
    ]
    run = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path = {sys.path}\n{code}", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines()[-1] == "[]"
