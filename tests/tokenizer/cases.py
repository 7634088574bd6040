"""The small vocabularies of fixtures/tokenizers, as the program prepares them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.tables.load import load_family
from converter.tables.tokenizer_rule import TokenizerRule
from converter.tokenizer import Files, TokenizerSpec, make_spec
from converter.tokenizer.sentencepiece import SentencePieces

FOLDER = Path(__file__).parents[2] / "fixtures" / "tokenizers"
CASES: Mapping[str, Mapping[str, Any]] = {
    case["name"]: case for case in json.loads((FOLDER / "cases.json").read_text("utf-8"))
}
TEXTS: Mapping[str, list[str]] = json.loads((FOLDER / "texts.json").read_text("utf-8"))
ALL_TEXTS = [text for category in TEXTS.values() for text in category]
VERSIONS = ("0.8.3", "0.10.0")


def rule_of(family: str) -> TokenizerRule:
    found = load_family(family).tokenizer
    assert found is not None
    return found


BORT, BERT, GPT2 = (rule_of(family) for family in ("bort", "bert", "gpt2"))
PIECES = replace(BORT, kinds=("sentencepiece",), special={}, lower=False, datasets=(), public={})
RULES = {
    "GPT2BPETokenizer": BORT,
    "BERTTokenizer": BERT,
    "BERTSPTokenizer": BERT,
    "SentencepieceTokenizer": PIECES,
    "gpt2": GPT2,
}
ROWS = {
    **{"bort": 605, "bert_uncased": 700, "bert_cased": 700},
    **{"real_gpt2": 50257, "real_bort": 50261, "real_bert_uncased": 30522},
    **{"real_bert_cased": 30522},
    **{"kobert_cased": 500, "spiece_uncased": 504, "spiece": 500},
    **{"kogpt2_cased": 900, "kogpt2_added": 501},
}


def files(name: str) -> Files:
    return files_of(CASES[name], FOLDER)


def path(name: str, option: str) -> Path:
    found: Path = FOLDER / CASES[name][option]
    return found


def files_of(case: Mapping[str, Any], folder: Path) -> Files:
    options = ("vocab", "merges", "sentencepiece")
    return Files(**{option: folder / case[option] for option in options if option in case})


def config(rows: int) -> dict[str, Any]:
    return {"vocab_size": rows, "max_position_embeddings": 512, "n_positions": 512}


def rule_for(case: Mapping[str, Any]) -> TokenizerRule:
    return RULES[case.get("family", case["tokenizer"])]


def spec_of(name: str, version: str | None = None, **changes: Any) -> TokenizerSpec:
    rule = replace(rule_for(CASES[name]), **changes)
    return make_spec(rule, files(name), config(ROWS[name]), {}, CASES[name].get("lower"), version)


def model_of(name: str) -> SentencePieces:
    found = spec_of(name).model
    assert found is not None
    return found


def recorded(version: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((FOLDER / f"gluonnlp-{version}.json").read_text("utf-8"))
    return found


def vocab_json(tokens: list[str], unknown: str | None, special: Mapping[str, str | None]) -> str:
    """As GluonNLP's Vocab.to_json writes it."""
    return json.dumps(
        {
            "idx_to_token": tokens,
            "token_to_idx": {token: number for number, token in enumerate(tokens)},
            "reserved_tokens": [token for token in special.values() if token],
            "unknown_token": unknown,
            "identifiers_to_tokens": special,
        }
    )
