"""What is converted without being told which class computes what MXNet computed, or is asked.

Every file with a recording is converted as it is: the user says what no file stores (the family,
the number of heads), and nothing of what a head is for. The class that config.json names is loaded
as anyone loads it, and all that it gives is compared with the recording.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import converter
from converter.errors import PlanError
from tests import recordings
from tests.recordings import Recorded

ATOL = 1e-5
STATED = 5e-4  # GluonNLP's epsilon in an MLM head, which Transformers lacks: said in every report
FILES = [*recordings.all_recorded()]
# What is asked instead, by how the name begins
ASKED = {"own/": "is a network of one's own", "zoo_1x/electra_pretrain": "choose with --part"}


def gaps(file: Recorded, out: Path) -> dict[str, float] | str:
    """How far each output of the converted class is from the recorded; or what is asked."""
    try:
        report = converter.convert(file.source, out, **file.choice)
    except PlanError as error:
        assert not out.exists()
        return str(error)
    arrays = recordings.arrays_of(file.recording)
    outputs = recordings.outputs_of(out, arrays)
    assert report.proof is not None
    assert report.proof.parity is not None
    for name in report.proof.parity.unproven:  # said to be so: the file has no head for it
        outputs.pop(name)
    found = recordings.distances(outputs, arrays)
    stated = {known.output for known in report.plan.table.known_differences}
    words = report.plan.target.outputs
    return {
        name: gap * ATOL / STATED if words.get(name) in stated else gap
        for name, gap in found.items()
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_fixture_is_what_mxnet_computed_or_a_question(file: Recorded, tmp_path: Path) -> None:
    asked = next((text for begin, text in ASKED.items() if file.name.startswith(begin)), None)
    found = gaps(file, tmp_path / "out")
    if asked:
        assert isinstance(found, str), found
        assert asked in found or "in more than one way" in found
        assert "--backbone" in found or "--prefix" in found or "--part" in found
        return
    assert not isinstance(found, str), found
    assert found, "nothing was compared"
    assert max(found.values()) <= ATOL, found


def test_a_case_is_what_mxnet_computed_or_a_question(tmp_path: Path) -> None:
    """The files of the kinds that people bring, where they are."""
    for file in recordings.all_cases():
        found = gaps(file, tmp_path / file.name)
        if not isinstance(found, str):
            assert found, file.name
            assert max(found.values()) <= ATOL, (file.name, found)


def test_another_class_would_be_seen() -> None:
    """A sequence classifier's logits are of another shape than a tagger's."""
    states, tags = np.zeros((3, 9, 4)), np.ones((3, 9, 5))
    arrays = {"input_ids": np.zeros((3, 9)), "valid_length": np.array([9, 6, 2]), "tags": tags}
    arrays["hidden_states"] = states
    near = tags + 1e-6
    near[1, 7] = 5  # padding
    assert recordings.distances({"logits": near}, arrays)["logits"] <= 1e-5
    assert recordings.distances({"logits": np.ones((3, 5))}, arrays)["logits"] == np.inf
    assert recordings.distances({"logits": tags[..., ::-1] + 1}, arrays)["logits"] == 1
