"""The target's weights are in memory only while a module needs them, and nothing else changes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from safetensors.numpy import load_file, save_file

from converter.planning.options import Options
from converter.planning.plan import TablePlan, make_plan
from converter.proof import mapped
from converter.proof.parity import SourceSide, check_parity, run_source_side
from converter.proof.target import run_target, target_model
from tests import borts
from tests.families import FAMILY, FIXTURES
from tests.memory import proof_peaks
from tests.proof.test_noise import NOISE
from tests.versions import TRANSFORMERS
from tools.large_model import Model, write

# The first fixture of every family: each takes a second, and what is shown is of the class
KINDS = {FAMILY[name]: name for name in [*FIXTURES][::-1]}


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model counts as a large one; its Denses do not."""
    monkeypatch.setattr(mapped, "SMALL", 0)


def given(plan: TablePlan, directory: Path, source: SourceSide) -> dict[str, Any]:
    """Every array that the target gives, and what was wrong as it was loaded."""
    found: dict[str, Any] = {}
    with target_model(plan, directory) as model:
        outputs = run_target(plan, model, source.inputs, found)
        problems = model.loading_problems
    for kind in ("hidden_states", "decoder_states"):
        found |= {f"{kind} {n}": state for n, state in enumerate(getattr(outputs, kind))}
    return {**found, **outputs.named, "problems": problems}


def check_the_same(plan: TablePlan, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = borts.written(plan, directory)
    source = run_source_side(plan)
    plain = given(plan, out, source)
    monkeypatch.setattr(mapped, "SMALL", 0)
    released: list[int] = []
    let_go = mapped._let_go

    def counted(mappings: Any, weight: Any) -> None:
        released.append(len(mappings))
        let_go(mappings, weight)

    monkeypatch.setattr(mapped, "_let_go", counted)
    streamed = given(plan, out, source)
    assert released
    assert all(released) or sys.platform != "linux"
    assert streamed.keys() == plain.keys()
    for name, values in plain.items():
        assert np.array_equal(values, streamed[name], equal_nan=name != "problems"), name
    monkeypatch.setattr(mapped, "LARGE", 512)
    for name, values in given(plan, out, source).items():
        if name != "problems":
            np.testing.assert_allclose(values, plain[name], rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", sorted(KINDS.values()))
def test_every_family_gives_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_the_same(FIXTURES[name](name), tmp_path / "out", monkeypatch)


@pytest.mark.skipif(TRANSFORMERS < 5, reason="Transformers 4 makes float32 of it as it loads")
@pytest.mark.parametrize("name", sorted({*KINDS.values()} - {KINDS["mobilebert_1x"]}))
def test_half_precision_gives_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MobileBERT takes a weight from a module that does not run: it has to be a small model."""
    plan = FIXTURES[name](name)
    half = make_plan(
        plan.index, [plan.table], plan.overrides, "float16", plan.gluonnlp, plan.model_config
    )
    check_the_same(half, tmp_path / "out", monkeypatch)


def rewritten(directory: Path, changed: dict[str, np.ndarray], without: str = "") -> None:
    """Other weights in a written directory; a file that is still mapped stays as it is."""
    file = directory / "model.safetensors"
    weights = {**load_file(file), **changed}
    weights.pop(without, None)
    file.unlink()
    save_file(weights, file, {"format": "pt"})


@pytest.mark.parametrize("name", ["bort_decoder", "gpt2_lm", "t5"])
def test_noise_in_the_file_of_a_large_model_fails(name: str, tmp_path: Path, large: None) -> None:
    plan = FIXTURES[name](name)
    out = borts.written(plan, tmp_path / "out")
    source = run_source_side(plan)
    right = load_file(out / "model.safetensors")
    unseen = set()
    for step in plan.steps[::5]:
        held = right[step.target]
        extent = max(float(np.ptp(held)), float(np.abs(held).max())) or 1.0
        signs = np.random.default_rng(1).choice(np.array([-1, 1], np.float32), held.shape)
        rewritten(out, {step.target: held + np.float32(NOISE * extent) * signs})
        with target_model(plan, out) as model:
            if check_parity(plan, source, model, Options.atol).passed:
                unseen.add(step.target)
        rewritten(out, right)
    assert not unseen
    with target_model(plan, out) as model:
        assert check_parity(plan, source, model, Options.atol).passed, "all are back"


def test_a_missing_tensor_of_a_large_model_is_named(tmp_path: Path, large: None) -> None:
    plan = FIXTURES["t5"]("t5")
    out = borts.written(plan, tmp_path / "out")
    missing = "decoder.block.1.layer.1.EncDecAttention.v.weight"
    rewritten(out, {"more": np.ones(3, np.float32)}, without=missing)
    source = run_source_side(plan)
    with target_model(plan, out) as model:
        parity = check_parity(plan, source, model, Options.atol)
    assert {f"missing: {missing}", "unexpected: more"} <= {*parity.problems}
    assert any("differs" in problem for problem in parity.problems)


def test_a_wrong_tie_of_a_large_model_fails(tmp_path: Path, large: None) -> None:
    plan = FIXTURES["roberta_mlm_untied/model"]("roberta_mlm_untied/model")
    out = borts.written(plan, tmp_path / "out")
    source = run_source_side(plan)
    config = json.loads((out / "config.json").read_text())
    assert config["tie_word_embeddings"] is False
    (out / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    rewritten(out, {}, without="lm_head.decoder.weight")
    with target_model(plan, out) as model:
        parity = check_parity(plan, source, model, Options.atol)
    assert any(problem.startswith("mlm_logits differs") for problem in parity.problems)


GPT2_PLAN = """
from converter.params import read_index
from converter.planning.plan import make_plan
from converter.proof import difference, mapped, source, spool
from converter.proof.target import import_class
from converter.tables.load import load_family

import_class("GPT2LMHeadModel")
mapped.LARGE = source.BLOCK = spool.HELD = 2**20
difference.AT_ONCE = 2**16

def plan_of(folder):
    chosen = {"n_head": 8, "activation_function": "gelu_new"}
    return make_plan(read_index(folder / "model.params"), [load_family("gpt2_1x")], chosen)
"""


# Transformers 4.51 copies every weight; 4.57 leaves float32 where the file is mapped
MAPS = tuple(map(int, transformers.__version__.split(".")[:2])) >= (4, 57)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system takes the memory back")
def test_memory_does_not_grow_with_the_layers(tmp_path: Path) -> None:
    """Of 17 and of 118 MB; and it does when all is loaded as it was before."""
    folders = [tmp_path / "few", tmp_path / "many"]
    for folder, layers in zip(folders, (2, 34), strict=True):
        write(Model("gpt2_1x", layers, 256, 8, 2000), folder / "model.params")
    sizes = [sum(f.stat().st_size for f in folder.iterdir()) for folder in folders]
    more = sizes[1] - sizes[0]
    assert more > 90_000_000
    few, many, loaded = proof_peaks(GPT2_PLAN, *folders)
    assert loaded - few > more * 3 / 4
    if MAPS:
        assert many - few < more / 4
    else:  # docs/proof.md says so
        assert many - few > more / 4
