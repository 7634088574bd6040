"""Files after public reports, made by real MXNet elsewhere: one more check, where they are.

`BORT_CASES` names their folder; else it is `shared/cases` beside the project. Every kind has
fixtures and tests of its own beside these (test_beside.py, test_gpt2.py, api/test_autogluon.py).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentencepiece import sentencepiece_model_pb2

import converter
from converter.errors import PlanError
from tests.conftest import ROOT
from tests.tokenizer import cases
from tests.tokenizer.bort import invoke, read

CASES = Path(os.environ.get("BORT_CASES") or ROOT.parent / "shared" / "cases")
HEADS = {"num_attention_heads": 4}
KOGPT2 = {"n_head": 4, "activation_function": "gelu"}


def there(name: str) -> list[Path]:
    """The file of that name, if it is there."""
    return [path for path in [CASES / name] if path.exists()]


def test_kobert_fine_tuned_with_its_pieces_beside_it(tmp_path: Path) -> None:
    """Text → ids → logits, as GluonNLP and MXNet had them."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    for source in there("kobert_dir/kobert_nsmc.params"):
        report = converter.convert(source, tmp_path / "out", family="bert", config=HEADS)
        assert report.plan.tokenizer is not None
        assert report.plan.tokenizer.found == "found beside the file"
        recorded = np.load(source.with_suffix(".npz"))
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
        model: Any = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
        inputs = tokenizer(
            [*map(str, recorded["texts"])], padding="max_length", max_length=20, return_tensors="pt"
        )
        assert np.array_equal(inputs.input_ids, recorded["ids"])
        assert np.array_equal(inputs.attention_mask.sum(1), recorded["vl"])
        with torch.no_grad():
            logits = model(**inputs).logits.numpy()
        assert np.abs(logits - recorded["logits"]).max() < 1e-5


def test_what_stands_for_koberts_pieces_in_an_archive_is_looked_at(tmp_path: Path) -> None:
    """Its `.spiece` is two bytes: it is named, and not taken."""
    for source in there("sm_kobert.tar.gz"):
        result = invoke(
            *("--src", source, "--dst", tmp_path / "out", "--family", "bert"),
            *("--config", "num_attention_heads=4", "--no-verify"),
        )
        assert result.exit_code == 0, result.output
        assert "found in the archive: kobert_news_wiki_ko_cased-1087f8699e.spiece" in result.stdout
        assert "2 bytes are no vocabulary of 61 tokens" in result.stdout
        assert "--sentencepiece FILE" in result.stdout


def few_pieces(path: Path, count: int) -> Path:
    """The small model like KoGPT2's with its special pieces and its most frequent letters."""
    model: Any = vars(sentencepiece_model_pb2)["ModelProto"]()
    model.ParseFromString(cases.path("kogpt2_cased", "sentencepiece").read_bytes())
    letters = [piece for piece in model.pieces if len(piece.piece) == 1]
    pieces = [*model.pieces[:8], *letters[: count - 8]]
    del model.pieces[:]
    model.pieces.extend(pieces)
    path.write_bytes(model.SerializeToString())
    return path


def test_kogpt2_with_a_vocabulary_of_its_size(tmp_path: Path) -> None:
    import torch
    from transformers import GPT2LMHeadModel

    pieces = few_pieces(tmp_path / "kogpt2.spiece", 97)
    for source in there("kogpt2_base.params"):
        with pytest.raises(PlanError, match="900 tokens and the embedding 97 rows"):
            converter.convert(
                *(source, tmp_path / "out"),
                config=KOGPT2,
                sentencepiece=cases.path("kogpt2_cased", "sentencepiece"),
            )
        with pytest.raises(PlanError, match="does not store activation_function"):
            converter.convert(source, tmp_path / "out", sentencepiece=pieces)
        out = tmp_path / "out"
        assert converter.convert(source, out, config=KOGPT2, sentencepiece=pieces).passed
        config = read(out / "config.json")
        ids = [config[f"{role}_token_id"] for role in ("bos", "eos", "pad", "unk")]
        assert ids == [0, 1, 3, 5]
        model: Any = GPT2LMHeadModel.from_pretrained(out)
        found = model.generate(torch.tensor([[0, 20, 30]]), max_new_tokens=8, min_length=9)
        assert found.max() < config["vocab_size"] == 97


def test_a_predictor_of_autogluon_0_0_15(tmp_path: Path) -> None:
    import torch
    from transformers import ElectraModel

    for source in there("ag0015_text"):
        report = converter.convert(source, tmp_path / "out", config=HEADS)
        assert report.plan.table.name == "electra_1x"
        recorded = np.load(source / "net.npz")
        model: Any = ElectraModel.from_pretrained(tmp_path / "out")
        ids, types = (torch.tensor(recorded[n], dtype=torch.long) for n in ("ids", "tt"))
        valid = np.arange(ids.shape[1]) < recorded["vl"][:, None]
        with torch.no_grad():
            hidden = model(ids, torch.tensor(valid).long(), types).last_hidden_state.numpy()
        assert np.abs(hidden - recorded["hidden"])[valid].max() < 1e-5
