"""Every file with a recording by real MXNet: the fixtures', and the cases', where they are.

The cases are files of the kinds that people bring. They are beside the repository, or where
`BORT_CASES` says, or not there: the tests that read them are one more check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests import own
from tests.brought import CASES
from tools.figures import FIXTURES, choice_of, manifests

# What a class of Transformers gives, and what its recordings have beside the hidden states
OUTPUTS = "logits prediction_logits seq_relationship_logits sop_logits start_logits end_logits"
OUTPUTS += " last_hidden_state pooler_output encoder_last_hidden_state"
UNRECORDED = {"T5ForConditionalGeneration": "logits"}  # GluonNLP's T5 has no head that gives them


@dataclass(frozen=True)
class Recorded:
    """A file, the recording of what it computes, and what only its author knows of it."""

    name: str
    source: Path
    recording: Path
    choice: dict[str, Any] = field(default_factory=dict)


def all_recorded() -> Iterator[Recorded]:
    """The fixtures, in every way they were saved."""
    for fixture, stated in manifests():
        name = fixture.relative_to(FIXTURES).as_posix()
        golden = fixture.with_suffix(".golden.npz")
        choice = choice_of(fixture, stated)
        yield Recorded(name, fixture.with_suffix(".params"), golden, choice)
        for folder in ("gluonnlp-0.8.3", "gluonnlp-0.10.0"):  # the same Borts by other names
            for end in ("", "-0000"):
                source = FIXTURES / "scopes" / folder / f"{name}{end}.params"
                if source.exists():
                    again = f"scopes/{folder}/{name}{end}"
                    yield Recorded(again, source, golden, {**choice, "gluonnlp_version": None})
    for name, way in own.FILES:
        path = own.source(name, way)
        yield Recorded(f"own/{name}.{way}", path, own.golden(name), own.told(name))
    parts = FIXTURES / "zoo_1x" / "electra_pretrain"
    yield Recorded(
        "zoo_1x/electra_pretrain", parts / "model.params", parts / "discriminator.golden.npz"
    )


def all_cases() -> Iterator[Recorded]:
    """The cases of which it is known what MXNet computes; one without heads' number is BERT's."""
    told = {"family": "bert", "config": {"num_attention_heads": 4}}
    for path in sorted(CASES.glob("*.params")):
        stem = path.stem.removesuffix("_collect").removesuffix("-0000")
        recording = CASES / f"{stem}.npz"
        if recording.exists():
            bert = "lstm" not in stem or "bert" in stem
            yield Recorded(path.stem, path, recording, told if bert else {})


def arrays_of(recording: Path) -> dict[str, np.ndarray]:
    """The arrays of a recording: inputs, and outputs by whatever names it has."""
    arrays = own.arrays_of(recording)
    if "out" in arrays:  # a QA's: the start, and the end
        out = arrays.pop("out")
        arrays |= {"start": out[..., 0], "end": out[..., 1]}
    for states in ("hidden_states", "decoder_states"):
        if states in arrays:
            arrays[states] = arrays[states][-1]
            arrays[f"first of {states}"] = arrays[states][:, 0]  # which MobileBERT calls pooled
    return arrays


def outputs_of(directory: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the class that config.json names gives for a recording's inputs."""
    import torch
    import transformers

    record = json.loads((directory / "conversion.json").read_text())
    (name,) = json.loads((directory / "config.json").read_text())["architectures"]
    model = getattr(transformers, name).from_pretrained(directory, **record["init"])
    inputs = own.inputs_of(arrays)
    if "decoder_ids" in arrays:
        ids, lengths = arrays["decoder_ids"], arrays["decoder_valid_length"]
        valid = np.arange(ids.shape[1]) < lengths[:, None]
        inputs["decoder_input_ids"] = torch.from_numpy(ids.astype(np.int64))
        inputs["decoder_attention_mask"] = torch.from_numpy(valid.astype(np.int64))
    elif "oberta" in name:  # it would leave out a padding that is among the random words
        length = arrays["input_ids"].shape[1]
        positions = np.broadcast_to(np.arange(length) + 2, arrays["input_ids"].shape)
        inputs["position_ids"] = torch.from_numpy(positions.copy())
    with torch.inference_mode():
        given = model.float().eval()(**inputs)
    wanted = [key for key in OUTPUTS.split() if key != UNRECORDED.get(name)]
    return {key: given[key].numpy() for key in wanted if given.get(key) is not None}


def distances(
    outputs: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """How far each output is from the recorded one that is nearest; infinitely, if of other shape.

    On valid positions: GluonNLP's are zero at the others.
    """
    inputs = ("input_ids", "valid_length", "token_types", "decoder_ids", "decoder_valid_length")
    masks = {}
    for ids, lengths in (("input_ids", "valid_length"), ("decoder_ids", "decoder_valid_length")):
        if ids in arrays:
            shape = arrays[ids].shape
            masks[shape] = np.arange(shape[1]) < arrays[lengths][:, None]
    found = {}
    for name, output in outputs.items():
        kept = masks.get(output.shape[:2], ...)
        gaps = [
            float(np.abs(output - array)[kept].max())
            for key, array in arrays.items()
            if key not in inputs and array.shape == output.shape
        ]
        found[name] = min(gaps, default=float("inf"))
    return found
