"""What `export` wrote, read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import converter
from tests.faults.making import Arrays

SUFFIXES = ["safetensors", "npz"]


def loaded(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return load_file(path)
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def assert_equal(path: Path, expected: Any) -> None:
    found = loaded(path)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name


def write_params_of(folder: Path, values: Arrays) -> Path:
    converter.save_params(folder / "a.params", values)
    return folder / "a.params"
