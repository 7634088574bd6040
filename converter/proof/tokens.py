"""Whether text becomes the ids that GluonNLP gives, where there is a tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.errors import ConvertError, TableError
from converter.proof.reference import tokens as gluon
from converter.proof.reference.sequences import SEQUENCES, Sequences
from converter.proof.target import quiet_transformers
from converter.tokenizer import TokenizerSpec
from converter.tokenizer.build import build
from converter.tokenizer.sentencepiece import BYTE, CONTROL

ENTRIES = 1000  # of the vocabulary, evenly spread, each as a text of its own
SHOWN = 5
REST = {"normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens"}
NUMBER = re.compile(r"\d,")  # what a piece of `TokenizerSpec.recut` can be chosen for
TEXTS = (
    *("", " ", "\t\n", "Hello, world!", "  two  spaces ", "don't you'll we've I'M", "e-mail@x.org"),
    *("naïve café São Tomé ÀÉÎÕÜ", "cafe\u0301 n\u0303b", "ΟΔΥΣΣΕΥΣ, ΑΣ'Α Σ", "İstanbul ǅ ẞ"),
    *(
        "中文字符mixed日本語かな",
        "한국어 문장입니다",
        "ไทย हिन्दी עברית العربية",
        "½ ⑴ ㎏ … № ﬁ ＡＢＣ",
    ),
    *(
        "🙂👩‍👩‍👧🇰🇷 ✈️",
        "a\u200bb\u200dc\ufeffd\u2060e",
        "a\0b\x07c\x85d\u2028e\xa0f\u3000g\ufffdh\ue000",
    ),
    *("1234567890 3.14159 1,000,000 2²", "$100 + 5% = `x^2` ~ <b>|</b>", "x" * 99, "w" * 201),
    *("[CLS] a [MASK] b [SEP]", "##ing Ġthe ▁of"),
)


@dataclass(frozen=True)
class Tokens:
    """`texts` and their `ids` were compared; `entries` of the vocabulary were texts as well, and
    `own` of them are one token, themselves, on both sides (behind the space that SentencePiece puts
    before a text). `excused` texts differ as the model card says of their kind.
    """

    texts: int
    ids: int
    entries: int
    own: int
    problems: tuple[str, ...]
    excused: int = 0

    @property
    def passed(self) -> bool:
        """Whether every id was GluonNLP's, but for what is excused."""
        return not self.problems


