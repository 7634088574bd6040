"""The model directories of GluonNLP 1.x, for the tests: names, recordings, arithmetic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.params import load_params
from converter.planning.file import plan_file
from converter.planning.plan import TablePlan
from converter.proof.reference.layers import Outputs, Weights
from tests.zoo import Recording, forward_of, read_recording, recorded_settings

ROOT = Path(__file__).parents[1] / "fixtures" / "zoo_1x"
MANIFEST: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "manifest.json").read_text())
# "bert_mlm/model": the folder is a model directory; those of several parts are test_parts.py's
NAMES = sorted(name for name in MANIFEST if not name.startswith("electra_pretrain"))


def source(name: str) -> Path:
    return ROOT / f"{name}.params"


def plan_of(name: str, **choice: Any) -> TablePlan:
    stated = MANIFEST[name]
    config = stated.get("config", {}) | choice.pop("config", {})
    made: TablePlan = plan_file(source(name), family=stated["family"], config=config, **choice)
    return made


def recorded(name: str) -> Recording:
    return read_recording(ROOT / f"{name}.golden.npz")


def run(path: Path, family: str, recording: Recording, **changed: Any) -> Outputs:
    """The arithmetic on a source's tensors, with the settings that were recorded, or changed."""
    params = load_params(path)
    forward = forward_of(family)
    settings = recorded_settings(forward, recording.about) | changed
    inputs = settings.pop("inputs", recording.inputs)
    outputs: Outputs = forward(Weights(params, prefix_of(params)), inputs, **settings)
    return outputs


def prefix_of(params: Mapping[str, np.ndarray]) -> str:
    """What stands before the name of a tensor that every backbone has."""
    ends = ("embed_layer_norm.gamma", "embed_ln.gamma", "encoder.ln_data.gamma")
    return next(n.removesuffix(end) for n in params for end in ends if n.endswith(end))
