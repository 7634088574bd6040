"""Vocabularies as GluonNLP writes them, and the merges of GPT-2: files → tokens by id.

Sources: GluonNLP v0.8.3 and v0.10.0 src/gluonnlp/vocab/vocab.py (to_json, from_json), master
src/gluonnlp/data/vocab.py (to_json); v0.8.3 data/transforms.py (GPT2BPETokenizer).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from converter.errors import VocabularyError, safe
from converter.files.regular import read_regular
from converter.params import Member
from converter.tables.tokenizer_rule import ROLES

File = Path | Member  # of the file system, or within the archive that the parameters are in
MAX_BYTES = 2**25  # the largest published one, of 250,000 tokens, has 5 MB
MAX_TOKENS = 2**20
MAX_TOKEN = 1000  # characters: the longest of any published one has 128 spaces
# How the names of Chinese, Japanese and Korean letters begin in Unicode
CASELESS = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "HALFWIDTH"}
OLDER = {f"{name}_token": role for role, name in ROLES.items()}  # `padding_token` → `pad`
KEYS_1X = {f"{role}_token": role for role in ROLES}  # `pad_token` → `pad`


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, each once, and which of them is special: role (`pad`, `unk`, …) → token.

    `duplicates`: ids whose token has another id as well. No text gives them in GluonNLP; here
    their place is held by a name that no text gives either.
    """

    path: File
    tokens: tuple[str, ...]
    special: Mapping[str, str]
    duplicates: tuple[int, ...] = ()

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token → id; not to be changed."""
        return {token: number for number, token in enumerate(self.tokens)}

    @property
    def digest(self) -> str:
        """sha256 of the tokens in their order, as a JSON list."""
        return hashlib.sha256(json.dumps(self.tokens).encode()).hexdigest()


def is_lowered(vocabulary: Vocabulary) -> bool:
    """Whether the words were lower-cased first: no token has an upper-case letter.

    Not where half of the words are Chinese, Japanese or Korean, which have no such letters: a model
    of these may be either, and taking accents off would take Hangul apart. Tokens in brackets, such
    as `[unused1]`, are no words.
    """
    special = {*vocabulary.special.values()}
    words = [
        token
        for number, token in enumerate(vocabulary.tokens)
        if token not in special
        and token[:1] + token[-1:] not in ("[]", "<>")
        and number not in vocabulary.duplicates
    ]
    if any(token != token.lower() for token in words) or not any(map(str.islower, words)):
        return False
    scripts = [{unicodedata.name(c, "").split(" ")[0] for c in t if c.isalpha()} for t in words]
    without_case = sum(any(name in CASELESS for name in names) for names in scripts)
    return 2 * without_case < sum(map(bool, scripts))


def read_bytes(path: File) -> bytes:
    """The file's content. Raises `VocabularyError` when it cannot be read or is far too large."""
    try:
        if isinstance(path, Member):
            return path.read(MAX_BYTES)
        return read_regular(path, MAX_BYTES)
    except (OSError, ValueError) as error:  # ValueError: too large, or a pipe
        reason = error.strerror if isinstance(error, OSError) else error
        raise VocabularyError(f"{path}: cannot be read: {reason or error}") from error


