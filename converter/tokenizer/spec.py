"""A family's rule and the user's files → what the tokenizer will be, or every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converter.errors import PlanError, safe
from converter.tables.tokenizer_rule import TokenizerRule
from converter.tokenizer.sentencepiece import (
    USER_DEFINED,
    SentencePieces,
    is_recut,
    read_sentencepiece,
    vocabulary_of,
)
from converter.tokenizer.vocabulary import (
    File,
    Vocabulary,
    is_lowered,
    read_merges,
    read_vocabulary,
)

# What the command is given for each kind of vocabulary
OPTIONS = {
    "wordpiece": "--vocab FILE",
    "byte-level-bpe": "--vocab FILE --merges FILE",
    **dict.fromkeys(("bert-sentencepiece", "xlnet-sentencepiece"), "--sentencepiece FILE"),
    "sentencepiece": "--sentencepiece FILE",
}
MERGES = "openai_webtext_bpe_ranks-396d4d8e.json"
LISTED = 5  # examples in a message
UNMADE = 0.1  # of the entries may be made by no merge; RoBERTa has 8 such in 50,265


@dataclass(frozen=True)
class Files:
    """The files a tokenizer is made of; None where there is none."""

    vocab: File | None = None
    merges: File | None = None
    sentencepiece: File | None = None

    def given(self) -> dict[str, File]:
        """Option → file."""
        return {name: path for name, path in vars(self).items() if path is not None}


@dataclass(frozen=True, repr=False)
class TokenizerSpec:
    """Everything that decides which ids a text becomes.

    `version`: of GluonNLP, from the user or the table, None: not told; `told`: as the user said it.
    `recorded`: the digest of the vocabulary that a directory was made with, where it is read from
    there. `found`: where, for files that nobody named. `lower_assumed`: nothing tells `lower` but
    that no token has an upper-case letter.
    """

    kind: str
    files: Files
    vocabulary: Vocabulary
    merges: tuple[tuple[str, str], ...]
    model: SentencePieces | None
    lower: bool | None
    version: tuple[int, int] | None
    rule: TokenizerRule
    max_length: int | None
    told: str | None = None
    recorded: str | None = None
    found: str | None = None
    lower_assumed: bool = False

    def __repr__(self) -> str:
        names = " and ".join(safe(file.name) for file in self.files.given().values())
        return f"<TokenizerSpec: {self.kind}, {len(self.vocabulary.tokens):,} tokens of {names}>"

    @property
    def stock(self) -> bool:
        """GluonNLP 1.x has the word pieces of the `tokenizers` library, as these are."""
        return self.version is not None and self.version >= (1, 0)

    @property
    def older(self) -> bool:
        """Whether characters are removed as before 0.9: all of the categories C."""
        return self.version is None or self.version < (0, 9)

    @property
    def strip(self) -> bool:
        """Whether accents are taken off: before 0.9 if text is lower-cased, in 0.9 and 0.10 always.

        GluonNLP master never does (data/tokenizers/huggingface.py, HuggingFaceWordPieceTokenizer:
        strip_accents=False), which is meant when the user gives 1.0. AutoGluon's copy of it has
        None there, which is as before 0.9, and as Google trained the models of the zoo.
        """
        if self.stock:
            return self.told is None and bool(self.lower)
        return not self.older or bool(self.lower)

    @property
    def reads_special(self) -> bool:
        """Whether GluonNLP takes special tokens within a text for what they say.

        The `tokenizers` library's BertWordPieceTokenizer does, which 1.x has.
        """
        return self.stock and self.kind == "wordpiece"

    @property
    def longest_word(self) -> int:
        """Characters of the longest word that is not unknown (`max_input_chars_per_word`)."""
        return 100 if self.stock else 200

    @property
    def recut(self) -> tuple[str, ...]:
        """Pieces such as `▁1,` that XLNetTokenizer cuts once more, the number from the comma.

        A Unigram model cannot cut its own pieces: it is kept from choosing them, by their score.
        """
        if self.kind != "xlnet-sentencepiece":
            return ()
        return tuple(filter(is_recut, self.vocabulary.tokens))

    @property
    def ids(self) -> dict[str, int]:
        """The fields of config.json that the vocabulary tells."""
        ids, special = self.vocabulary.ids, self.vocabulary.special
        found = {f"{role}_token_id": ids[t] for role, t in special.items() if t in ids}
        start = f"{self.rule.decoder_start}_token_id"
        return found | ({"decoder_start_token_id": found[start]} if start in found else {})


def make_spec(
    rule: TokenizerRule,
    files: Files,
    config: Mapping[str, Any],
    overrides: Mapping[str, Any],
    lower: bool | None = None,
    version: str | None = None,
    special: Mapping[str, str] | None = None,
) -> TokenizerSpec:
    """Read `files`, and hold them against the rule, the model's sizes and the user's `overrides`.

    config: of the model: `vocab_size`, and what `rule.length` names
    lower: whether text is lower-cased; None: the rule or a name tells
    version: the GluonNLP that the model was trained with; None: the rule tells, or 0.8
    special: role → token, known from elsewhere; None: the vocabulary and the rule tell
    Raises `VocabularyError` for a file that cannot be read and `PlanError` with every problem.
    """
    kind = _kind(rule, files)
    model = read_sentencepiece(files.sentencepiece) if files.sentencepiece else None
    merges = read_merges(files.merges) if files.merges else ()
    if files.vocab:
        vocabulary = read_vocabulary(files.vocab)
    else:
        assert model is not None  # `_kind` asked for one of the two
        vocabulary = vocabulary_of(model, rule, config["vocab_size"])
    ids = vocabulary.ids
    usual = {role: token for role, token in rule.special.items() if token in ids}
    vocabulary = replace(vocabulary, special=special or {**usual, **vocabulary.special})
    if lower is None:
        lower = _lower(rule, files)
    assumed = lower is None and kind == "wordpiece" and is_lowered(vocabulary)
    spec = TokenizerSpec(
        kind=kind,
        files=files,
        vocabulary=vocabulary,
        merges=merges,
        model=model,
        lower=(assumed or lower) if kind != "byte-level-bpe" else None,
        lower_assumed=assumed,
        version=_version(version or rule.version or None),
        rule=rule,
        max_length=config[rule.length] - rule.reserved if rule.length in config else None,
        told=version,
    )
    if problems := [*_problems(spec, config, overrides)]:
        raise PlanError(
            f"{vocabulary.path} cannot be this model's tokenizer:", [*dict.fromkeys(problems)]
        )
    return spec


def _kind(rule: TokenizerRule, files: Files) -> str:
    """What the files make, if the family has it. Raises `PlanError` saying which are needed."""
    made = next((kind for kind in rule.kinds if _suits(kind, files)), None)
    if made is None:
        needs = " or ".join(dict.fromkeys(OPTIONS[kind] for kind in rule.kinds))
        given = " and ".join(f"--{name} {path}" for name, path in files.given().items())
        problems = [f"given: {given or 'nothing'}"]
        if "--merges" in needs and not files.merges:
            problems.append(f"the merges are {MERGES} of GluonNLP, or GPT-2's merges.txt")
        raise PlanError(f"the family's tokenizer needs {needs}:", problems)
    return made


def _suits(kind: str, files: Files) -> bool:
    given = {*files.given()}
    if kind == "wordpiece":
        return given == {"vocab"}
    if kind == "byte-level-bpe":
        return given == {"vocab", "merges"}
    return given in ({"sentencepiece"}, {"sentencepiece", "vocab"})


def _lower(rule: TokenizerRule, files: Files) -> bool | None:
    """What the rule tells, else the names of the files, else the folder that GluonNLP 1.x made."""
    paths = [*files.given().values()]
    names = [path.name for path in paths]
    known = (rule.lowered[name] for name in names if name in rule.lowered)
    folders = [
        path.absolute().parent.name if isinstance(path, Path) else path.folder for path in paths
    ]
    told = (rule.lower, next(known, None), _cased(names), _cased(folders))
    return next((lower for lower in told if lower is not None), None)


def _cased(names: Sequence[str]) -> bool | None:
    """`…_uncased-a6607397.vocab`, `google_en_uncased_bert_base`: lower-cased; `…_cased…`: not."""
    if any("uncased" in name for name in names):
        return True
    return False if any("cased" in name for name in names) else None


def _version(told: str | None) -> tuple[int, int] | None:
    if told is None:
        return None
    numbers = told.split(".")
    try:
        return int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0
    except ValueError as error:
        raise PlanError(
            "the version of GluonNLP:", [f"{told!r} is none such as 0.8.3 or 1.0"]
        ) from error


def _problems(
    spec: TokenizerSpec, config: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Iterator[str]:
    vocabulary, rows = spec.vocabulary, config["vocab_size"]
    if not 0 <= rows - len(vocabulary.tokens) <= spec.rule.spare:
        yield (
            f"it has {len(vocabulary.tokens):,} tokens and the embedding {rows:,} rows: it is "
            f"another model's; give this model's own by {OPTIONS[spec.kind]}"
        )
    ids = vocabulary.ids
    for role, token in vocabulary.special.items():
        if token not in ids:
            yield f"the {role} token {token!r} is not in it"
    needed = [part.partition(":")[0] for part in f"{spec.rule.single} {spec.rule.pair} unk".split()]
    for role in needed:
        if role not in (*vocabulary.special, "A", "B"):
            yield f"it names no {role} token, and has none of the usual name"
    for name, number in spec.ids.items():
        if name in overrides and overrides[name] != number:
            yield f"--config {name}={overrides[name]!r}: the vocabulary says {number}"
    if spec.lower is None and spec.kind in ("wordpiece", "bert-sentencepiece"):
        capitals = sum(t != t.lower() for t in {*ids} - {*vocabulary.special.values()})
        yield (
            "neither the name of the file nor the family tells whether text is lower-cased "
            f"({capitals:,} of its tokens have capital letters): give --lower or --no-lower"
        )
    if spec.kind == "byte-level-bpe":
        yield from _merge_problems(spec)
    if spec.model:
        yield from _piece_problems(vocabulary, spec.model)


def _merge_problems(spec: TokenizerSpec) -> Iterator[str]:
    """Merges of another vocabulary make tokens that it lacks, or leave out what it has."""
    tokens = {*spec.vocabulary.tokens}
    parts = [(first, second, first + second) for first, second in spec.merges]
    if lacking := [*dict.fromkeys(p for merge in parts for p in merge if p not in tokens)]:
        yield (
            f"{len(lacking):,} tokens of {spec.files.merges} are not in it, such as "
            f"{_some(lacking)}: the merges are another vocabulary's"
        )
    made = {merge[2] for merge in parts}
    unmade = [t for t in spec.vocabulary.tokens if len(t) > 1 and t not in made]
    if len(unmade) > UNMADE * len(tokens):
        yield (
            f"{spec.files.merges} makes not one of {len(unmade):,} of its {len(tokens):,} "
            f"tokens, such as {_some(unmade[-LISTED:])}: the merges are cut or another vocabulary's"
        )


def _piece_problems(vocabulary: Vocabulary, model: SentencePieces) -> Iterator[str]:
    ids = vocabulary.ids
    if lacking := [piece for piece in model.pieces if piece not in ids]:
        yield f"{len(lacking):,} pieces of {model.path} are not in it, such as {_some(lacking)}"
    if model.bpe and USER_DEFINED in model.types and (unmade := model.unmade()):
        yield (
            f"{model.path} is a BPE model that makes {len(unmade):,} of its pieces from no text, "
            f"such as {_some(unmade)}, and has user-defined pieces: not supported together"
        )


def _some(tokens: Sequence[str]) -> str:
    return ", ".join(map(repr, tokens[:LISTED]))
