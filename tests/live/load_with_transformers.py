"""Runs inside the Transformers 4 environment: load converted directories as a user does.

    python -W error load_with_transformers.py FOLDER

FOLDER has a `cases.json`: a list of {"directory", "auto", "init", "golden"}, perhaps
with "first_position". Prints a JSON list of what loading reported and how far the hidden states are
from the recorded ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers


def load(case: dict[str, Any]) -> dict[str, Any]:
    """Load one directory and run it on the recorded ids."""
    auto = getattr(transformers, case["auto"])
    model, info = auto.from_pretrained(
        case["directory"], output_loading_info=True, local_files_only=True, **case["init"]
    )
    model = model.float().eval()
    with np.load(case["golden"]) as golden:
        ids, lengths = golden["input_ids"].astype("int64"), golden["valid_length"]
        states = golden["hidden_states"]
        decoder = {key: golden[key] for key in golden.files if key.startswith("decoder_")}
    valid = np.arange(ids.shape[1]) < lengths[:, None]
    more = {}
    if "first_position" in case:  # RoBERTa skips padding that stands among the words
        positions = np.arange(ids.shape[1]) + case["first_position"]
        more["position_ids"] = torch.from_numpy(np.broadcast_to(positions, ids.shape).copy())
    if decoder:
        decoder_ids, decoder_lengths = decoder["decoder_ids"], decoder["decoder_valid_length"]
        decoder_valid = np.arange(decoder_ids.shape[1]) < decoder_lengths[:, None]
        more["decoder_input_ids"] = torch.from_numpy(decoder_ids.astype("int64"))
        more["decoder_attention_mask"] = torch.from_numpy(decoder_valid.astype("int64"))
    with torch.inference_mode():
        outputs = model(
            torch.from_numpy(ids),
            attention_mask=torch.from_numpy(valid.astype("int64")),
            output_hidden_states=True,
            **more,
        )
    kept = outputs.encoder_hidden_states if decoder else outputs.hidden_states
    pairs = [(a.numpy(), b, valid) for a, b in zip(kept[1:], states, strict=True)]
    if decoder:
        kept, states = outputs.decoder_hidden_states, decoder["decoder_states"]
        pairs += [(a.numpy(), b, decoder_valid) for a, b in zip(kept[1:], states, strict=True)]
    return {
        "directory": case["directory"],
        "transformers": transformers.__version__,
        "class": type(model).__name__,
        "problems": [f"{k}: {v}" for k, values in sorted(info.items()) for v in sorted(values)],
        "difference": max(float(np.abs(a - b)[mask].max()) for a, b, mask in pairs),
    }


if __name__ == "__main__":
    cases = json.loads((Path(sys.argv[1]) / "cases.json").read_text())
    print(json.dumps([load(case) for case in cases]))
