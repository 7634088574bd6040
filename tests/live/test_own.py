"""Live: random networks of one's own, fresh from real MXNet. What is made of them is what MXNet
computed, or a question; and our fixtures are what the same code makes."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

import converter
from converter.errors import PlanError
from converter.params import load_params
from tests import own, recordings

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
ATOL = 1e-5
ENVIRONMENTS = {"0.8.3": "mxnet_original", "0.10.0": "mxnet_latest"}
# GluonNLP's own attributes among them, in every combination but those of one of its classes
MODELS = ["bert", "bert_model", "roberta", "backbone", "encoder", "net", "bort", "kobert", "m0"]
HEADS = ["classifier", "tag_classifier", "span_classifier", "regression", "output", "fc", "pooler"]
GLUONNLPS = {("bert", "classifier"), ("bert", "regression"), ("bert", "span_classifier")}
GLUONNLPS |= {("bert_model", "tag_classifier"), ("roberta", "classifier"), ("bort", "classifier")}


def run(python: Path, *arguments: str | Path) -> None:
    command = [str(python), "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@st.composite
def models(draw: st.DrawFn, kinds: list[str]) -> dict[str, Any]:
    """The fields of `Zoo` (fixtures/zoo_models.py), with the settings of its family."""
    kind, num_heads = draw(st.sampled_from(kinds)), draw(st.integers(1, 3))
    return {
        "kind": kind,
        "num_layers": draw(st.integers(1, 2)),
        "num_heads": num_heads,
        "units": num_heads * draw(st.integers(2, 5)),
        "hidden_size": draw(st.integers(1, 30)),
        "max_length": draw(st.integers(9, 20)),
        "vocab_size": 40,
        "layer_norm_eps": 1e-12 if kind == "bert" else 1e-5,
        "use_pooler": draw(st.booleans()),
    }


PADDING = 1  # RoBERTa's


@st.composite
def specs(draw: st.DrawFn, version: str) -> dict[str, Any]:
    """The fields of `Own` (fixtures/own_networks.py)."""
    kinds = ["bert", "roberta", "bort"] + (["distilbert"] if version != "0.8.3" else [])
    model = draw(models(kinds))
    attribute, two = draw(st.sampled_from(MODELS)), draw(st.booleans())
    second = draw(st.none() | models([model["kind"]])) if two else None
    reads = ["states", "first"] if not two else ["states", "first", "both"]
    if model["kind"] == "bert" and model["use_pooler"]:
        reads.append("pooled")
    heads = []
    for name in draw(st.lists(st.sampled_from(HEADS), min_size=1, max_size=2, unique=True)):
        read = draw(st.sampled_from(reads))
        classes = draw(st.integers(1, 5))
        deep = draw(st.sampled_from([None, model["units"], 7]))
        heads.append(
            {
                "name": name,
                "reads": read,
                "sizes": [classes] if deep is None else [deep, classes],
                "dropout": draw(st.sampled_from([0.0, 0.1])),
                "activation": draw(st.sampled_from(["relu", "tanh"])),
            }
        )
    ways = ["structural", "scopes"]
    recurrent = draw(st.sampled_from([0, 0, 0, 2]))
    exportable = not recurrent and (version != "0.8.3" or (_uses_all(model, heads) and not two))
    ways += ["exported"] * exportable + ["deduplicated"] * (version != "0.8.3")
    names = [attribute, draw(st.sampled_from([m for m in MODELS if m != attribute]))]
    return {
        "model": model,
        "second": second,
        "models": names if two else names[:1],
        "heads": heads,
        "seed": draw(st.integers(0, 2**31)),
        "scope": draw(st.booleans()),
        "recurrent": recurrent,
        "labels": draw(st.sampled_from([0, 4])) if recurrent else 0,
        "way": draw(st.sampled_from(ways)),
    }


def _uses_all(model: dict[str, Any], heads: list[dict[str, Any]]) -> bool:
    """MXNet 1.5 exports no network with parameters that its graph lacks, such as a pooler's."""
    pooler = model["kind"] == "bert" and model["use_pooler"]
    return not pooler or any(head["reads"] in ("pooled", "first") for head in heads)


@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_random_networks(version: str, request: pytest.FixtureRequest) -> None:
    python: Path = request.getfixturevalue(ENVIRONMENTS[version])

    @settings(max_examples=3, phases=[Phase.generate], report_multiple_bugs=False)
    @given(st.lists(specs(version), min_size=12, max_size=12))
    def check(networks: list[dict[str, Any]]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "specs.json").write_text(json.dumps(networks))
            run(python, "tests/mxnet/random_own.py", folder, folder / "specs.json")
            for number, spec in enumerate(networks):
                source = folder / f"{number}.params"
                never_another_class(spec, version, source)
                as_a_backbone(spec, version, source)

    check()


def told(spec: dict[str, Any], version: str, second: bool = False) -> dict[str, Any]:
    model = spec["second"] if second else spec["model"]
    config = {"num_attention_heads": model["num_heads"]}
    return {"family": model["kind"], "config": config, "gluonnlp_version": version}


