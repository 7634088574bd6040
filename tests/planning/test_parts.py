"""A file that holds several models: ELECTRA's pre-training, discriminator and generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import converter
from converter.errors import PlanError
from converter.planning.file import plan_file
from tests import zoo_1x

ROOT = zoo_1x.ROOT / "electra_pretrain"
CLASSES = {"discriminator": "ElectraForPreTraining", "generator": "ElectraForMaskedLM"}


@pytest.mark.parametrize("part", CLASSES)
def test_each_part_is_converted_and_is_what_mxnet_computed(part: str, tmp_path: Path) -> None:
    report = converter.convert(ROOT, tmp_path / "out", part=part)
    plan = report.plan
    assert (plan.transformers_class, plan.match.part) == (CLASSES[part], part)
    assert plan.match.prefix == f"{part}.backbone_model."
    golden = ROOT / f"{part}.golden.npz"
    proof = converter.verify(ROOT, tmp_path / "out", golden=golden, atol=1e-5).proof
    assert proof is not None
    assert proof.golden is not None
    used = {step.source.name for step in plan.steps if step.source}
    assert {name.split(".")[0] for name in used} == {part}
    assert all(
        "--part" in plan.match.dropped[n] for n in plan.match.dropped if "backbone." not in n[:14]
    )


def test_the_heads_of_the_generator_are_scaled() -> None:
    assert plan_file(ROOT, part="generator").config["num_attention_heads"] == 2
    assert plan_file(ROOT, part="discriminator").config["num_attention_heads"] == 4


def test_a_part_must_be_chosen() -> None:
    with pytest.raises(PlanError, match="choose with --part discriminator or generator"):
        plan_file(ROOT)
    with pytest.raises(PlanError, match=r"(?s)no part 'middle'.*: discriminator, generator"):
        plan_file(ROOT, part="middle")
    with pytest.raises(PlanError, match="--part generator: the file is one bert_1x model"):
        plan_file(zoo_1x.source("bert/model"), part="generator")


def test_the_backbone_saved_a_second_time_must_be_equal(tmp_path: Path) -> None:
    arrays = dict(converter.load_params(ROOT / "model.params"))
    name = "disc_backbone.embed_layer_norm.beta"
    arrays[name] = arrays[name] + np.float32(1)
    converter.save_params(tmp_path / "x.params", arrays)
    yml = ROOT / "model.yml"
    with pytest.raises(PlanError, match=f"{name} must equal discriminator"):
        converter.convert(
            tmp_path / "x.params", tmp_path / "out", part="discriminator", model_config=yml
        )
    report = converter.convert(
        tmp_path / "x.params", tmp_path / "out", part="generator", model_config=yml
    )
    assert report.passed, "it is none of the generator's"
