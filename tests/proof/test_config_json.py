"""What may be edited in config.json, and what may not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

import converter
from converter.errors import ParityError
from converter.proof.config_json import compare_config
from tests import borts

NAME = "bort_classifier"
LABELS = {"0": "bad", "1": "so so", "2": "good"}
RELABELLED = {"id2label": LABELS, "label2id": {"bad": 0, "so so": 1, "good": 2}}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("config") / "out"
    converter.convert(borts.source(NAME), out, family="bort", config=borts.heads(NAME))
    return out


@pytest.fixture
def planned(converted: Path) -> dict[str, Any]:
    found = json.loads((converted / "config.json").read_text())
    assert isinstance(found, dict)
    return found


def compared(planned: Mapping[str, Any], found: Any) -> tuple[list[str], list[str]]:
    fields = compare_config(planned, found, transformers.BertConfig)
    return fields.problems, fields.edited


@pytest.mark.parametrize(
    ("change", "edited"),
    [
        (RELABELLED, ["id2label", "label2id"]),
        ({"_name_or_path": "me/mine"}, ["_name_or_path"]),
        (
            {"transformers_version": "4.57.6", "use_cache": True},
            ["transformers_version", "use_cache"],
        ),
        ({"position_embedding_type": "absolute"}, ["position_embedding_type"]),
    ],
)
def test_what_changes_nothing_is_edited(
    change: Mapping[str, Any], edited: list[str], planned: dict[str, Any]
) -> None:
    assert compared(planned, {**planned, **change}) == ([], edited)


def test_a_dtype_may_have_its_old_name(planned: dict[str, Any]) -> None:
    old = {"torch_dtype" if key == "dtype" else key: value for key, value in planned.items()}
    assert compared(planned, old) == ([], ["torch_dtype"])
    assert compared(planned, old | {"torch_dtype": "float16"})[0]
    both = planned | {"torch_dtype": planned["dtype"]}
    assert compared(planned, both) == ([], ["torch_dtype"])
    assert compared(planned, planned | {"torch_dtype": "float16"})[0]


@pytest.mark.parametrize(
    "change",
    [
        {"id2label": LABELS},  # and label2id says otherwise
        {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}},
        {"id2label": dict.fromkeys("012", 1), "label2id": {}},
        {"use_cache": 1},
        {"is_decoder": True},
        {"position_embedding_type": "relative_key"},
        {"_name_or_path": 3},
        {"hidden_act": None},
        {"surprise": 1},
        {"tie_word_embeddings": 1},
    ],
)
def test_what_changes_the_model_or_cannot_be_read_is_a_problem(
    change: Mapping[str, Any], planned: dict[str, Any]
) -> None:
    assert compared(planned, {**planned, **change})[0]


@given(found=VALUES)
def test_whatever_stands_there_is_compared(found: Any) -> None:
    planned = {"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2}
    assert compared(planned, found)[0]


@given(
    name=st.sampled_from(["hidden_act", "id2label", "dtype", "vocab_size"]),
    value=VALUES | st.just("gelu"),
)
def test_a_field_of_any_value_is_as_planned_or_told(name: str, value: Any) -> None:
    planned = {"model_type": "bert", "hidden_size": 8, "vocab_size": 9, "dtype": "float32"}
    problems, edited = compared(planned, {**planned, name: value})
    usual = transformers.BertConfig().to_dict()
    assert problems or value in (planned.get(name), usual[name]), edited


def relabelled(directory: Path) -> None:
    """As a person does it, and then Transformers when it saves."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory)
    model.config.id2label = {int(key): name for key, name in LABELS.items()}
    model.config.label2id = RELABELLED["label2id"]
    model.save_pretrained(directory)


def test_a_model_with_other_labels_is_the_proven_one_and_a_flipped_bit_is_not(
    converted: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(converted, tmp_path / "out"))
    relabelled(out)
    report = converter.verify(borts.source(NAME), out)
    assert report.passed
    assert report.proof is not None
    assert {"id2label", "label2id"} <= {*report.proof.names.edited}
    data = bytearray((out / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (out / "model.safetensors").write_bytes(data)
    with pytest.raises(ParityError):
        converter.verify(borts.source(NAME), out)


@pytest.mark.live
def test_what_transformers_4_saves_is_the_proven_model(
    converted: Path, tmp_path: Path, transformers_4: Path
) -> None:
    out = Path(shutil.copytree(converted, tmp_path / "out"))
    program = (
        "import sys, transformers as t; "
        "t.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])"
        ".save_pretrained(sys.argv[1])"
    )
    subprocess.run([transformers_4, "-c", program, out], check=True, capture_output=True)
    report = converter.verify(borts.source(NAME), out)
    assert report.passed
    assert report.proof is not None
    assert "use_cache" in report.proof.names.edited
