"""The fixtures of networks of one's own (fixtures/own/): files, options, what is around a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.params import load_params
from converter.report.around import HEADING

ROOT = Path(__file__).parents[1] / "fixtures" / "own"
MANIFEST: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "manifest.json").read_text())
FILES = [(name, way) for name, stated in sorted(MANIFEST.items()) for way in stated["sha256"]]
CARD_PATH = "path/to/this/directory"


def source(name: str, way: str = "structural") -> Path:
    return ROOT / f"{name}{'' if way == 'structural' else f'.{way}'}.params"


def golden(name: str, second: bool = False) -> Path:
    return ROOT / f"{name}{'.second' if second else ''}.golden.npz"


def config_of(name: str) -> dict[str, Any]:
    """What the file does not tell of a model."""
    stated = MANIFEST[name]
    heads = stated["num_heads"]
    if stated["family"] == "gpt2":
        return {"n_head": heads, "activation_function": "gelu_new"}
    if stated["family"] == "xlnet":
        return {"ff_activation": stated["activation"]}
    more = {}
    if "1x" in stated["family"]:
        more = {"hidden_act": stated["activation"], "num_hidden_layers": stated["num_layers"]}
        more = more if stated["family"] == "albert_1x" else {"hidden_act": stated["activation"]}
    return {"num_attention_heads": heads, **more}


# Whatever a refusal asks for, of any of them
ASKED = {"n_head": 3, "activation_function": "gelu_new", "ff_activation": "gelu"}
ASKED |= {"num_attention_heads": 3, "num_hidden_layers": 2, "hidden_act": "gelu"}


def told(name: str, **more: Any) -> dict[str, Any]:
    """The options of a conversion, but for those that say which model it is."""
    version = name.split("/")[0]
    known = {} if version == "1.x" else {"gluonnlp_version": version}
    return {"family": MANIFEST[name]["family"], "config": config_of(name), **known, **more}


def begins(name: str, way: str) -> list[tuple[str, ...]]:
    """How the names of each model begin in a file of a network."""
    stated = MANIFEST[name]
    bare = [key.removeprefix("arg:") for key in load_params(source(name, way))]
    inner = "_net." if stated["family"] == "xlnet" else ""
    found = [(f"{model}.{inner}",) for model in stated["models"]]
    if way not in ("structural", "deduplicated"):
        found = [tuple(scopes) for scopes in stated["scopes"]]
    there = [begin for begin in found if any(key.startswith(begin) for key in bare)]
    return [*dict.fromkeys(there)]


def around(name: str, way: str, begin: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What a file holds beside the model whose names begin so."""
    arrays = load_params(source(name, way))
    return {n: a for n, a in arrays.items() if not n.removeprefix("arg:").startswith(begin)}


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {key: file[key] for key in file.files if key != "about"}


def inputs_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A recording's inputs, as a tokenizer of Transformers gives them."""
    import torch

    ids, lengths = arrays["input_ids"], arrays["valid_length"]
    valid = np.arange(ids.shape[1]) < lengths[:, None]
    inputs = {"input_ids": ids, "attention_mask": valid}
    if "token_types" in arrays:
        inputs["token_type_ids"] = arrays["token_types"]
    return {key: torch.from_numpy(array.astype(np.int64)) for key, array in inputs.items()}


def code_of(directory: Path) -> list[str]:
    """The blocks of Python in a model card: how it is loaded, and what puts the head back."""
    card = (directory / "README.md").read_text("utf-8").replace(CARD_PATH, str(directory))
    return [block.split("\n```")[0] for block in card.split("```python\n")[1:]]


def run_card(directory: Path, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the lines of a card give, by the line: those behind its comment are its own words."""
    import torch

    load, put_back = code_of(directory)
    known: dict[str, Any] = {"inputs": inputs}
    outputs = {}
    with torch.no_grad():
        exec(load, known)
        for line in put_back.split("\n"):
            call, _, comment = line.partition("  # ")
            if comment and "load_file" not in call:
                outputs[call.strip()] = eval(call, known).numpy()
            else:
                exec(line, known)
    return outputs


def section_of(directory: Path) -> str:
    """The section of a card on what was around the model."""
    card = (directory / "README.md").read_text("utf-8")
    return card.partition(f"{HEADING}\n")[2].partition("\n## ")[0]
