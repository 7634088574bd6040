"""What several tests share: hand-made checkpoints and tables, the command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tests.borts import MANIFEST, source
from tests.params.files import encode_arrays

ROOT = Path(__file__).parents[2]
BORT_TOML = (ROOT / "converter" / "tables" / "families" / "bort.toml").read_text("utf-8")
CONFIG = {"num_attention_heads": 4}

Arrays = dict[str, np.ndarray[Any, Any]]


def heads(name: str) -> str:
    """The `--config` value that the fixture `name` needs."""
    return f"num_attention_heads={MANIFEST[name]['num_attention_heads']}"


def arguments(name: str, dst: Path, *more: str) -> list[str]:
    """The command line that converts the fixture `name` into `dst`."""
    family = [] if "--table" in more or "--family" in more else ["--family", "bort"]
    told = any(option.startswith("num_attention_heads=") for option in more)
    config = [] if told else ["--config", heads(name)]
    return ["--src", str(source(name)), "--dst", str(dst), *family, *config, *more]


def write_params(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Path:
    """A file of these arrays as MXNet 1.x writes it (array version V2)."""
    path.write_bytes(encode_arrays(arrays))
    return path


def bort_arrays(*, vocabulary: int = 97, mlm: bool = False) -> Arrays:
    """A Bort of one layer, 8 units, feed-forward width 6 and 5 positions, random."""
    units, width = 8, 6
    shapes = {
        "word_embed.0.weight": (vocabulary, units),
        "encoder.position_weight": (5, units),
        "encoder.layer_norm.gamma": (units,),
        "encoder.layer_norm.beta": (units,),
    }
    cell = "encoder.transformer_cells.0"
    for part in ("attention_cell.proj_query", "attention_cell.proj_key"):
        shapes |= {f"{cell}.{part}.weight": (units, units), f"{cell}.{part}.bias": (units,)}
    for part in ("attention_cell.proj_value", "proj"):
        shapes |= {f"{cell}.{part}.weight": (units, units), f"{cell}.{part}.bias": (units,)}
    for part in ("layer_norm", "ffn.layer_norm"):
        shapes |= {f"{cell}.{part}.gamma": (units,), f"{cell}.{part}.beta": (units,)}
    shapes |= {
        f"{cell}.ffn.ffn_1.weight": (width, units),
        f"{cell}.ffn.ffn_1.bias": (width,),
        f"{cell}.ffn.ffn_2.weight": (units, width),
        f"{cell}.ffn.ffn_2.bias": (units,),
    }
    if mlm:
        shapes |= {
            "decoder.0.weight": (units, units),
            "decoder.0.bias": (units,),
            "decoder.2.gamma": (units,),
            "decoder.2.beta": (units,),
            "decoder.3.bias": (vocabulary,),
        }
    random = np.random.default_rng(0)
    arrays: Arrays = {
        name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()
    }
    if mlm:
        arrays["decoder.3.weight"] = arrays["word_embed.0.weight"].copy()
    return arrays


def table_with(path: Path, *changes: tuple[str, str]) -> Path:
    """Bort's own table with pieces of its text replaced: a user's table."""
    text = BORT_TOML
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, "utf-8")
    return path


def swapped_table(path: Path) -> Path:
    """A table that fits and is wrong: query and key, equal in shape, change places."""
    return table_with(
        path, ("self.query", "self.Q"), ("self.key", "self.query"), ("self.Q", "self.key")
    )


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "converter", *map(str, args)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def run(*args: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; `more` are environment variables."""
    return subprocess.run(
        command(*args), env=environment(**more), capture_output=True, encoding="utf-8", check=False
    )


# An older directory, such as this program writes and may replace
OLDER = {
    "conversion.json": b'{"tool": {"name": "bort-convert"}}',
    "model.safetensors": b"older",
}


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory, also of those in it, and its bytes."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def names_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def mixed(arrays: Arrays) -> Arrays:
    """The same arrays in four dtypes by turns."""
    dtypes = [np.float32, np.float16, np.float64, ml_dtypes.bfloat16]
    return {
        name: array.astype(dtypes[number % len(dtypes)])
        for number, (name, array) in enumerate(arrays.items())
    }
