"""AutoGluon's `net.params`: the backbone is converted, all around it written beside the model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import converter
from converter.errors import ParamsError, ParityError, PlanError
from converter.params import read_index
from converter.planning.base import UNCONVERTED_FILE
from converter.planning.file import plan_file
from converter.planning.plan import make_plan
from converter.report.table_text import table_lines
from converter.tables.load import load_family
from tests.indexes import make_index

ROOT = Path(__file__).parents[2] / "fixtures" / "autogluon"
CFG = ROOT / "cfg.yml"
MANIFEST: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "manifest.json").read_text())
NAME = "electra_gated/net"  # with every layer that AutoGluon's class can have
# The sizes of the fixtures and those of models of the zoo: 24 units, feed-forward width 40, …
GROWN = {
    "google_electra_small": ("electra_late", {16: 128, 24: 256, 40: 1024, 72: 768}, 4),
    "google_multi_cased_bert_base": ("bert_text", {24: 768, 40: 3072, 72: 2304, 20: 512}, 12),
    "google_albert_xlarge_v2": ("albert_late", {16: 128, 24: 2048, 40: 8192, 72: 6144}, 16),
    "fairseq_roberta_base": ("roberta_late", {24: 768, 40: 3072, 72: 2304}, 12),
}


def source(name: str) -> Path:
    return ROOT / f"{name}.params"


@pytest.mark.parametrize("name", MANIFEST)
def test_the_backbone_is_what_mxnet_computed_and_the_rest_is_beside_it(
    name: str, tmp_path: Path
) -> None:
    stated, out = MANIFEST[name], tmp_path / "out"
    plan = converter.convert(source(name), out, config=stated["config"]).plan
    assert (plan.table.name, plan.transformers_class) == (
        stated["family"],
        stated["transformers_class"],
    )
    golden = source(name).with_suffix(".golden.npz")
    proof = converter.verify(source(name), out, golden=golden, atol=1e-5).proof
    assert proof is not None
    assert proof.golden is not None
    arrays = converter.load_params(source(name))
    around = {n: array for n, array in arrays.items() if not n.startswith("text_backbone.")}
    beside = load_file(out / UNCONVERTED_FILE)
    assert beside.keys() == around.keys() == {entry.name for entry in plan.match.exported}
    assert all(np.array_equal(beside[n], array) for n, array in around.items())
    assert not plan.match.dropped
    record = json.loads((out / "conversion.json").read_text())
    assert {*record["exported"]} == around.keys()
    card = (out / "README.md").read_text()
    assert "AutoGluon's network around the backbone" in card
    assert all(f"`{n}`" in card for n in around)


def changed(tmp_path: Path, **arrays: np.ndarray | None) -> Path:
    """The fixture with some tensors added, replaced or (None) taken away."""
    params = dict(converter.load_params(source(NAME)))
    for name, array in arrays.items():
        params.pop(name, None)
        if array is not None:
            params[name] = array
    converter.save_params(tmp_path / "net.params", params, "V3")
    return tmp_path / "net.params"


def test_a_name_that_no_table_knows_is_not_taken_along(tmp_path: Path) -> None:
    own = {"text_backbone.more.weight": np.ones(3, "f4"), "other.weight": np.ones(3, "f4")}
    with pytest.raises(PlanError) as caught:
        plan_file(changed(tmp_path, **own), config=MANIFEST[NAME]["config"])
    extra = [
        line.split()[2].rstrip(":")
        for line in caught.value.problems
        if line.startswith("unexpected tensor ")
    ]
    assert extra == ["text_backbone.more.weight", "other.weight"]


def test_a_backbone_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    name = "text_backbone.encoder.all_encoder_layers.1.ffn.ffn_1.bias"
    with pytest.raises(PlanError, match=f"missing: {name}"):
        plan_file(changed(tmp_path, **{name: None}), config=MANIFEST[NAME]["config"])


def test_tampered_layers_beside_the_model_are_seen(tmp_path: Path) -> None:
    out, config = tmp_path / "out", MANIFEST[NAME]["config"]
    converter.convert(source(NAME), out, config=config, verify=False)
    path = out / UNCONVERTED_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ParityError) as caught:
        converter.verify(source(NAME), out)
    assert caught.value.report is not None
    assert caught.value.report.proof is not None
    assert not caught.value.report.proof.bits.passed


def test_sparse_layers_around_the_backbone_are_refused() -> None:
    shapes = {name: entry.shape for name, entry in read_index(source(NAME)).tensors.items()}
    index = make_index(shapes)
    name = "categorical_networks.0.embedding.weight"
    object.__setattr__(index.tensors[name], "storage", "row_sparse")
    with pytest.raises(PlanError, match=f"{name} is row_sparse"):
        make_plan(index, [load_family("electra_1x")], MANIFEST[NAME]["config"])


def test_inspect_says_what_would_become_of_it() -> None:
    best = converter.inspect(source(NAME)).fits[0]
    assert (best.table.name, best.part, best.problems) == ("electra_1x", "text_backbone", ())
    assert {entry.name.split(".")[0] for entry in best.exported} == {
        "text_proj",
        "categorical_networks",
        "categorical_agg",
        "categorical_agg_gate",
        "numerical_networks",
        "agg_layer",
    }


def test_the_table_says_what_is_around_the_backbone() -> None:
    lines = [*table_lines(load_family("electra_1x"))]
    begin = lines.index("part text_backbone (names begin with text_backbone.):")
    exported = [line.split() for line in lines[begin + 1 : begin + 8]]
    assert exported[0] == ["text_proj.…", "(exported", "under", "its", "own", "name)"]
    assert [line[0] for line in exported][-1] == "agg_layer.…"


def grown(name: str, sizes: Mapping[int, int], layers: int) -> dict[str, tuple[int, ...]]:
    """The names of a fixture with a real model's sizes and number of layers."""
    shapes = {}
    for key, entry in read_index(source(f"{name}/net")).tensors.items():
        shape = entry.shape
        if key.startswith("text_backbone."):
            shape = tuple(sizes.get(size, size) for size in shape)
        for number in range(layers if re.search(r"text_backbone.*layers\.1\.", key) else 1):
            shapes[re.sub(r"(backbone.*layers)\.1\.", rf"\1.{number}.", key)] = shape
    return shapes


