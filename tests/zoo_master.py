"""The fixtures that GluonNLP master's own code wrote (`fixtures/zoo_1x_master/`), for the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.params import load_params, read_index
from converter.planning.plan import TablePlan, make_plan
from converter.proof.reference.layers import Outputs, Weights
from converter.tables.load import load_family
from tests import zoo

ROOT = zoo.ROOT.parent / "zoo_1x_master"
MANIFEST: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "manifest.json").read_text())
NAMES = sorted(name for name, stated in MANIFEST.items() if stated["family"])
REFUSED = sorted(MANIFEST.keys() - {*NAMES})  # no class of Transformers is their equal


def source(name: str) -> Path:
    return ROOT / f"{name}.params"


def golden(name: str) -> Path:
    return ROOT / f"{name}.golden.npz"


def recorded(name: str) -> zoo.Recording:
    return zoo.read_recording(golden(name))


def plan_of(name: str, **choice: Any) -> TablePlan:
    stated = MANIFEST[name]
    return make_plan(
        read_index(source(name)), [load_family(stated["family"])], stated["config"] | choice
    )


def run(name: str, **changed: Any) -> Outputs:
    """The arithmetic on a fixture's tensors, with the settings that were recorded, or changed."""
    recording, plan = recorded(name), plan_of(name)
    forward = zoo.forward_of(plan.table.reference)
    about = recording.about
    settings = zoo.recorded_settings(forward, about) | changed
    inputs = settings.pop("inputs", recording.inputs)
    # In float64: a recording's own rounding, up to 5e-6 here, is then all that differs, whatever
    # this processor's kernels add up first.
    params = {
        key: np.asarray(values, np.float64)
        for key, values in settings.pop("params", load_params(source(name))).items()
    }
    outputs: Outputs = forward(Weights(params, plan.match.prefix), inputs, **settings)
    return outputs


def worst(name: str, **changed: Any) -> dict[str, float]:
    """Largest difference to the recording, by output, on valid positions."""
    return zoo.worst(recorded(name), run(name, **changed))
