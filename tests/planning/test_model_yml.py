"""`model.yml` of GluonNLP 1.x, and model directories: what they settle and what they cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import converter
from converter.errors import ConvertError, ParamsError, ParityError, PlanError
from converter.planning.file import plan_file
from converter.planning.model_yml import MAX_BYTES, read_model_config
from converter.planning.plan import TablePlan
from converter.proof.proof import prove
from converter.proof.reference.settings import source_settings
from converter.tables.load import load_family
from converter.writing.model import write_model
from tests import zoo_1x

NAME = "bert_pretrain_sigmoid/model"  # gelu(sigmoid), epsilon 1e-5


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return shutil.copytree(zoo_1x.source(NAME).parent, tmp_path / "model")


def edit(model: Path, old: str, new: str) -> None:
    path = model / "model.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_model_directory_needs_no_option(model: Path, tmp_path: Path) -> None:
    report = converter.convert(model, tmp_path / "out")
    plan = report.plan
    assert report.passed
    assert (plan.config["hidden_act"], plan.config["layer_norm_eps"]) == ("quick_gelu", 1e-5)
    assert plan.config["num_attention_heads"] == 4
    assert source_settings(plan)["activation"] == "gelu(sigmoid)", "GluonNLP's word, not ours"
    assert "stated by `model.yml`" in (tmp_path / "out" / "README.md").read_text()
    assert not any(key.startswith("MODEL") for key in plan.config)
    shutil.rmtree(model / "model.yml", ignore_errors=True)
    (model / "model.yml").unlink()
    again = converter.verify(model, tmp_path / "out")
    assert again.plan.model_config == plan.model_config, "conversion.json repeats what it said"


def test_config_json_does_not_depend_on_the_process(model: Path, tmp_path: Path) -> None:
    """Its fields stand in one order, whatever the seed of Python's hashes."""
    written = set()
    for seed in range(4):
        out = tmp_path / str(seed)
        subprocess.run(
            [sys.executable, "-m", "converter", "--src", model, "--dst", out, "--no-verify"],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
        )
        written.add((out / "config.json").read_bytes())
    assert len(written) == 1


def test_a_wrong_mapping_of_an_activation_fails_parity(model: Path, tmp_path: Path) -> None:
    table = load_family("bert_1x")
    values = dict(table.model_yml["MODEL.activation"].values)
    wrong = json.dumps(values | {"gelu(sigmoid)": "gelu_pytorch_tanh"}).replace('":', '" =')
    own = tmp_path / "own.toml"
    section = f'[model_yml]\n"MODEL.activation" = {{ config = "hidden_act", values = {wrong} }}'
    own.write_text(table.text.replace("[model_yml]", section))
    with pytest.raises(ParityError, match="proof failed"):
        converter.convert(model, tmp_path / "out", table=own)


def test_what_the_user_says_wins_on_both_sides(model: Path, tmp_path: Path) -> None:
    settings = {"hidden_act": "gelu", "num_attention_heads": 2, "layer_norm_eps": 1e-12}
    plan = plan_file(model, config=settings, force_config=True)
    assert source_settings(plan) == {
        "activation": "gelu",
        "num_heads": 2,
        "layer_norm_eps": 1e-12,
    }
    (tmp_path / "out").mkdir()
    write_model(plan, tmp_path / "out")
    assert prove(plan, tmp_path / "out").passed


def test_without_a_model_yml_what_it_tells_is_asked_for(model: Path) -> None:
    (model / "model.yml").unlink()
    with pytest.raises(PlanError) as caught:
        plan_file(model)
    heads, act = caught.value.problems
    assert heads.startswith("the file does not store num_attention_heads")
    assert "--model-config FILE, or say it with --config hidden_act=VALUE" in act
    plan_file(model, config={"num_attention_heads": 4, "hidden_act": "gelu"})


def edited(name: str, tmp_path: Path, old: str, new: str) -> Path:
    model = shutil.copytree(zoo_1x.ROOT / name, tmp_path / name)
    edit(model, old, new)
    return model


def test_the_generators_sizes_are_scaled(tmp_path: Path) -> None:
    """`model.yml` is the discriminator's: 12 heads and 48 units, of which a third are here."""
    model = shutil.copytree(zoo_1x.ROOT / "electra_gen_no_projection", tmp_path / "gen")
    config = plan_file(model).config
    assert (config["num_attention_heads"], config["hidden_size"]) == (4, 16)
    edit(model, "num_heads: 12", "num_heads: 24")
    assert plan_file(model).config["num_attention_heads"] == 8
    edit(model, "units: 48", "units: 16")
    with pytest.raises(PlanError, match=r"MODEL.units = 16: the file's shapes say 16, not 5"):
        plan_file(model)


def test_rows_that_are_put_before_count(tmp_path: Path) -> None:
    model = edited("roberta", tmp_path, "max_length: 20", "max_length: 22")
    with pytest.raises(PlanError, match=r"MODEL.max_length = 22: the file's shapes say 22, not 24"):
        plan_file(model)