def cfg_of(model: str, folder: Path) -> Path:
    """AutoGluon's `cfg.yml` with the name of a backbone."""
    text = CFG.read_text()
    assert text.count("name: google_electra_base\n") == 1
    (folder / "cfg.yml").write_text(text.replace("google_electra_base", model))
    return folder / "cfg.yml"


@pytest.mark.parametrize("model", GROWN)
def test_cfg_yml_names_the_backbone_and_nothing_is_asked_for(model: str, tmp_path: Path) -> None:
    name, sizes, heads = GROWN[model]
    tables = [load_family(MANIFEST[f"{name}/net"]["family"])]
    index = make_index(grown(name, sizes, 12))
    config = make_plan(index, tables, {}, model_config=cfg_of(model, tmp_path)).config
    assert config["num_attention_heads"] == heads
    tanh = name.startswith(("bert", "albert"))
    assert config["hidden_act"] == ("gelu_pytorch_tanh" if tanh else "gelu")
    if tanh:
        with pytest.raises(PlanError, match="does not store hidden_act"):
            make_plan(index, tables, {})
    if model == "google_albert_xlarge_v2":
        assert config["num_hidden_layers"] == 24, "its one group does not tell"


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("google_electra_large", "so hidden_size = 1024: the file's shapes say 256"),
        ("google_zh_bert_base", "electra_1x has no such model; there are: google_electra_small, "),
    ],
)
def test_a_cfg_yml_of_another_model_is_refused(model: str, problem: str, tmp_path: Path) -> None:
    name, sizes, _ = GROWN["google_electra_small"]
    index, tables = make_index(grown(name, sizes, 12)), [load_family("electra_1x")]
    with pytest.raises(PlanError) as caught:
        make_plan(index, tables, {}, model_config=cfg_of(model, tmp_path))
    place = f"cfg.yml: model.backbone.name = {model!r}"
    assert any(line.startswith(place) and problem in line for line in caught.value.problems)