def check_tokens(spec: TokenizerSpec, directory: Path, reference: str) -> Tokens:
    """Load `directory` with AutoTokenizer and compare it with GluonNLP's own arithmetic.

    `reference` is the table's: by it GluonNLP's sequences are found, not in the table. What this
    cannot show is that the vocabulary is the model's own: another of its size has ids too.
    """
    sequences = SEQUENCES.get(reference)
    if sequences is None:
        raise TableError(f"there is no reference {reference!r}; there are: {', '.join(SEQUENCES)}")
    tokens = spec.vocabulary.tokens
    step = max(1, len(tokens) // ENTRIES)
    numbers, unwritten = range(0, len(tokens), step), _unwritten(spec)
    sampled = [(n, text) for n in numbers if (text := _as_text(spec, n, unwritten))]
    texts = (*TEXTS, *(text for _, text in sampled))
    # Before the target is loaded: of a large vocabulary one tokenizer alone takes 600 MB
    expected = _as_planned(spec)
    ids_of = source_ids(spec)
    source = [ids_of(text) for text in texts]
    del ids_of
    try:
        with quiet_transformers("AutoTokenizer") as automatic:
            loaded = automatic.from_pretrained(directory, local_files_only=True)
            split = not spec.reads_special
            target = [_ids(loaded, text, split) for text in texts]
            problems = [
                *_steps(expected, loaded),
                *_vocabulary(spec, loaded),
                *_sequences(spec, loaded, sequences),
            ]
    except (ConvertError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a changed file breaks it anywhere; a panic is no Exception
        return Tokens(0, 0, 0, 0, (f"AutoTokenizer cannot load it: {error}",))
    space = [tokens.index("▁")] if spec.model and "▁" in tokens else []
    own = sum(
        ids in ([n], [*space, n]) for (n, _), ids in zip(sampled, source[len(TEXTS) :], strict=True)
    )
    differing = [
        (text, ours, theirs)
        for text, ours, theirs in zip(texts, source, target, strict=True)
        if ours != theirs
    ]
    wrong = [
        f"{text[:40]!r} becomes {theirs[:8]}, in GluonNLP {ours[:8]}"
        for text, ours, theirs in differing
        if not _excused(spec, text, ours, theirs)
    ]
    excused = len(differing) - len(wrong)
    if spec.recorded not in (None, spec.vocabulary.digest):
        problems.append("its vocabulary is not the one recorded in conversion.json")
    problems += wrong[:SHOWN] + ([f"… and {len(wrong) - SHOWN} more"] if wrong[SHOWN:] else [])
    if not own:
        problems.append("no sampled entry of the vocabulary is its own id")
    return Tokens(len(TEXTS), sum(map(len, source)), len(sampled), own, tuple(problems), excused)


def _excused(spec: TokenizerSpec, text: str, ours: Sequence[int], theirs: Sequence[int]) -> bool:
    """Whether two cuts have the same pieces, so the same score, in another order; or spell the same
    text around a number and a comma, which XLNet's script cuts once more (`TokenizerSpec.recut`).

    SentencePiece adds scores up in float32 from the beginning of the text: of `0 00` and `00 0` it
    takes the one that rounding favours. The `tokenizers` library adds in float64, word by word.
    """
    if spec.recut and NUMBER.search(text):
        tokens = spec.vocabulary.tokens
        one, other = ("".join(tokens[i] for i in ids).replace("▁", "") for ids in (ours, theirs))
        return one == other
    return spec.model is not None and sorted(ours) == sorted(theirs)


def source_ids(spec: TokenizerSpec) -> Callable[[str], list[int]]:
    """GluonNLP's ids of a text; special tokens in it are text, unless 1.x reads them; none added.

    Raises `VocabularyError` when SentencePiece refuses the model.
    """
    ids = spec.vocabulary.ids
    unknown = ids[spec.vocabulary.special["unk"]]

    def looked_up(tokens: Sequence[str]) -> list[int]:
        return [ids.get(token, unknown) for token in tokens]

    if spec.kind == "byte-level-bpe":
        ranks = {pair: rank for rank, pair in enumerate(spec.merges)}
        return lambda text: looked_up(gluon.byte_level_tokens(text, ranks))
    if spec.model:
        pieces = spec.model.processor().EncodeAsPieces
        if spec.kind == "xlnet-sentencepiece":
            lower = bool(spec.lower)
            return lambda text: looked_up(gluon.xlnet_pieces(text, pieces, lower=lower))
        if spec.kind == "sentencepiece":
            return lambda text: looked_up(pieces(text.lower() if spec.lower else text))
        return lambda text: looked_up(
            [piece for word in _words(spec, text) for piece in pieces(word)]
        )
    if spec.stock:
        return _library(spec)
    return lambda text: [
        number for word in _words(spec, text) for number in gluon.word_pieces(word, ids, unknown)
    ]


def _words(spec: TokenizerSpec, text: str) -> list[str]:
    return gluon.bert_words(text, lower=bool(spec.lower), strip=spec.strip, older=spec.older)


def _library(spec: TokenizerSpec) -> Callable[[str], list[int]]:
    """GluonNLP 1.x's own call (data/tokenizers/huggingface.py, HuggingFaceWordPieceTokenizer)."""
    from tokenizers import BertWordPieceTokenizer

    special = {f"{role}_token": t for role, t in spec.vocabulary.special.items()}
    settings: dict[str, Any] = {
        "vocab": spec.vocabulary.ids,
        "strip_accents": spec.strip,
        "lowercase": bool(spec.lower),
        **{name: special[name] for name in special if name not in ("bos_token", "eos_token")},
    }
    called: Any = BertWordPieceTokenizer(**settings)
    return lambda text: list(called.encode(text, add_special_tokens=False).ids)


def _unwritten(spec: TokenizerSpec) -> set[str]:
    """Tokens that SentencePiece never finds in a text, and special ones."""
    kinds = spec.model and zip(spec.model.pieces, spec.model.types, strict=True)
    never = {piece for piece, kind in kinds or () if kind in (CONTROL, BYTE)}
    return {*spec.vocabulary.special.values()} | never


def _as_text(spec: TokenizerSpec, number: int, unwritten: set[str]) -> str:
    """The text that should be this one token; empty where there is none."""
    token = spec.vocabulary.tokens[number]
    if number in spec.vocabulary.duplicates or token in unwritten:
        return ""
    if spec.kind == "wordpiece":
        return token.removeprefix("##")
    if spec.model:
        return token.replace("▁", " ").strip()
    byte_of = {character: byte for byte, character in enumerate(gluon.byte_characters())}
    try:
        return bytes(byte_of[character] for character in token).decode()
    except (KeyError, UnicodeDecodeError):  # part of a character, or no byte-level token
        return ""


def _ids(loaded: Any, text: str, split: bool = True) -> list[int]:
    """split: special tokens in the text are text, and cut."""
    found: list[int] = loaded(text, add_special_tokens=False, split_special_tokens=split).input_ids
    return found


def _as_planned(spec: TokenizerSpec) -> str:
    """The tokenizer that the vocabulary makes, as JSON; reading rounds its scores a last time."""
    from tokenizers import Tokenizer

    return str(Tokenizer.from_str(build(spec).to_str()).to_str())


def _steps(expected: str, loaded: Any) -> Iterator[str]:
    """What no sample of texts can show: a merge or a score that one text in a million needs."""
    found = str(loaded.backend_tokenizer.to_str())
    parts = ["normalizer", "pre_tokenizer", "model", "post_processor"]
    here, there = _cut(found), _cut(expected)
    if here and there and here[1] == there[1]:  # a large vocabulary's, and nothing to look into
        found, expected = here[0], there[0]
        parts.remove("model")
    ours, theirs = json.loads(expected), json.loads(found)
    for part in parts:
        if ours[part] != theirs[part]:
            yield f"tokenizer.json: its {part} is not what the vocabulary makes"


def _cut(text: str) -> tuple[str, str] | None:
    """A tokenizer's JSON without its model, and the model, which is the last of it."""
    rest, key, model = text.partition(',"model":{')  # no text in it has a quote without a \\
    try:
        return (f"{rest}}}", model) if key and {*json.loads(f"{rest}}}")} >= REST else None
    except ValueError:
        return None


def _vocabulary(spec: TokenizerSpec, loaded: Any) -> Iterator[str]:
    tokens, special = spec.vocabulary.tokens, spec.vocabulary.special
    if len(loaded) != len(tokens):
        yield f"it has {len(loaded):,} tokens, the vocabulary {len(tokens):,}"
    found = loaded.get_vocab()
    wrong = [n for n, token in enumerate(tokens) if found.get(token) != n]
    if wrong:
        yield f"{len(wrong):,} tokens have another id, such as {tokens[wrong[0]]!r}"
    if loaded.padding_side != spec.rule.padding_side:
        yield f"it pads on the {loaded.padding_side}, not on the {spec.rule.padding_side}"
    if spec.max_length and loaded.model_max_length != spec.max_length:
        yield f"its longest text has {loaded.model_max_length:,} tokens, not {spec.max_length:,}"
    for role, token in special.items():
        if getattr(loaded, f"{role}_token") != token:
            yield f"its {role} token is {getattr(loaded, f'{role}_token')!r}, not {token!r}"


def _sequences(spec: TokenizerSpec, loaded: Any, sequences: Sequences) -> Iterator[str]:
    """One text and a pair, with the special tokens and token types the model was trained with."""
    ids, special = spec.vocabulary.ids, spec.vocabulary.special
    texts = {"A": "Hello world", "B": "and you"}
    needed = {word for word, _ in (*sequences.single, *sequences.pair)} - texts.keys()
    if lacking := sorted(needed - special.keys()):
        yield f"GluonNLP's sequences have {', '.join(lacking)}, and the vocabulary names none"
        return
    for parts, given in ((sequences.single, ["A"]), (sequences.pair, ["A", "B"])):
        expected: list[int] = []
        types: list[int] = []
        for word, number in parts:
            new = _ids(loaded, texts[word]) if word in texts else [ids[special[word]]]
            expected += new
            types += [number] * len(new)
        found = loaded(*(texts[text] for text in given))
        if found.input_ids != expected:
            yield f"{' and '.join(given)} become {found.input_ids}, not {expected}"
        if found.get("token_type_ids") != (types if sequences.types else None):
            yield f"{' and '.join(given)} have the token types {found.get('token_type_ids')}"
    if sequences.lower is not None and spec.rule.lower not in (None, sequences.lower):
        does = "does" if sequences.lower else "does not"
        yield f"the table says lower = {str(spec.rule.lower).lower()}: GluonNLP {does} lower-case"
