"""Runs under any Transformers: text through the tokenizer and the model of a directory.

    python text_through_model.py FOLDER OUT.json NAME:CLASS...

Every NAME is a directory in FOLDER, CLASS its class for the main task, beside AutoModel.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers

TEXTS = ["All human beings are born free.", "No."]


def through(directory: Path, main_class: str) -> dict[str, Any]:
    """The ids of a padded batch and of a pair, the hidden states, and what is generated."""
    logging: Any = transformers.utils.logging
    logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
    padded = tokenizer.pad_token is not None
    batch = tokenizer(TEXTS if padded else TEXTS[0], padding=padded, return_tensors="pt")
    pair = tokenizer("free", "and", return_tensors="pt")
    result: dict[str, Any] = {"batch": batch.input_ids.tolist(), "pair": pair.input_ids.tolist()}
    for name in ("AutoModel", main_class):
        model, info = getattr(transformers, name).from_pretrained(
            directory, output_loading_info=True, local_files_only=True
        )
        if name == main_class:
            result["missing"] = sorted(info["missing_keys"])
        model.eval()
        more = {}
        if model.config.is_encoder_decoder:
            start = model.config.decoder_start_token_id
            more["decoder_input_ids"] = torch.tensor([[start]] * len(batch.input_ids))
            result["start"] = tokenizer.convert_ids_to_tokens(start)
        with torch.inference_mode():
            outputs = model(**batch, **more)
            model(**pair, **{key: value[:1] for key, value in more.items()})
            result[name] = outputs[0].double().sum().item()
            if hasattr(model, "lm_head") and model.can_generate():
                made = model.generate(**batch, max_new_tokens=3, do_sample=False)
                result["generated"] = tokenizer.batch_decode(made, skip_special_tokens=True)
    return result


if __name__ == "__main__":
    folder, out = map(Path, sys.argv[1:3])
    found = {
        name: through(folder / name, main_class)
        for name, main_class in (argument.split(":") for argument in sys.argv[3:])
    }
    out.write_text(json.dumps({"transformers": transformers.__version__, "models": found}), "utf-8")