def saved(folder: Path, model: str) -> Path:
    """What `TextPredictor.save` leaves; its pickles would run code of their own."""
    inner = folder / "saved_model"
    inner.mkdir(parents=True)
    (folder / "text_predictor_assets.json").write_text('{"backend": "mx"}')
    (inner / "assets.json").write_text("{}")
    (inner / "net.params").write_bytes(source("electra_late/net").read_bytes())
    cfg_of(model, inner)
    (inner / "preprocessor.pkl").write_bytes(b"cos\n_exit\n(I9\ntR.")
    return folder


def own_table(folder: Path) -> Path:
    """The table with one more model, of the fixture's sizes."""
    text = load_family("electra_1x").text
    line = "google_electra_small = { embedding_size = 128,"
    assert text.count(line) == 1
    more = "tiny = { hidden_size = 24, num_attention_heads = 4 }\n"
    (folder / "own.toml").write_text(text.replace(line, more + line), "utf-8")
    return folder / "own.toml"


def test_the_predictors_folder_is_a_source_and_its_pickles_stay_closed(tmp_path: Path) -> None:
    folder, table = saved(tmp_path / "predictor", "tiny"), own_table(tmp_path)
    program = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append((event, str(args[0])))"
        " if event == 'open' or event.startswith('pickle') else None)\n"
        "import converter\n"
        "src, dst, table = sys.argv[1:]\n"
        "converter.convert(src, dst, table=table, verify=False)\n"
        "print([a for e, a in opened if e != 'open'], [a for e, a in opened if src in a])"
    )
    command = [sys.executable, "-c", program, *map(str, (folder, tmp_path / "out", table))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    unpickled, read = done.stdout.split("] [")
    assert unpickled == "["
    inner = folder / "saved_model"
    assert {*re.findall(r"'([^']+)'", read)} == {str(inner / n) for n in ("net.params", "cfg.yml")}
    report = converter.verify(folder, tmp_path / "out", table=table)
    assert report.plan.config["num_attention_heads"] == 4


def test_the_folder_of_autogluon_0_0_15_is_a_source(tmp_path: Path) -> None:
    """`BertForTextPredictionBasic.save`: everything in one folder, one network for all numbers."""
    folder, table = tmp_path / "predictor", own_table(tmp_path)
    folder.mkdir()
    shutil.copy(source("electra_v1/net"), folder)
    cfg_of("tiny", folder)
    for name in ("assets.json", "column_metadata.json"):
        (folder / name).write_text("{}")
    plan = converter.convert(folder, tmp_path / "out", table=table).plan
    assert plan.config["num_attention_heads"] == 4
    around = {entry.name.split(".")[0] for entry in plan.match.exported}
    assert around == {"categorical_networks", "numerical_network", "agg_layer"}


def test_checkpoints_of_the_training_are_named_not_chosen(tmp_path: Path) -> None:
    folder = saved(tmp_path / "predictor", "tiny")
    inner = folder / "saved_model"
    for name in ("best_model.params", "nbest_model0.params"):
        (inner / name).write_bytes(b"")
    with pytest.raises(ParamsError, match=r"best_model\.params, nbest_model0\.params, net\.params"):
        plan_file(folder)
    (folder / "other").mkdir()
    (folder / "other" / "saved_model").symlink_to(".")
    with pytest.raises(ParamsError, match=r"without a \.params file"):
        plan_file(folder / "other")


def test_a_cfg_yml_of_something_else_is_named(tmp_path: Path) -> None:
    folder = saved(tmp_path / "predictor", "tiny")
    (folder / "saved_model" / "cfg.yml").write_text("learning_rate: 0.1\n")
    with pytest.raises(PlanError, match="neither a section MODEL") as caught:
        plan_file(folder)
    assert "--model-config" in caught.value.problems[0]