def read_text(path: File) -> str:
    """The file's content as text. Raises `VocabularyError`, with what else the file may be."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VocabularyError(
            f"{path}: not UTF-8 at byte {error.start:,}: a SentencePiece model is given with "
            "--sentencepiece, an archive must be unpacked first"
        ) from error


def read_vocabulary(path: File) -> Vocabulary:
    """A vocabulary of any layout: `Vocab` and `BERTVocab` JSON of GluonNLP 0.x, `Vocab` JSON of
    1.x, JSON of token → id (GPT-2's `encoder.json`), or one token a line (`vocab.txt`).

    Raises `VocabularyError` naming the file and what is wrong in it.
    """
    text = read_text(path)
    if not text.lstrip().startswith("{"):
        return _from_lines(path, text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"{path}: begins like JSON and is not: {error}") from error
    if "idx_to_token" in data:
        return _from_vocab_json(path, data)
    if "all_tokens" in data:
        special = data.get("special_token_key_value") or {}
        if not isinstance(special, dict):
            raise VocabularyError(f"{path}: special_token_key_value is no map of names to tokens")
        return _vocabulary(
            path, _tokens(path, data["all_tokens"]), _special(path, special, KEYS_1X)
        )
    if data and all(type(value) is int for value in data.values()):
        return _vocabulary(path, _by_id(path, data), {})
    keys = ", ".join(key[:40] for key in [*data][:5])
    raise VocabularyError(
        f"{path}: JSON of another kind: neither a vocabulary of GluonNLP (idx_to_token, "
        f"all_tokens) nor a map of tokens to ids; its keys: {safe(keys)}"
    )


def _from_vocab_json(path: File, data: Mapping[str, Any]) -> Vocabulary:
    """GluonNLP 0.x. Before 0.7, a token with two purposes has two ids and `token_to_idx` tells
    the one in use; older files also have the special tokens beside the rest.
    """
    tokens = _tokens(path, data["idx_to_token"])
    ids = data.get("token_to_idx")
    if not isinstance(ids, dict):
        raise VocabularyError(f"{path}: idx_to_token without token_to_idx")
    for number, token in enumerate(tokens):
        used = ids.get(token)
        if type(used) is not int or not 0 <= used < len(tokens) or tokens[used] != token:
            raise VocabularyError(
                f"{path}: idx_to_token has {token!r} at {number} and token_to_idx says "
                f"{str(used)[:40]}"
            )
    if extra := ids.keys() - {*tokens}:
        raise VocabularyError(
            f"{path}: token_to_idx has {len(extra):,} tokens that idx_to_token lacks, such as "
            f"{min(extra)[:40]!r}"
        )
    identifiers = data.get("identifiers_to_tokens") or {}
    if not isinstance(identifiers, dict):
        raise VocabularyError(f"{path}: identifiers_to_tokens is no map")
    special = _special(path, {**data, **identifiers}, OLDER)
    return _vocabulary(path, tokens, special, ids)


def _from_lines(path: File, text: str) -> Vocabulary:
    """One token a line; where a token is a duplicate the last line counts, as in BERT's own code.

    Baidu's ERNIE has a second column of numbers, which is no part of the token.
    """
    if text.count("\n") > MAX_TOKENS:
        raise VocabularyError(f"{path}: no list of 1 to {MAX_TOKENS:,} tokens")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    if lines and all("\t" in line for line in lines):
        if any(line.split("\t")[1].startswith("-") for line in lines):
            raise VocabularyError(
                f"{path}: a list of pieces and scores, as SentencePiece writes it beside its "
                "model: give the model itself, .model or .spiece, with --sentencepiece"
            )
        lines = [line.split("\t")[0] for line in lines]
    tokens = _tokens(path, lines)
    return _vocabulary(path, tokens, {}, {token: n for n, token in enumerate(tokens)})


def _by_id(path: File, ids: Mapping[str, int]) -> list[str]:
    tokens = sorted(ids, key=ids.__getitem__)
    if [ids[token] for token in tokens] != [*range(len(tokens))]:
        raise VocabularyError(
            f"{path}: the ids are not 0 to {len(tokens) - 1:,}, each once: which embedding row "
            "belongs to which token?"
        )
    return _tokens(path, tokens)


def _tokens(path: File, values: Any) -> list[str]:
    if not isinstance(values, list) or not 0 < len(values) <= MAX_TOKENS:
        raise VocabularyError(f"{path}: no list of 1 to {MAX_TOKENS:,} tokens")
    for number, token in enumerate(values):
        if not isinstance(token, str):
            raise VocabularyError(f"{path}: token {number:,} is no text: {str(token)[:40]!r}")
        if len(token) > MAX_TOKEN:
            raise VocabularyError(f"{path}: token {number:,} has {len(token):,} characters")
        try:
            token.encode()
        except UnicodeEncodeError as error:
            raise VocabularyError(f"{path}: token {number:,} is no Unicode: {token!r}") from error
    return values


def _special(path: File, data: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, str]:
    special = {role: data[key] for key, role in keys.items() if data.get(key) is not None}
    for role, token in special.items():
        if not isinstance(token, str):
            raise VocabularyError(f"{path}: the {role} token is no text: {str(token)[:40]!r}")
    return special


def _vocabulary(
    path: File,
    tokens: Sequence[str],
    special: Mapping[str, str],
    used: Mapping[str, int] | None = None,
) -> Vocabulary:
    """`used`: which id counts for a token that has several; without it there may be none."""
    ids = used or {token: number for number, token in enumerate(tokens)}
    double = tuple(number for number, token in enumerate(tokens) if ids[token] != number)
    if double and used is None:
        raise VocabularyError(f"{path}: {tokens[double[0]]!r} is a duplicate")
    for role, token in special.items():
        if token not in ids:
            raise VocabularyError(f"{path}: the {role} token {token[:40]!r} is not in it")
    # A space within: neither word pieces nor byte-level tokens can be this
    held = {number: f"unused {number} ({tokens[number]})" for number in double}
    return Vocabulary(
        path, tuple(held.get(n, token) for n, token in enumerate(tokens)), special, double
    )


def read_merges(path: File) -> tuple[tuple[str, str], ...]:
    """GPT-2's merges, the first to be made first: GluonNLP's
    `openai_webtext_bpe_ranks-396d4d8e.json` (no JSON, in spite of its name), `vocab.bpe`,
    `merges.txt`, `gpt2-396d4d8e.merges`.

    Raises `VocabularyError` naming the line that is no merge.
    """
    lines = read_text(path).split("\n")
    first = 1 if lines[0].startswith("#version") else 0
    if lines[-1] == "":
        lines.pop()
    if not lines[first:]:
        raise VocabularyError(f"{path}: has no merges")
    return tuple(_merges(path, lines, first))


def _merges(path: File, lines: Sequence[str], first: int) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(lines[first:], first + 1):
        parts = line.removesuffix("\r").split(" ")
        if len(parts) != 2 or not all(parts):
            raise VocabularyError(
                f"{path}: line {number:,} is no merge of two tokens: {line[:40]!r}; --merges takes "
                "GluonNLP's openai_webtext_bpe_ranks-396d4d8e.json or GPT-2's merges.txt"
            )
        yield parts[0], parts[1]
