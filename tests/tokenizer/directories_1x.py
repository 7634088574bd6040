"""Model directories of GluonNLP 1.x, small: a fixture's weights, `model.yml` and a vocabulary."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests import zoo_1x, zoo_master
from tests.planning.test_model_yml_master import MODELS
from tests.tokenizer import cases_1x
from tests.tokenizer.enlarged import enlarged

# directory of fixtures/tokenizers/1x: the model's folder in fixtures/zoo_1x, or its name in
# fixtures/zoo_1x_master; the class for its main task
SOURCES: Mapping[str, tuple[str, str]] = {
    "google_en_uncased_bert": ("bert_pretrain", "AutoModelForPreTraining"),
    "google_en_cased_bert": ("bert_mlm", "AutoModelForMaskedLM"),
    "google_electra": ("electra_disc", "AutoModelForPreTraining"),
    "google_mobilebert": ("mobilebert_mlm", "AutoModelForMaskedLM"),
    "google_albert": ("albert_mlm", "AutoModelForMaskedLM"),
    "fairseq_roberta": ("roberta_mlm", "AutoModelForMaskedLM"),
    "fairseq_roberta_master": ("master/roberta_mlm", "AutoModelForMaskedLM"),
    "fairseq_xlmr": ("master/xlmr_mlm", "AutoModelForMaskedLM"),
    "fairseq_bart": ("master/bart", "AutoModelForSeq2SeqLM"),
    "gpt2": ("master/gpt2_lm", "AutoModelForCausalLM"),
    "google_t5": ("master/t5", "AutoModelForSeq2SeqLM"),
    "google_mt5": ("master/mt5", "AutoModel"),
}
# These two have the same names and, if small, nothing else that tells them apart
FAMILIES = {"fairseq_roberta_master": "roberta_1x_master", "fairseq_xlmr": "xlmr_1x"}
TOKENIZERS = {"google_mobilebert": "google_electra", "fairseq_roberta_master": "fairseq_roberta"}
GOLDEN = cases_1x.recorded()


def tokens(name: str) -> int:
    """How many there are in the vocabulary."""
    count: int = GOLDEN[TOKENIZERS.get(name, name)]["tokens"]
    return count


def rows(name: str) -> int:
    """As many, or the next multiple of 128, as T5 has it."""
    return -(-tokens(name) // 128) * 128 if "t5" in name else tokens(name)


def made(name: str, parent: Path) -> Path:
    """The directory `name` in `parent`, as GluonNLP's scripts write such directories."""
    folder = parent / name
    shutil.copytree(cases_1x.FOLDER / TOKENIZERS.get(name, name), folder)
    model = SOURCES[name][0]
    if model.startswith("master/"):
        values: dict[str, Any] = {
            "MODEL": dict(MODELS[model.removeprefix("master/")]),
            "VERSION": 1,
        }
        source = zoo_master.source(model.removeprefix("master/"))
    else:
        values = yaml.safe_load((zoo_1x.ROOT / model / "model.yml").read_text())
        source = zoo_1x.source(f"{model}/model")
    values["MODEL"]["vocab_size"] = rows(name)
    (folder / "model.yml").write_text(yaml.safe_dump(values))
    enlarged(source, rows(name), folder / "model.params")
    return folder


def recorded(out: Path) -> Any:
    """What conversion.json says."""
    return json.loads((out / "conversion.json").read_text("utf-8"))
