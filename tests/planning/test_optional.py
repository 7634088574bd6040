"""Optional heads: what follows where they are absent, and what the sizes must then be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import converter
from converter.errors import PlanError, TableError
from converter.params import read_index
from converter.planning.plan import TablePlan, make_plan
from converter.proof.bits import check_bits
from converter.report.table_text import table_lines
from converter.tables.load import load_family, parse_table
from converter.writing.model import write_model

TABLE = """
title = "T"
reference = "bert_1x"
[tensor]
"words" = ["t.words", "rows", "width"]
"units" = ["t.units", "size", "value"]
[head.projection.dense]
"projection" = ["t.projection", "size", "width"]
[head.projection.config]
projected = true
[head.projection.absent]
equal = [["width", "size"]]
identity = ["t.projection.weight"]
zeros = ["t.projection.bias"]
config = { projected = false }
[head.shared]
equal = [["value", "size"]]
[head.shared.tensor]
"shared" = ["t.shared", "size"]
[head.shared.absent]
equal = [["value", "width"]]
[[target]]
class = "C"
heads = []
[config]
projected = true
"""
SHAPES: Mapping[str, tuple[int, ...]] = {
    "words": (5, 3),
    "units": (4, 3),
    "projection.weight": (4, 3),
    "projection.bias": (4,),
}
EQUAL: Mapping[str, tuple[int, ...]] = {"words": (5, 3), "units": (3, 3)}


def plan_of(tmp_path: Path, shapes: Mapping[str, Any], dtype: str = "keep") -> TablePlan:
    arrays = {name: np.ones(shape, "f4") for name, shape in shapes.items()}
    converter.save_params(tmp_path / "x.params", arrays)
    table = parse_table(TABLE, "my", "my.toml")
    return make_plan(read_index(tmp_path / "x.params"), [table], {}, dtype)


def test_with_the_head_its_tensors_are_copied(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SHAPES)
    assert (plan.heads, plan.config["projected"]) == (("projection",), True)
    assert {step.operation for step in plan.steps} == {"copy"}


@pytest.mark.parametrize("dtype", ["keep", "bfloat16", "float16"])
def test_without_it_the_identity_stands_there(tmp_path: Path, dtype: str) -> None:
    plan = plan_of(tmp_path, EQUAL, dtype)
    assert (plan.heads, plan.config["projected"]) == ((), False)
    directory = tmp_path / "out"
    directory.mkdir()
    write_model(plan, directory)
    made = load_file(directory / "model.safetensors")
    np.testing.assert_array_equal(made["t.projection.weight"].astype("f4"), np.eye(3))
    assert not made["t.projection.bias"].any()
    assert check_bits(plan, directory).passed
    for name, what in (("weight", "the identity"), ("bias", "all zeros")):
        changed = {n: v.copy() for n, v in made.items()}
        changed[f"t.projection.{name}"].reshape(-1)[1] = 1
        save_file(changed, directory / "model.safetensors")
        assert check_bits(plan, directory).problems == (f"t.projection.{name} should be {what}",)


WRONG: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "missing": (
        {"words": (5, 3), "units": (4, 3)},
        "missing: projection.weight, projection.bias: width = 3 and size = 4 differ",
    ),
    "in part": (
        {**EQUAL, "projection.bias": (3,)},
        "missing: projection.weight (the head 'projection' is there in part, not whole)",
    ),
    "shared": (
        {**SHAPES, "shared": (4,)},
        "unexpected: shared: value = 3 and size = 4 differ",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_sizes_that_do_not_go_with_it_are_named(what: str, tmp_path: Path) -> None:
    shapes, problem = WRONG[what]
    with pytest.raises(PlanError) as caught:
        plan_of(tmp_path, shapes)
    assert problem in caught.value.problems


MISTAKES = {
    "three sizes": (('[["width", "size"]]', '[["width", "size", "rows"]]'), "a pair has two sizes"),
    "no size": (('[["value", "width"]]', '[["value", "depth"]]'), "'depth' is the size of no row"),
    "no target": (('zeros = ["t.projection.bias"]', 'zeros = ["t.b"]'), "'t.b' is no target"),
    "twice": (('zeros = ["', 'zeros = ["t.projection.weight", "'), "is a duplicate"),
    "no matrix": (
        ('identity = ["t.projection.weight"]', 'identity = ["t.projection.bias"]'),
        "'t.projection.bias' is no matrix",
    ),
    "not square": (('[["width", "size"]]', '[["rows", "size"]]'), "needs equal sizes"),
    "in a target": (("heads = []", 'heads = ["shared"]'), "C must not name it"),
    "wrong type": (
        ('identity = ["t.projection.weight"]', "identity = [1]"),
        "identity 1: wrong type: 1",
    ),
}


@pytest.mark.parametrize(("change", "reason"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named(change: tuple[str, str], reason: str) -> None:
    assert change[0] in TABLE
    with pytest.raises(TableError, match=rf"(?s)^my\.toml: .*{reason}"):
        parse_table(TABLE.replace(*change, 1), "my", "my.toml")


PART = "[[part]]\nname = 'p'\nprefix = 'part.'\nexport = "
MODEL_YML_MISTAKES = {
    "two ways": (('unused = "the same"', 'unused = "x", only = "x"'), "one of config, models"),
    "no way": (('{ unused = "the same" }', "{}"), "one of config, models, only and unused"),
    "no field": (('config = "embedding_size" }', 'config = "embed" }'), "is not defined"),
    "values of nothing": (
        ('unused = "the same"', 'unused = "x", values = { a = 1 }'),
        "those of a",
    ),
    "scale alone": ((', scaled_by = "mlm" }', " }"), "scale and scaled_by go together"),
    "no scale": (('scale = "MODEL.generator_layers', 'scale = "MODEL.x'), "there is no key"),
    "no head": (('scaled_by = "mlm"', 'scaled_by = "gen"'), "there is no head 'gen'"),
    "no field of a model": (
        ("{ embedding_size = 128,", "{ embed = 1,"),
        "small: .* is not defined",
    ),
    "a model of no values": (
        ("num_attention_heads = 4 }", "num_attention_heads = [4] }"),
        "wrong type",
    ),
    "export without reason": (("[[part]]", f"{PART}['x']\n[[part]]"), "export and reason go"),
    "export of the model": (
        ("[[part]]", f"{PART}['pa']\nreason = 'r'\n[[part]]"),
        "of the model itself",
    ),
}


@pytest.mark.parametrize(
    ("change", "reason"), MODEL_YML_MISTAKES.values(), ids=MODEL_YML_MISTAKES.keys()
)
def test_a_mistake_about_model_yml_is_named(change: tuple[str, str], reason: str) -> None:
    text = load_family("electra_1x").text
    assert change[0] in text
    with pytest.raises(TableError, match=rf"(?s)^my\.toml: .*{reason}"):
        parse_table(text.replace(*change, 1), "my", "my.toml")


LAST = """
title = "T"
reference = "bert_1x"
layers = { i = "depth", j = "width" }
last = { l = "j" }
[tensor]
"layer.{i}.ffn.{j}.w" = ["t.{i}.ffn.{j}.w", "size"]
"layer.{i}.ffn.{l}.w" = ["t.{i}.w", "size"]
[[target]]
class = "C"
heads = []
[config]
act = "gelu"
"""


@pytest.mark.parametrize(("depth", "width"), [(1, 1), (2, 1), (3, 4)])
def test_the_last_of_a_number_goes_elsewhere(tmp_path: Path, depth: int, width: int) -> None:
    names = [f"layer.{i}.ffn.{j}.w" for i in range(depth) for j in range(width)]
    converter.save_params(tmp_path / "x.params", {name: np.ones(3, "f4") for name in names})
    table = parse_table(LAST, "my", "my.toml")
    plan = make_plan(read_index(tmp_path / "x.params"), [table], {})
    assert (plan.config["depth"], plan.config["width"]) == (depth, width)
    made = {step.target: step.source.name for step in plan.steps if step.source}
    assert made == {
        (f"t.{i}.w" if j == width - 1 else f"t.{i}.ffn.{j}.w"): f"layer.{i}.ffn.{j}.w"
        for i in range(depth)
        for j in range(width)
    }


def test_one_layer_with_fewer_is_named(tmp_path: Path) -> None:
    names = [f"layer.{i}.ffn.{j}.w" for i, j in ((0, 0), (0, 1), (1, 0))]
    converter.save_params(tmp_path / "x.params", {name: np.ones(3, "f4") for name in names})
    with pytest.raises(PlanError, match=r"missing: layer\.1\.ffn\.1\.w"):
        make_plan(read_index(tmp_path / "x.params"), [parse_table(LAST, "my", "my.toml")], {})


@pytest.mark.parametrize("wrong", ['l = "k"', 'j = "i"', 'l = "j", m = "l"'])
def test_a_last_of_nothing_is_a_mistake(wrong: str) -> None:
    with pytest.raises(TableError, match="a new letter, for the last of one of"):
        parse_table(LAST.replace('l = "j"', wrong), "my", "my.toml")


def test_the_printed_table_says_what_stands_in_their_place() -> None:
    lines = [*table_lines(load_family("albert_1x"))]
    name = "albert.encoder.embedding_hidden_mapping_in"
    assert any(
        "(identity, without the head)" in line and f"{name}.weight" in line for line in lines
    )
    assert any("(zeros, without the head)" in line and f"{name}.bias" in line for line in lines)