def test_mobilebert_of_layer_norm_has_a_known_limit(tmp_path: Path) -> None:
    name = "mobilebert_pretrain_layer_norm"
    model = edited(name, tmp_path, "layer_norm_eps: 1.0e-05", "layer_norm_eps: 1.0e-12")
    proof = converter.convert(model, tmp_path / "out").proof
    assert proof is not None
    assert proof.parity is not None
    (limit,) = proof.parity.known_differences
    assert (limit.setting, limit.source, limit.target) == ("outer_layer_norm_eps", 1e-12, 1e-5)
    assert 1e-6 < limit.difference.max_abs_diff < 1e-3
    proof = prove(zoo_1x.plan_of(f"{name}/model"), model_of(name, tmp_path))
    assert proof.parity is not None
    assert proof.parity.known_differences == ()


def model_of(name: str, tmp_path: Path) -> Path:
    return written(zoo_1x.plan_of(f"{name}/model"), tmp_path / "written")


def test_a_strategy_that_transformers_cannot_run_is_refused(tmp_path: Path) -> None:
    model = edited("mobilebert", tmp_path, "qk_sharing", "from_input")
    with pytest.raises(PlanError, match="'from_input': Transformers has no counterpart"):
        plan_file(model)


def test_a_model_yml_elsewhere(model: Path, tmp_path: Path) -> None:
    edit(model, "num_heads: 4", "num_heads: 2")
    other = tmp_path / "other.yml"
    shutil.copy(zoo_1x.source(NAME).with_suffix(".yml"), other)
    assert plan_file(model, model_config=other).config["num_attention_heads"] == 4
    assert plan_file(model).config["num_attention_heads"] == 2
    with pytest.raises(PlanError, match="leave out --model-config"):
        plan_file(
            zoo_1x.ROOT.parent / "bort_decoder.params",
            family="bort",
            config={"num_attention_heads": 4},
            model_config=other,
        )


def test_config_against_model_yml_is_refused_naming_both(model: Path, tmp_path: Path) -> None:
    """Which of the two is right is not ours to choose: an unlucky user was given his slip."""
    wrong = {"hidden_act": "relu", "layer_norm_eps": 1e-5}  # the second as model.yml has it
    with pytest.raises(PlanError) as caught:
        plan_file(model, config=wrong)
    assert caught.value.problems == (
        "--config hidden_act='relu': model.yml says 'quick_gelu'; leave it out, or add "
        "--force-config if you know better",
    )
    report = converter.convert(model, tmp_path / "out", config=wrong, force_config=True)
    assert report.plan.config["hidden_act"] == "relu"
    record = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert record["options"]["force_config"] is True
    assert converter.verify(model, tmp_path / "out").passed


@pytest.mark.parametrize("value", [".nan", ".inf", "1e999", "-.inf", "nan"])
def test_a_number_that_json_lacks_is_no_number(value: str, model: Path) -> None:
    edit(model, "layer_norm_eps: 1.0e-05", f"layer_norm_eps: {value}")
    with pytest.raises(PlanError, match="layer_norm_eps"):
        plan_file(model)


CONTRADICTIONS = {
    "units: 24": ("units: 25", "model.yml: MODEL.units = 25: the file's shapes say 24"),
    "num_heads: 4": ("num_heads: 5", "num_attention_heads = 5 does not divide hidden_size = 24"),
    "num_layers: 2": ("num_layers: two", "MODEL.num_layers = 'two': the file's shapes say 2"),
    "gelu(sigmoid)": ("leaky", "MODEL.activation = 'leaky': Transformers has no counterpart"),
    "learned": ("sinusoidal", "MODEL.pos_embed_type = 'sinusoidal': only 'learned' can be"),
    "dtype: float32": ("dtyp: float32", "MODEL.dtyp = 'float32': the table bert_1x does not know"),
    "1.0e-05": ("small", "MODEL.layer_norm_eps = 'small': a value like 1e-12 is expected"),
}


@pytest.mark.parametrize("old", CONTRADICTIONS)
def test_contradictions_are_named(old: str, model: Path) -> None:
    new, problem = CONTRADICTIONS[old]
    edit(model, old, new)
    with pytest.raises(PlanError) as caught:
        plan_file(model)
    assert problem in str(caught.value)


def test_numbers_without_a_point_are_numbers(model: Path) -> None:
    """`1e-05` is text in YAML; yacs, and so GluonNLP, take it for a number."""
    edit(model, "1.0e-05", "1e-05")
    assert plan_file(model).config["layer_norm_eps"] == 1e-5


