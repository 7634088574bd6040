"""What tables say of second names, sizes and values: sums, products, zeros, several names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import converter
from converter.errors import PlanError
from converter.params import read_index
from converter.planning.plan import TablePlan, make_plan
from converter.proof.bits import check_bits
from converter.tables.load import parse_table
from converter.writing.model import write_model

TABLE = """
title = "More"
reference = "gpt2"
prefixes = ["", "inner."]
[tensor]
"words" = [["t.words", "t.more.words"], "rows", "width"]
"bias" = ["t.bias", 32, "heads"]
"inner" = ["t.inner", ["heads", "size"], "width"]
[pad]
"positions" = [2, "t.positions", { of = "places", plus = 2 }, "width"]
[zero]
"beta" = "t adds none"
[head.lm]
outer = true
[head.lm.tied]
"lm.weight" = "words"
[[target]]
class = "LM"
heads = ["lm"]
[[target]]
class = "Base"
heads = []
"""
RANDOM = np.random.default_rng(6)
ARRAYS = {
    n: RANDOM.standard_normal(shape).astype("f4")
    for n, shape in {
        "words": (5, 4),
        "bias": (32, 3),
        "inner": (6, 4),
        "positions": (7, 4),
    }.items()
} | {"beta": np.array([0.0, -0.0], "f4")}
INNER = {f"inner.{name}": value for name, value in ARRAYS.items()}


def plan_of(folder: Path, arrays: Mapping[str, np.ndarray], **choice: Any) -> TablePlan:
    converter.save_params(folder / "a.params", dict(arrays), force=True)
    table = parse_table(TABLE, "my", "my.toml")
    return make_plan(read_index(folder / "a.params"), [table], {}, **choice)


def written(plan: TablePlan, folder: Path) -> dict[str, np.ndarray]:
    out = folder / "out"
    out.mkdir()
    write_model(plan, out)
    return load_file(out / "model.safetensors")


def test_sizes_follow_from_sums_and_products(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ARRAYS)
    told = {"rows": 5, "width": 4, "heads": 3, "size": 2, "places": 7}
    assert {key: plan.config[key] for key in told} == told
    (positions,) = (step for step in plan.steps if step.target == "t.positions")
    assert positions.shape == (9, 4)
    with pytest.raises(PlanError, match=r"inner is \(7, 4\): no tensor determines heads × size$"):
        plan_of(tmp_path, ARRAYS | {"inner": np.ones((7, 4), "f4")})
    with pytest.raises(PlanError, match=r"positions .*places"):
        plan_of(tmp_path, ARRAYS | {"positions": np.ones((7, 3), "f4")})


@pytest.mark.parametrize("dtype", ["keep", "bfloat16"])
def test_one_tensor_under_several_names(tmp_path: Path, dtype: str) -> None:
    plan = plan_of(tmp_path, ARRAYS, dtype=dtype)
    made = written(plan, tmp_path) if dtype == "keep" else {}
    bits = check_bits(plan, tmp_path / "out") if made else None
    if bits:
        np.testing.assert_array_equal(made["t.words"], ARRAYS["words"])
        np.testing.assert_array_equal(made["t.more.words"], ARRAYS["words"])
        assert (bits.passed, bits.identical) == (True, 4), "each source counts once"
        for name in ("t.words", "t.more.words"):
            changed = {name: made[name] + np.float32(1)}
            save_file(made | changed, tmp_path / "out" / "model.safetensors")
            assert not check_bits(plan, tmp_path / "out").passed
    else:
        (tmp_path / "out").mkdir()
        write_model(plan, tmp_path / "out")
        assert check_bits(plan, tmp_path / "out").passed


def test_what_is_not_finite_is_counted_once(tmp_path: Path) -> None:
    words = ARRAYS["words"].copy()
    words[0, 0] = np.nan
    plan = plan_of(tmp_path, ARRAYS | {"words": words})
    (tmp_path / "out").mkdir()
    assert write_model(plan, tmp_path / "out")["words"].nan == 1


def test_values_that_must_be_zero_are_checked(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ARRAYS)
    assert plan.match.dropped == {"beta": "t adds none"}
    written(plan, tmp_path)
    for value in (1e-30, np.nan):
        beta = np.array([0, value], "f4")
        wrong = plan_of(tmp_path, ARRAYS | {"beta": beta})
        with pytest.raises(PlanError, match="beta must be all zeros and is not: t adds none"):
            write_model(wrong, tmp_path / "out")
        bits = check_bits(wrong, tmp_path / "out")
        assert bits.problems == ("beta is not all zeros, and was left out",)
    with pytest.raises(PlanError, match="wrong dtype: beta is int32"):
        plan_of(tmp_path, ARRAYS | {"beta": np.zeros(2, "i4")})


def test_a_second_name_alone_makes_a_head(tmp_path: Path) -> None:
    tied = {"lm.weight": ARRAYS["words"]}
    assert plan_of(tmp_path, INNER).transformers_class == "Base"
    assert plan_of(tmp_path, INNER | tied).transformers_class == "LM"
    without = {name: value for name, value in INNER.items() if name != "inner.words"}
    plan = plan_of(tmp_path, without | tied)
    assert plan.transformers_class == "LM"
    np.testing.assert_array_equal(written(plan, tmp_path)["t.words"], ARRAYS["words"])
    with pytest.raises(PlanError, match=r"missing: inner\.words"):
        plan_of(tmp_path, without)
