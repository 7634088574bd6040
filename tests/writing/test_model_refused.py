"""What is not written, and why; and what is written all the same."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import converter
from converter.errors import ConvertError, PlanError, WriteError
from converter.files.disk import NO_ROOM
from converter.planning.steps import DTYPES
from converter.writing.model import write_model
from converter.writing.safetensors import header_of
from tests.borts import source
from tests.faults.making import (
    CONFIG,
    bort_arrays,
    names_in,
    write_params,
)
from tests.writing.making import EMBEDDING, OVER_A_PIECE, planned, planned_from, written


@pytest.mark.parametrize("row", [0, OVER_A_PIECE - 1])
@pytest.mark.parametrize(
    ("dtype", "stored", "value"),
    [
        ("float16", "float32", 70000),
        ("float16", "bfloat16", -1e30),
        ("bfloat16", "float32", 3.4e38),
    ],
)
def test_overflow_names_the_tensor_and_leaves_nothing(
    row: int, dtype: str, stored: str, value: float, tmp_path: Path
) -> None:
    arrays = bort_arrays(vocabulary=OVER_A_PIECE)
    arrays[EMBEDDING] = arrays[EMBEDDING].astype(DTYPES[stored])
    arrays[EMBEDDING][row, 7] = value
    path = write_params(tmp_path / "a.params", arrays)
    with pytest.raises(ConvertError, match=f"{EMBEDDING}: .*too large for {dtype}"):
        converter.convert(
            path, tmp_path / "out", family="bort", config=CONFIG, dtype=dtype, verify=False
        )
    assert names_in(tmp_path) == ["a.params"]


@pytest.mark.parametrize("row", [0, OVER_A_PIECE - 1])
def test_unequal_tied_tensors_are_refused_by_name(row: int, tmp_path: Path) -> None:
    arrays = bort_arrays(vocabulary=OVER_A_PIECE, mlm=True)
    arrays["decoder.3.weight"][row, 7] += 1
    path = write_params(tmp_path / "a.params", arrays)
    with pytest.raises(PlanError, match=f"decoder.3.weight must equal {EMBEDDING}"):
        converter.convert(path, tmp_path / "out", family="bort", config=CONFIG, verify=False)
    assert names_in(tmp_path) == ["a.params"]


@pytest.mark.parametrize("size", [0, 100, -1])
def test_source_that_changed_after_the_plan_is_refused(size: int, tmp_path: Path) -> None:
    plan = planned_from(tmp_path, bort_arrays())
    os.truncate(plan.index.path, size if size >= 0 else plan.index.size + 1)
    with pytest.raises(ConvertError, match=r"a\.params: the file changed"):
        written(plan, tmp_path / "out")


def test_source_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    plan = planned_from(tmp_path, bort_arrays(vocabulary=OVER_A_PIECE))
    with pytest.raises(ConvertError, match=r"a\.params: became shorter"):
        write_model(plan, tmp_path, lambda *_: os.truncate(plan.index.path, 500))


@pytest.mark.parametrize("number", NO_ROOM)
def test_no_room_is_said_with_the_bytes_that_are_needed(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    plan = planned(source("bort_backbone"))
    with pytest.raises(WriteError) as caught:
        converter.convert(
            plan.index.path, tmp_path / "out", family="bort", config=CONFIG, verify=False
        )
    assert NO_ROOM[number] in str(caught.value)
    needed = plan.nbytes + len(header_of([]))  # and the names, which come to less than the weights
    (said,) = re.findall(r"([\d,]+) bytes are needed", str(caught.value))
    assert needed < int(said.replace(",", "")) < 2 * needed
    assert names_in(tmp_path) == []


def test_file_system_that_cannot_reserve_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    plan = planned(source("bort_backbone"))
    assert written(plan, tmp_path / "out").keys() == {step.target for step in plan.steps}
