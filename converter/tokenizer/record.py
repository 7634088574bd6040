"""What conversion.json says of a tokenizer, and the tokenizer again from the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.errors import ConvertError
from converter.tables.tokenizer_rule import ROLES, TokenizerRule
from converter.tokenizer.spec import Files, TokenizerSpec, make_spec


def tokenizer_json(spec: TokenizerSpec) -> dict[str, Any]:
    """Plain data, the same for the same files: names without folders."""
    return {
        "kind": spec.kind,
        "files": {option: path.name for option, path in spec.files.given().items()},
        "tokens": len(spec.vocabulary.tokens),
        "tokens_sha256": spec.vocabulary.digest,
        "duplicates": list(spec.vocabulary.duplicates),
        "special": dict(spec.vocabulary.special),
        "ids": spec.ids,
        "single": spec.rule.single,
        "pair": spec.rule.pair,
        "lower": spec.lower,
        "gluonnlp_version": spec.told,
        "found": spec.found,
        "lower_assumed": spec.lower_assumed,
    }


def recorded(
    rule: TokenizerRule, record: Mapping[str, Any], directory: Path, config: Mapping[str, Any]
) -> TokenizerSpec:
    """The tokenizer that `directory` should have, from the vocabulary in it and its `record`.

    Raises `VocabularyError` and `PlanError` when the vocabulary cannot be read or does not suit
    the model any more, `ConvertError` when the record is none that was written here.
    """
    kinds = {
        "files": dict,
        "tokens_sha256": str,
        "special": dict,
        "lower": bool | None,
        "gluonnlp_version": str | None,
    }
    wrong = [key for key, kind in kinds.items() if not isinstance(record.get(key, ()), kind)]
    special = record.get("special")
    if wrong or not isinstance(special, dict) or not {*special.items()} <= _plain(special):
        raise ConvertError(f"{directory}: conversion.json says nothing usable of the tokenizer")
    own = _own_files(directory, {*record["files"]})
    spec = make_spec(
        rule,
        own,
        config,
        {},
        record["lower"],
        record["gluonnlp_version"],
        special=special,
    )
    found = record.get("found")
    return replace(
        spec,
        recorded=record["tokens_sha256"],
        found=found if isinstance(found, str) else None,
        lower_assumed=record.get("lower_assumed") is True,
    )


def _plain(special: Mapping[Any, Any]) -> set[tuple[str, str]]:
    return {(role, t) for role, t in special.items() if role in ROLES and isinstance(t, str)}


def _own_files(directory: Path, options: set[str]) -> Files:
    """The vocabulary as `write_tokenizer` wrote it."""
    if "sentencepiece" in options:
        vocab = directory / "vocab.json" if "vocab" in options else None
        return Files(vocab=vocab, sentencepiece=directory / "spiece.model")
    if "merges" in options:
        return Files(vocab=directory / "vocab.json", merges=directory / "merges.txt")
    return Files(vocab=directory / "vocab.txt")
