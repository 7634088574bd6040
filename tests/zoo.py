"""The fixtures of GluonNLP's other families, for the tests: names, recordings, arithmetic."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.params import load_params, read_index
from converter.planning.plan import TablePlan, make_plan
from converter.proof.reference.layers import Inputs, Outputs, Weights
from converter.proof.reference.settings import REFERENCES
from converter.tables.check import OUTPUTS
from converter.tables.load import family_names, load_family
from tools.figures import choice_of

ROOT = Path(__file__).parents[1] / "fixtures" / "zoo"
MANIFEST: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "manifest.json").read_text())
FAMILIES = [name for name in family_names() if "_1x" not in name]
NAMES = sorted(MANIFEST)  # "0.8.3/bert_full": the folder is GluonNLP's version


def source(name: str) -> Path:
    return ROOT / f"{name}.params"


def config_of(name: str) -> dict[str, Any]:
    """The config fields that a fixture's file does not tell."""
    return dict(choice_of(ROOT / name, MANIFEST[name])["config"])


def plan_of(name: str, version: str | None = "") -> TablePlan:
    """By the family's own table; `version`: of the GluonNLP that wrote the fixture, or another."""
    stated = MANIFEST[name]
    table = load_family(stated["family"])
    index = read_index(source(name))
    return make_plan(
        index, [table], config_of(name), gluonnlp=stated["gluonnlp"] if version == "" else version
    )


@dataclass(frozen=True)
class Recording:
    """What MXNet was given and what it computed; `about` is what the file says of itself."""

    inputs: Inputs
    hidden_states: np.ndarray
    named: dict[str, np.ndarray]
    about: dict[str, Any]
    decoder_states: np.ndarray | None = None


def read_recording(path: Path) -> Recording:
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    about = json.loads(str(arrays.pop("about")))
    keys = ("input_ids", "valid_length", "token_types", "decoder_ids", "decoder_valid_length")
    inputs = Inputs(*(arrays.pop(key, None) for key in keys))
    decoder_states = arrays.pop("decoder_states", None)
    return Recording(inputs, arrays.pop("hidden_states"), arrays, about, decoder_states)


def recorded(name: str) -> Recording:
    return read_recording(ROOT / f"{name}.golden.npz")


def run(path: Path, recording: Recording, **changed: Any) -> Outputs:
    """The arithmetic on a source's tensors, with the settings that were recorded, or changed."""
    params = load_params(path)
    forward = forward_of(reference_of(params))
    settings = recorded_settings(forward, recording.about) | changed
    inputs = settings.pop("inputs", recording.inputs)
    outputs: Outputs = forward(Weights(params, prefix_of(params)), inputs, **settings)
    return outputs


def forward_of(reference: str) -> Callable[..., Outputs]:
    """The forward pass of a reference, by its name."""
    module = REFERENCES[reference].forward
    forward: Callable[..., Outputs] = importlib.import_module(
        f"converter.proof.reference.{module}"
    ).forward
    return forward


def settings_of(forward: Callable[..., Outputs]) -> dict[str, bool]:
    """The settings that a forward pass takes, and whether each has to be given."""
    parameters = inspect.signature(forward).parameters.values()
    return {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY}


def recorded_settings(forward: Callable[..., Outputs], about: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a recording states, which are all that have to be given."""
    names = settings_of(forward)
    assert {name for name, required in names.items() if required} <= about.keys()
    return {name: about[name] for name in names if name in about}


def reference_of(params: Mapping[str, np.ndarray]) -> str:
    if any(name.endswith("_pos_embed.weight") for name in params):
        return "gpt2"
    return "xlnet" if any(name.endswith("_net.mask_embed") for name in params) else "bert"


def prefix_of(params: Mapping[str, np.ndarray]) -> str:
    """What stands before the name of a tensor that every model of its kind has."""
    ends = {"bert": "encoder.position_weight", "gpt2": "_pos_embed.weight", "xlnet": "mask_embed"}
    end = ends[reference_of(params)]
    (name,) = (name for name in params if name.endswith(end))
    return name.removesuffix(end)


def worst(recording: Recording, outputs: Outputs) -> dict[str, float]:
    """Largest difference to the recording, by output, on valid positions.

    Outputs that one side alone gives are infinitely far away.
    """
    valid = recording.inputs.valid()
    states = outputs.hidden_states[1:]
    found = {
        f"layer {number}": float(np.abs(ours - theirs)[valid].max())
        for number, (ours, theirs) in enumerate(
            zip(states, recording.hidden_states, strict=True), 1
        )
    }
    decoder_valid = recording.inputs.decoder_valid()
    if recording.decoder_states is not None and decoder_valid is not None:
        valid = decoder_valid
        pairs = zip(outputs.decoder_states[1:], recording.decoder_states, strict=True)
        for number, (a, b) in enumerate(pairs, 1):
            found[f"decoder layer {number}"] = float(np.abs(a - b)[valid].max())
    for word in outputs.named.keys() | recording.named.keys():
        ours, theirs = outputs.named.get(word), recording.named.get(word)
        if ours is None or theirs is None:
            found[word] = float("inf")
            continue
        assert ours.shape == theirs.shape
        by_position = "length" in OUTPUTS[word]
        found[word] = float(np.abs(ours - theirs)[valid if by_position else ...].max())
    return found
