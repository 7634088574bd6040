"""Where GluonNLP leaves vocabularies: beside the parameters, and among the models of its zoo.

Sources: GluonNLP v0.10.0 src/gluonnlp/data/utils.py (_vocab_sha1, _get_vocab_tokenizer_info: the
name is that of the data set, then eight digits of the sha1), v0.8.3 base.py (get_home_dir),
data/transforms.py (GPT2BPETokenizer); master scripts/conversion_toolkits and models/*.py,
PRETRAINED_URL (1.x names; the zoo's have eight digits of the sha1 more); base.py
(get_model_zoo_home_dir) of master and of autogluon_contrib_nlp 0.0.1b20220208.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from converter.errors import VocabularyError
from converter.tables.tokenizer_rule import TokenizerRule
from converter.tokenizer.spec import Files
from converter.tokenizer.vocabulary import read_bytes

HASHED = re.compile(r"(?P<name>.+)-(?P<hash>[0-9a-f]{8})\.(?P<kind>\w+)")
# GluonNLP 1.x has a directory for each model, and no data set in its names
NAMES_1X: Mapping[str, Mapping[str, Sequence[str]]] = {
    "wordpiece": {"vocab": ("vocab.json",)},
    "byte-level-bpe": {"vocab": ("gpt2.vocab",), "merges": ("gpt2.merges",)},
    "sentencepiece": {
        "sentencepiece": ("spm.model", "sentencepiece.model", "t5.vocab", "mt5.vocab"),
        "vocab": ("vocab.json",),
    },
}
MERGES = ("openai_webtext_bpe_ranks-396d4d8e.json", "gpt2-396d4d8e.merges")


def find(source: Path, rule: TokenizerRule, zoo: str | None = None) -> Files:
    """The files for the parameters file `source` that GluonNLP's own names tell; else none.

    Which vocabulary it is, the name of the source tells (`bert_12_768_12_<data set>-<hash>`) or
    the family, never a guess; the sha1 in the name of the vocabulary must be right.
    zoo: the model of 1.x's zoo that has these sizes: its directory has this vocabulary
    """
    found = Files()
    beside = {source.parent, *_of_zoo(zoo)}
    for folder in places(source, zoo):
        names = _names(folder)
        found = _first(found, [*_of_dataset(folder, names, source, rule)])
        if folder in beside:
            found = _first(found, _beside(folder, names, rule))
        if "byte-level-bpe" in rule.kinds and not found.merges:
            found = replace(found, merges=_merges(folder, names))
    whole = "byte-level-bpe" not in rule.kinds or (found.vocab and found.merges)
    return found if whole and (found.vocab or found.sentencepiece) else Files()


def merges_of(folder: Path) -> Path | None:
    """OpenAI's merges under GluonNLP's name, in `folder` or where GluonNLP leaves them."""
    folders = (folder, *_models("MXNET_HOME", ".mxnet"))
    return next(filter(None, (_merges(one, _names(one)) for one in folders)), None)


def _merges(folder: Path, names: Sequence[str]) -> Path | None:
    there = (folder / name for name in MERGES if name in names)
    return next((path for path in there if _is_named(path)), None)


def places(source: Path, zoo: str | None = None) -> list[Path]:
    """The folders that are looked into. zoo: as for `find`."""
    return [*dict.fromkeys((source.parent, *_models("MXNET_HOME", ".mxnet"), *_of_zoo(zoo)))]


def _of_zoo(zoo: str | None) -> list[Path]:
    """The directories of a model of 1.x's zoo, of AutoGluon's copy and of master."""
    if zoo is None:
        return []
    copies = [models / "nlp" / zoo for models in _models("MXNET_HOME", ".mxnet")]
    return copies + [models / zoo for models in _models("GLUONNLP_HOME", ".gluonnlp")]


def _models(variable: str, usual: str) -> list[Path]:
    try:
        return [Path(os.environ.get(variable) or Path("~", usual)).expanduser() / "models"]
    except RuntimeError:  # no home directory
        return []


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
        for name, usual in NAMES_1X.get(kind, {}).items():
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
