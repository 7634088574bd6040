"""Plans of small Borts, and what is written of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from converter.params.weights import PIECE
from converter.planning.file import plan_file
from converter.planning.plan import TablePlan
from converter.writing.model import write_model
from tests.faults.making import CONFIG, Arrays, write_params

EMBEDDING = "word_embed.0.weight"
OVER_A_PIECE = 3 * PIECE // 32 + 1  # rows of 8 float32 that fill more than three pieces


def planned(path: Path, **options: Any) -> TablePlan:
    family = None if "table" in options else "bort"
    made: TablePlan = plan_file(path, family=family, config=CONFIG, **options)
    return made


def planned_from(tmp_path: Path, arrays: Arrays, **options: Any) -> TablePlan:
    return planned(write_params(tmp_path / "a.params", arrays), **options)


def written(plan: TablePlan, directory: Path) -> Arrays:
    directory.mkdir()
    write_model(plan, directory)
    return load_file(directory / "model.safetensors")
