"""What tables say beside plain rows: operations, versions, exports, alternatives, end to end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import converter
from converter.errors import PlanError, TableError
from converter.operations import ROW_OPERATIONS
from converter.params import read_index
from converter.planning.base import UNCONVERTED_FILE
from converter.planning.plan import TablePlan, make_plan
from converter.proof.bits import check_bits
from converter.tables.load import parse_table
from converter.writing.model import write_model

TABLE = """
title = "T"
reference = "bert"
[tensor]
"copied" = ["t.copied", "rows", "width"]
"q" = ["t.q", "width"]
"k" = ["t.k", "width"]
"v" = ["t.v", "width"]
"headed" = ["t.headed", "heads", "size"]
[transpose]
"turned" = ["t.turned", "width", ["rows", 2]]
[pad]
"positions" = [2, "t.positions", "places", "width"]
[split]
"fused" = [["t.one", "t.two", "t.three"], "rows", "width"]
[split_heads]
"out" = ["t.out", "width", "heads", "size"]
[transpose_split_heads]
"in" = ["t.in", "width", "heads", "size"]
[tied]
"second" = "copied"
[drop]
"constant" = "it can be computed"
[head.lm]
tied = { "lm.weight" = "copied" }
[head.lm.tensor]
"lm.bias" = ["t.bias", "heads", "size"]
[head.untied]
instead_of = "lm"
config = { tie = false }
[head.untied.tensor]
"lm.bias" = ["t.bias", "heads", "size"]
"lm.weight" = ["t.weight", "rows", "width"]
[head.extra]
export = ["extra.0", "extra.1"]
[[target]]
class = "LM"
heads = ["lm"]
[[target]]
class = "LM"
heads = ["untied"]
[[target]]
class = "Base"
heads = []
strip = "t."
export = ["lm", "extra"]
reason = "Base has no place for them."
[config]
act = "gelu"
tie = true
[[version]]
versions = ["0.9"]
text = "say so"
config = { act = "relu" }
heads = "heads"
unscramble = [["q", "k", "v"]]
"""
SHAPES: Mapping[str, tuple[int, ...]] = {
    "copied": (3, 4),
    "q": (4,),
    "k": (4,),
    "v": (4,),
    "headed": (2, 3),
    "turned": (6, 4),
    "positions": (5, 4),
    "fused.weight": (9, 4),
    "fused.bias": (9,),
    "out": (4, 6),
    "in": (6, 4),
    "constant": (7,),
    "lm.bias": (2, 3),
}
PARTS = ("one", "two", "three")
RANDOM = np.random.default_rng(5)
ARRAYS = {n: RANDOM.standard_normal(s).astype("f4") for n, s in SHAPES.items()}
TIED = dict.fromkeys(("second", "lm.weight"), ARRAYS["copied"])
EXTRA = {f"extra.{n}": RANDOM.standard_normal((n + 1, 2)).astype("f4") for n in range(2)}


def plan_of(folder: Path, arrays: Mapping[str, np.ndarray], **choice: Any) -> TablePlan:
    converter.save_params(folder / "a.params", dict(arrays), force=True)
    config = {key: choice.pop(key) for key in ("tie",) if key in choice}
    table = parse_table(TABLE, "my", "my.toml")
    return make_plan(read_index(folder / "a.params"), [table], config, **choice)


def written(plan: TablePlan, folder: Path) -> dict[str, np.ndarray]:
    out = folder / "out"
    out.mkdir()
    write_model(plan, out)
    return load_file(out / "model.safetensors")


def test_every_kind_makes_what_it_says_and_comes_back(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ARRAYS | TIED)
    assert {row.operation for row in plan.table.rows} == {*ROW_OPERATIONS}
    assert plan.config["places"] == 7
    made, a = written(plan, tmp_path), ARRAYS
    expected = {
        "t.copied": a["copied"],
        "t.headed": a["headed"],
        "t.turned": a["turned"].T,
        "t.positions": np.concatenate([np.zeros((2, 4), "f4"), a["positions"]]),
        **{
            f"t.{part}.{kind}": value
            for kind in ("weight", "bias")
            for part, value in zip(PARTS, np.split(a[f"fused.{kind}"], 3), strict=True)
        },
        "t.out": a["out"].reshape(4, 2, 3),
        "t.in": a["in"].T.reshape(4, 2, 3),
        "t.bias": a["lm.bias"],
        **{f"t.{bias}": a[bias] for bias in "qkv"},
    }
    assert made.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(made[name], value, name)
    bits = check_bits(plan, tmp_path / "out")
    assert (bits.passed, bits.identical, bits.cast) == (True, len(SHAPES) - 1, 0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_file_of_gluonnlp_0_9_is_unscrambled(tmp_path: Path, dtype: str) -> None:
    plan = plan_of(tmp_path, ARRAYS | TIED, gluonnlp="0.9.2", dtype=dtype)
    assert (plan.config["act"], plan.gluonnlp, [*plan.warnings()]) == ("relu", "0.9.2", [])
    (tmp_path / "out").mkdir()
    write_model(plan, tmp_path / "out")
    assert check_bits(plan, tmp_path / "out").passed
    if dtype == "float32":
        made = load_file(tmp_path / "out" / "model.safetensors")
        scrambled = np.concatenate([ARRAYS[bias] for bias in "qkv"]).reshape(2, 3, 2)
        for part, bias in enumerate("qkv"):
            np.testing.assert_array_equal(made[f"t.{bias}"], scrambled[:, part].reshape(-1))


@pytest.mark.parametrize("version", [None, "0.8", "0.10.0", "1.0"])
def test_other_versions_mean_what_stands_there(tmp_path: Path, version: str | None) -> None:
    plan = plan_of(tmp_path, ARRAYS | TIED, gluonnlp=version)
    assert (plan.config["act"], plan.version) == ("gelu", None)
    assert [*plan.warnings()] == ([] if version else ["say so"])
    assert {step.operation for step in plan.steps} == {*ROW_OPERATIONS}


@pytest.mark.parametrize(
    "version", ["9", "0.11", "2.0", "0.9.", "x.y", "0.9rc1", "0.9.0.0", "０.9"]
)
def test_a_version_that_is_none_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(PlanError, match="there is no GluonNLP"):
        plan_of(tmp_path, ARRAYS | TIED, gluonnlp=version)


def test_heads_without_a_place_go_beside_the_model(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ARRAYS | TIED | EXTRA)
    assert (plan.transformers_class, plan.match.export_reason[:4]) == ("Base", "Base")
    made = written(plan, tmp_path)
    assert "copied" in made
    assert "bias" not in made
    beside = load_file(tmp_path / "out" / UNCONVERTED_FILE)
    assert {n: v.tolist() for n, v in beside.items()} == {
        n: v.tolist() for n, v in (EXTRA | {"lm.bias": ARRAYS["lm.bias"]}).items()
    }
    assert check_bits(plan, tmp_path / "out").passed
    beside["extra.1"][1, 1] += 1
    save_file(beside, tmp_path / "out" / UNCONVERTED_FILE)
    assert check_bits(plan, tmp_path / "out").problems == ("extra.1 is not extra.1, bit for bit",)
    (tmp_path / "out" / UNCONVERTED_FILE).unlink()
    assert not check_bits(plan, tmp_path / "out").passed


def test_half_a_head_without_a_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(tmp_path, ARRAYS | TIED | {"extra.0": EXTRA["extra.0"]})
    assert "missing: extra.1 (the head 'extra' is there in part, not whole)" in str(caught.value)


def test_a_decoder_that_is_not_tied_is_converted_when_asked(tmp_path: Path) -> None:
    arrays = ARRAYS | TIED | {"lm.weight": ARRAYS["copied"] + 1}
    with pytest.raises(PlanError, match="not tied to the embedding; --config tie=false converts"):
        written(plan_of(tmp_path, arrays), tmp_path)
    (tmp_path / "out").rename(tmp_path / "first")
    plan = plan_of(tmp_path, arrays, tie=False)
    assert plan.heads == ("untied",)
    np.testing.assert_array_equal(written(plan, tmp_path)["t.weight"], arrays["lm.weight"])
    assert check_bits(plan, tmp_path / "out").passed


def test_the_tables_own_second_name_must_be_equal(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="second must equal copied"):
        written(plan_of(tmp_path, ARRAYS | TIED | {"second": ARRAYS["copied"] + 1}), tmp_path)
    plan = plan_of(tmp_path, {n: v for n, v in (ARRAYS | TIED).items() if n != "copied"})
    used = [*(s.source.name for s in plan.steps if s.source), *(a.name for a, _ in plan.match.tied)]
    assert {"second", "lm.weight"} <= {*used}, "one stands in for the first, the other equals it"
    assert [b.name for _, b in plan.match.tied] != ["copied"]


WRONG_SHAPES = {
    "turned": ((5, 4), r"turned makes \(4, 5\), expected \(4, 6\) \(width = 4, rows × 2 = 6\)"),
    "positions": ((5,), r"positions is \(5,\), expected 2 dimensions"),
    "fused.weight": ((8, 4), r"fused.weight is \(8, 4\): 8 rows do not split into 3"),
    "out": ((4, 7), r"out makes \(4, '\?', '\?'\), expected \(4, 2, 3\)"),
    "in": ((6,), r"in is \(6,\): transpose_split_heads needs 2 dimensions"),
}


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_a_wrong_shape_is_named(name: str, tmp_path: Path) -> None:
    shape, reason = WRONG_SHAPES[name]
    with pytest.raises(PlanError, match=rf"wrong shape: {reason}"):
        plan_of(tmp_path, ARRAYS | TIED | {name: np.ones(shape, "f4")})


@pytest.mark.parametrize(
    "name", [f"t.{n}" for n in ("one.weight", "three.bias", "in", "positions", "q")]
)
def test_a_changed_value_is_seen_by_the_bits(name: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ARRAYS | TIED, gluonnlp="0.9")
    made = written(plan, tmp_path)
    for at in (0, made[name].size - 1):
        changed = made[name].copy()
        changed.reshape(-1)[at] += 1
        save_file(made | {name: changed}, tmp_path / "out" / "model.safetensors")
        assert not check_bits(plan, tmp_path / "out").passed


def test_two_parts_exchanged_are_seen_by_the_bits(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ARRAYS | TIED)
    written(plan, tmp_path)
    swap = {"t.one.bias": "t.two.bias", "t.two.bias": "t.one.bias"}
    steps = tuple(dataclasses.replace(s, target=swap.get(s.target, s.target)) for s in plan.steps)
    assert not check_bits(dataclasses.replace(plan, steps=steps), tmp_path / "out").passed


MISTAKES = {
    "pad without rows": (('[2, "t.pos', '["t.pos'), "rows is at least 1"),
    "pad of no rows": (('[2, "t.pos', '[0, "t.pos'), "rows is at least 1"),
    "pad of a wrong type": (('[2, "t.positions", "places", "width"]', '"t"'), "a row is"),
    "split into none": (('["t.one", "t.two", "t.three"]', '"t.one"'), "at least two targets"),
    "split into one": ((', "t.two", "t.three"]', "]"), "needs at least two targets"),
    "split into one twice": (('"t.two", "t', '"t.one", "t'), "target 't.one.weight' is a dupl"),
    "product of nothing": (('["rows", 2]', "[]"), "'turned': a size is at least 1"),
    "product with zero": (('["rows", 2]', '["rows", 0]'), "'turned': a size is at least 1"),
    "sum of nothing": (
        ('"places", "width"]', '{ of = "places", plus = 0 }, 1]'),
        "is at least 1",
    ),
    "sum without a field": (('"places", "width"]', "{ plus = 1 }, 1]"), "a size has the wrong"),
    "copy to nothing": (('["t.headed", "h', '[[], "h'), r"\[copy\] 'headed': needs a target"),
    "copy of a wrong type": (('["t.headed", "h', '[true, "h'), "headed: a row is"),
    "zero and converted": (("[drop]", '[zero]\n"q" = "r"\n[drop]'), "source 'q' is a duplicate"),
    "product of a wrong type": (('["rows", 2]', '["rows", 2.5]'), "turned: a size has the wrong"),
    "version of none": (('["0.9"]', "[]"), "versions is empty"),
    "version twice": (('["0.9"]', '["0.9", "0.9"]'), "version '0.9' is a duplicate"),
    "version's field": (("{ act =", "{ action ="), "'action' is no field"),
    "version's heads": (('heads = "heads"', 'heads = "m"'), "'m' is not defined"),
    "two biases": (('"k", "v"]', '"k"]'), "needs query, key and value"),
    "a bias twice": (('"k", "v"]', '"k", "k"]'), "needs query, key and value"),
    "no such bias": (('"k", "v"]', '"k", "turned"]'), "'turned': no row copies it"),
    "export without a reason": (('reason = "Base has no place for them."', ""), "go together"),
    "reason without export": (('heads = ["lm"]', 'heads = ["lm"]\nreason = "r"'), "go together"),
    "converted and exported": (("heads = []", 'heads = ["lm"]'), "'lm' is converted and exported"),
    "names only exported": (('["untied"]', '["extra"]'), "names that are only exported"),
    "instead of nothing": (('instead_of = "lm"', 'instead_of = "x"'), "no head 'x' to stand for"),
    "instead of itself": (('instead_of = "lm"', 'instead_of = "untied"'), "no head 'untied' to"),
    "instead of, when": (("config = { tie = false }", ""), "its config must say when"),
    "tied twice over": (('"second" = "copied"', '"turned" = "copied"'), "'turned' has a row"),
    "tied to nothing": (('"second" = "copied"', '"second" = "x"'), "there is no row for 'x'"),
}


@pytest.mark.parametrize(("change", "reason"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_file_and_key(change: tuple[str, str], reason: str) -> None:
    assert change[0] in TABLE
    with pytest.raises(TableError, match=rf"(?s)^my\.toml: .*{reason}"):
        parse_table(TABLE.replace(*change, 1), "my", "my.toml")
