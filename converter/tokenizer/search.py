"""Where GluonNLP leaves vocabularies: beside the parameters, and in `$MXNET_HOME/models`.

Sources: GluonNLP v0.10.0 src/gluonnlp/data/utils.py (_vocab_sha1, _get_vocab_tokenizer_info: the
name is that of the data set, then eight digits of the sha1), v0.8.3 base.py (get_home_dir),
data/transforms.py (GPT2BPETokenizer); master scripts/conversion_toolkits and models/*.py,
PRETRAINED_URL (1.x names; the zoo's have eight digits of the sha1 more).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from converter.errors import VocabularyError
from converter.table import TokenizerRule
from converter.tokenizer.prepared import Files
from converter.tokenizer.vocabulary import read_bytes

HASHED = re.compile(r"(?P<name>.+)-(?P<hash>[0-9a-f]{8})\.(?P<kind>\w+)")
# GluonNLP 1.x has a directory for each model, and no data set in its names
NEWER: Mapping[str, Mapping[str, Sequence[str]]] = {
    "wordpiece": {"vocab": ("vocab.json",)},
    "byte-level-bpe": {"vocab": ("gpt2.vocab",), "merges": ("gpt2.merges",)},
    "sentencepiece": {
        "sentencepiece": ("spm.model", "sentencepiece.model", "t5.vocab", "mt5.vocab"),
        "vocab": ("vocab.json",),
    },
}
MERGES = ("openai_webtext_bpe_ranks-396d4d8e.json", "gpt2-396d4d8e.merges")


def find(source: Path, rule: TokenizerRule) -> Files:
    """The files for the parameters file `source` that GluonNLP's own names tell; else none.

    Which vocabulary it is, the name of the source tells (`bert_12_768_12_<data set>-<hash>`) or
    the family, never a guess; the sha1 in the name of the vocabulary must be right.
    """
    found = Files()
    for folder in places(source):
        names = _names(folder)
        found = _first(found, [*_of_dataset(folder, names, source, rule)])
        if folder == source.parent:
            found = _first(found, _beside(folder, names, rule))
        if "byte-level-bpe" in rule.kinds and not found.merges:
            merges = [
                folder / name for name in MERGES if name in names and _is_named(folder / name)
            ]
            found = replace(found, merges=merges[0] if merges else None)
    whole = "byte-level-bpe" not in rule.kinds or (found.vocab and found.merges)
    return found if whole and (found.vocab or found.sentencepiece) else Files()


def places(source: Path) -> list[Path]:
    """The folders that are looked into."""
    home = os.environ.get("MXNET_HOME") or Path("~") / ".mxnet"
    try:
        models = Path(home).expanduser() / "models"
    except RuntimeError:  # no home directory
        return [source.parent]
    return [*dict.fromkeys((source.parent, models))]


def _first(found: Files, more: Sequence[Files]) -> Files:
    if found.vocab or found.sentencepiece or not more:
        return found
    return replace(more[0], merges=found.merges or more[0].merges)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _of_dataset(
    folder: Path, names: Sequence[str], source: Path, rule: TokenizerRule
) -> Iterator[Files]:
    """GluonNLP 0.x: `<data set>-<hash>.vocab`, or `.spiece`."""
    known = HASHED.fullmatch(source.name)
    for name in names:
        match = HASHED.fullmatch(name)
        if match is None or match["kind"] not in ("vocab", "spiece"):
            continue
        named = known is not None and known["name"].endswith(f"_{match['name']}")
        if (named or match["name"] in rule.datasets) and _is_named(folder / name):
            if match["kind"] == "vocab" and {"wordpiece", "byte-level-bpe"} & {*rule.kinds}:
                yield Files(vocab=folder / name)
            elif any("sentencepiece" in kind for kind in rule.kinds):
                yield Files(sentencepiece=folder / name)


def _beside(folder: Path, names: Sequence[str], rule: TokenizerRule) -> list[Files]:
    """GluonNLP 1.x: one file of each kind in the directory of the model, its vocabulary above all.

    ALBERT's SentencePiece model has a `vocab.json` beside it, others have none.
    """
    option = {"sentencepiece": "sentencepiece"}
    for kind in rule.kinds:
        found = {}
        for name, usual in NEWER.get(kind, {}).items():
            matching = [n for n in names if n in usual or _unhashed(n) in usual]
            if len(matching) == 1 and (matching[0] in usual or _is_named(folder / matching[0])):
                found[name] = folder / matching[0]
        if option.get(kind, "vocab") in found:
            return [Files(**found)]
    return []


def _unhashed(name: str) -> str:
    match = HASHED.fullmatch(name)
    return f"{match['name']}.{match['kind']}" if match else name


def _is_named(path: Path) -> bool:
    """Whether the sha1 of the content is the one in the name: else it is damaged or another."""
    match = HASHED.fullmatch(path.name)
    try:
        sha1 = hashlib.sha1(read_bytes(path), usedforsecurity=False).hexdigest()
    except VocabularyError:
        return False
    return match is not None and sha1.startswith(match["hash"])