BROKEN = {
    b"MODEL: [": "cannot be read as a model.yml",
    b"MODEL: {a: !!python/object/apply:os.system [ls]}": "could not determine a constructor",
    b"- 1": "neither a section MODEL",
    b"MODEL: 3": "neither a section MODEL",
    b"\xff": "cannot be read as a model.yml",
    b"MODEL: {a: 0x" + b"f" * 60_000 + b"}": r"MODEL.a is no finite number, or one of too many",
    b"MODEL: {a: 1" + b":1" * 9000 + b".0}": "too large",
    b"MODEL: {a: .nan}": r"MODEL\.a is no finite number",
    b"MODEL: {a: -1e999}": r"MODEL\.a is no finite number",
    b"MODEL: {a: !!int ''}": "cannot be read as a model.yml",
    b"MODEL: {a: !!bool x}": "cannot be read as a model.yml",
    b"MODEL: {a: !!timestamp x}": "cannot be read as a model.yml",
    b"MODEL: {<<: {a: 1}}": r"a merge key \(<<\), as no model.yml has: write out the keys",
    b"MODEL: " + b"[" * 5000: "cannot be read as a model.yml",
    b" " * (MAX_BYTES + 1): "more than 65,536 bytes",
}


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_model_yml_is_an_error(content: bytes, model: Path) -> None:
    (model / "model.yml").write_bytes(content)
    with pytest.raises(PlanError, match=BROKEN[content]) as caught:
        plan_file(model)
    assert "model.yml" in caught.value.headline


def test_a_missing_model_yml_is_an_error(model: Path) -> None:
    with pytest.raises(PlanError, match="No such file"):
        plan_file(model, model_config=model / "nothing.yml")


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_text(f"MODEL:\n  a: {text}", "utf-8")
    try:
        read = read_model_config(path)
    except ConvertError:
        return
    assert all(isinstance(value, str | int | float | bool) for value in read.values.values())


def test_aliases_do_not_explode(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    path = tmp_path / "model.yml"
    path.write_text("\n".join([*lines, "MODEL: {units: 24, nested: *a39}"]))
    assert read_model_config(path).values == {"MODEL.units": 24, "MODEL.nested": "a list"}


def test_merge_keys_do_not_explode(tmp_path: Path) -> None:
    """Nine mappings of nine merges each, nine deep, are 800 bytes and 9 to the 9th keys."""
    keys = ", ".join(f"k{n}: v" for n in range(9))
    lines = [f"a0: &a0 {{{keys}}}"]
    lines += [f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    path = tmp_path / "model.yml"
    path.write_text("\n".join([*lines, "MODEL: {units: 24}"]))
    with pytest.raises(PlanError, match=r"model\.yml: .*\n.*a merge key \(<<\)"):
        read_model_config(path)


def test_several_files_must_be_chosen_from(model: Path) -> None:
    shutil.copy(model / "model.yml", model / "model-12345678.yml")
    with pytest.raises(PlanError, match=r"several configurations; choose with --model-config"):
        plan_file(model)
    (model / "model.yml").unlink()
    assert plan_file(model).model_config is not None
    shutil.copy(model / "model.params", model / "model_mlm.params")
    with pytest.raises(ParamsError, match=r"several .* source: model\.params, model_mlm\.params"):
        plan_file(model)
    assert plan_file(model / "model_mlm.params").transformers_class == "BertForPreTraining"


def test_a_directory_without_params(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"a directory without a \.params file"):
        converter.inspect(tmp_path)


@pytest.mark.parametrize(
    "record",
    [{"file": 1, "values": {}}, {"file": "m"}, {"file": "m", "values": {"a": []}}, {"x": 1}],
)
def test_a_changed_record_is_refused(record: dict[str, Any], model: Path, tmp_path: Path) -> None:
    converter.convert(model, tmp_path / "out")
    path = tmp_path / "out" / "conversion.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_config": record}))
    with pytest.raises(ConvertError, match="a directory that bort-convert wrote is needed"):
        converter.verify(model, tmp_path / "out")


def written(plan: TablePlan, directory: Path) -> Path:
    directory.mkdir()
    write_model(plan, directory)
    return directory


def test_query_and_key_exchanged_within_a_dense_fail(model: Path, tmp_path: Path) -> None:
    """The three parts of one Dense are compared with three modules, slice by slice."""
    from safetensors.numpy import load_file, save_file

    plan = plan_file(model)
    directory = written(plan, tmp_path / "out")
    tensors = load_file(directory / "model.safetensors")
    name = "bert.encoder.layer.1.attention.self.key.bias"
    tensors[name] = np.zeros_like(tensors[name])
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    proof = prove(plan, directory)
    assert proof.parity is not None
    assert [p for p in proof.parity.problems if p.startswith("projections differs")]


def test_a_decoder_of_its_own_is_refused_unless_said(tmp_path: Path) -> None:
    """RobertaModel(untie_weight=True), of which its `model.yml` says nothing."""
    source = zoo_1x.source("roberta_mlm_untied/model")
    with pytest.raises(PlanError, match="--config tie_word_embeddings=false converts it so"):
        converter.convert(source, tmp_path / "out")
    plan = plan_file(source, config={"tie_word_embeddings": False})
    targets = {step.target for step in plan.steps}
    assert {"lm_head.decoder.weight", "lm_head.decoder.bias", "lm_head.bias"} <= targets