def never_another_class(spec: dict[str, Any], version: str, source: Path) -> None:
    """Without a word on heads it is equal in all that the class gives, or a question."""
    out = source.with_suffix(".alone")
    try:
        report = converter.convert(source, out, **told(spec, version))
    except PlanError as error:
        event("asked")
        lines = str(error).split("\n")
        assert len(lines) <= 15, lines
        assert any("--backbone" in line or "--prefix" in line for line in lines), (spec, lines)
        return
    arrays = recordings.arrays_of(source.with_suffix(".golden.npz"))
    found = recordings.distances(recordings.outputs_of(out, arrays), arrays)
    if max(found.values()) > ATOL:  # one whose every name is that of a class of GluonNLP's
        event("read as a class of GluonNLP's")
        (head,) = spec["heads"]
        assert report.plan.read_as is not None, (spec, found)
        assert (*spec["models"], head["name"]) in GLUONNLPS, (spec, found)
        return
    event("equal")


def as_a_backbone(spec: dict[str, Any], version: str, source: Path) -> None:
    """By the option that `inspect` and the refusal name: equal, and the rest beside it."""
    kind, by_scopes = spec["model"]["kind"], spec["way"] in ("scopes", "exported")
    fits = [b.fit for b in converter.inspect(source).backbones if b.fit.table.name == kind]
    begins = [fit.begin for fit in fits]
    read = any(head["reads"] == "both" for head in spec["heads"])
    there = spec["way"] != "exported" or read  # what no output needs is not in the graph
    for second in sorted({False, bool(spec["second"]) and there}):
        out = source.with_suffix(f".{second}")
        which: dict[str, Any] = {"backbone": True}
        if len(begins) > 1:
            which = {"prefix": begins[second] if by_scopes else f"{spec['models'][second]}."}
            assert which["prefix"] in begins
        choice = told(spec, version, second)
        report = converter.convert(source, out, **choice, **which, atol=ATOL)
        golden = source.with_suffix(".second.golden.npz" if second else ".golden.npz")
        proof = converter.verify(source, out, golden=golden, atol=ATOL).proof
        assert proof is not None
        assert proof.golden is not None
        arrays, beside = load_params(source), load_file(out / "not_converted.safetensors")
        assert {e.name for e in report.plan.match.exported} == beside.keys()
        assert len(arrays) == report.plan.match.accounted, spec
        for key, array in beside.items():
            assert (array == arrays[key]).all(), (spec, key)
    if len(spec["heads"]) == 1 and spec["heads"][0]["reads"] != "both" and not spec["recurrent"]:
        (head,) = spec["heads"]
        if len(head["sizes"]) == 1 and not (spec["second"] or len(spec["models"]) > 1):
            on_again(spec, head, source)


def on_again(spec: dict[str, Any], head: dict[str, Any], source: Path) -> None:
    """The card's lines give the logits that MXNet gave."""
    arrays = own.arrays_of(source.with_suffix(".golden.npz"))
    words = np.arange(arrays["input_ids"].shape[1]) < arrays["valid_length"][:, None]
    if spec["model"]["kind"] == "roberta" and (words & (arrays["input_ids"] == PADDING)).any():
        event("the padding is among the words: RoBERTa counts its positions otherwise")
        return
    event("the card was run")
    outputs = own.run_card(source.with_suffix(".False"), own.inputs_of(arrays))
    recorded = arrays[f"head.{head['name']}"]
    valid = np.arange(arrays["input_ids"].shape[1]) < arrays["valid_length"][:, None]
    kept = valid if head["reads"] == "states" else ...
    gaps = [np.abs(o - recorded)[kept].max() for o in outputs.values() if o.shape == recorded.shape]
    assert min(gaps) <= ATOL, (spec, gaps)


def test_the_fixtures_are_what_real_mxnet_makes(
    tmp_path: Path, mxnet_original: Path, mxnet_latest: Path, mxnet_1x: Path
) -> None:
    """All but GPT-2's and XLNet's, whose code is in no package."""
    for python in (mxnet_original, mxnet_latest):
        run(python, "fixtures/make_own.py", tmp_path)
    run(mxnet_1x, "fixtures/make_own_1x.py", tmp_path)
    packaged = {n: e for n, e in own.MANIFEST.items() if e["family"] not in ("gpt2", "xlnet")}
    assert json.loads((tmp_path / "manifest.json").read_text()) == packaged
    for made in tmp_path.glob("*/*"):
        kept = own.ROOT / made.relative_to(tmp_path)
        if made.suffix == ".params":
            assert made.read_bytes() == kept.read_bytes(), made.name
            continue
        ours, theirs = own.arrays_of(kept), own.arrays_of(made)
        assert ours.keys() == theirs.keys()
        for key, array in ours.items():
            np.testing.assert_allclose(array, theirs[key], atol=ATOL)
