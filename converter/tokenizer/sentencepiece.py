"""SentencePiece models: pieces, scores and normalisation, and the vocabulary GluonNLP makes of one.

Sources: google/sentencepiece src/sentencepiece_model.proto; GluonNLP v0.10.0 vocab/bert.py
(BERTVocab.from_sentencepiece), vocab/vocab.py (Vocab.__init__), master data/tokenizers/
sentencepiece.py (SentencepieceTokenizer); SKT-AI/KoGPT2 0.1.1 kogpt2/mxnet_kogpt2.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from converter.errors import VocabularyError
from converter.tables.tokenizer_rule import TokenizerRule
from converter.tokenizer.vocabulary import MAX_TOKENS, File, Vocabulary, read_bytes

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # SentencePiece.Type
UNIGRAM, BPE = 1, 2  # TrainerSpec.ModelType; KoGPT2's is BPE


@dataclass(frozen=True)
class SentencePieces:
    """What a model file holds. `types`: a number of `SentencePiece.Type` for each piece."""

    path: File
    content: bytes
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    types: tuple[int, ...]
    charsmap: bytes
    dummy_prefix: bool
    remove_whitespace: bool
    special: dict[str, str]
    bpe: bool

    def of(self, *types: int) -> list[str]:
        """The pieces of these types, in their order."""
        return [p for p, kind in zip(self.pieces, self.types, strict=True) if kind in types]

    @property
    def across_words(self) -> bool:
        """Whether a piece goes on after a space, or two unknown ones are one for want of any space:
        then a text is not cut into words first.
        """
        return "▁" not in self.pieces or any("▁" in piece[1:] for piece in self.of(NORMAL))

    def merges(self) -> list[tuple[str, str]]:
        """Of BPE: every two pieces that make a third; those of the best score first.

        bpe_model.cc joins the two neighbours whose piece has the best score, the first of several.
        """
        scores = dict(zip(self.pieces, self.scores, strict=True))
        normal = {*self.of(NORMAL)}
        found = [
            (-scores[piece], piece[:cut], piece[cut:])
            for piece in self.of(NORMAL)
            for cut in range(1, len(piece))
            if piece[:cut] in normal and piece[cut:] in normal
        ]
        found.sort(key=lambda entry: entry[0])
        return [(first, second) for _, first, second in found]

    def unmade(self) -> list[str]:
        """Of BPE: the pieces that their own text does not become."""
        ranks = {pair: number for number, pair in enumerate(self.merges())}
        return [piece for piece in self.of(NORMAL) if merged(piece, ranks) != [piece]]

    def processor(self) -> Any:
        """SentencePiece itself with this model."""
        return _processor(self.path, self.content)


def _processor(path: File, content: bytes) -> Any:
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(content)
    except (RuntimeError, ValueError) as error:  # ValueError: its reason is not UTF-8
        raise VocabularyError(f"{path}: SentencePiece itself refuses it: {error}") from error
    return processor


def read_sentencepiece(path: File) -> SentencePieces:
    """A SentencePiece model (`.spiece`, `.model`, GluonNLP's `t5-5f05e7c5.vocab`).

    Raises `VocabularyError` when it is none, or of a kind that no GluonNLP model uses.
    """
    content = read_bytes(path)
    model = _parsed(path, content)
    if not 0 < len(model.pieces) <= MAX_TOKENS:
        many = f"has {len(model.pieces):,} pieces, not 1 to {MAX_TOKENS:,}"
        raise VocabularyError(f"{path}: this SentencePiece model {many}: not supported")
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    pieces = tuple(piece.piece for piece in model.pieces)
    types = tuple(piece.type for piece in model.pieces)
    refused = {
        "has a piece that is not UTF-8": any(isinstance(piece, bytes) for piece in pieces),
        "has a piece twice": len({*pieces}) != len(pieces),
        "is neither a unigram nor a BPE model": trainer.model_type not in (UNIGRAM, BPE),
        "has unused pieces": UNUSED in types,
        "has some byte pieces, not 256": types.count(BYTE) not in (0, 256),
        "puts ▁ behind words": trainer.treat_whitespace_as_suffix,
        "has not one unknown piece": types.count(UNKNOWN) != 1,
        "keeps spaces as they are": not normalizer.escape_whitespaces,
        "has a score that is no number": not all(math.isfinite(p.score) for p in model.pieces),
    }
    if why := [reason for reason, met in refused.items() if met]:
        raise VocabularyError(f"{path}: this SentencePiece model {', '.join(why)}: not supported")
    _processor(path, content)
    special = {"unk": pieces[types.index(UNKNOWN)]}
    for role in ("bos", "eos", "pad"):  # as SentencePiece's own bos_id() and so on
        piece = getattr(trainer, f"{role}_piece")
        if piece in pieces and types[pieces.index(piece)] == CONTROL:
            special[role] = piece
    return SentencePieces(
        path=path,
        content=content,
        pieces=pieces,
        scores=tuple(piece.score for piece in model.pieces),
        types=types,
        charsmap=normalizer.precompiled_charsmap,
        dummy_prefix=normalizer.add_dummy_prefix,
        remove_whitespace=normalizer.remove_extra_whitespaces,
        special=special,
        bpe=trainer.model_type == BPE,
    )


def _parsed(path: File, content: bytes) -> Any:
    try:
        from google.protobuf.message import DecodeError
        from sentencepiece import sentencepiece_model_pb2
    except ImportError as error:
        raise VocabularyError(
            f"{path}: needs sentencepiece, and a protobuf that suits it ({error}): "
            "pip install -U sentencepiece protobuf"
        ) from error
    model: Any = vars(sentencepiece_model_pb2)["ModelProto"]()  # made while it is imported
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError) as error:  # ValueError: a piece that is not UTF-8
        raise VocabularyError(f"{path}: no SentencePiece model: {error}") from error
    return model


def vocabulary_of(model: SentencePieces, rule: TokenizerRule, rows: int) -> Vocabulary:
    """The ids GluonNLP gives: those of the pieces, then the special tokens that are no pieces.

    rows: of the model's embedding. They tell whether a loader such as KoGPT2's added tokens to the
    pieces, which it names by `rule.pieces`: without rows for them, the pieces alone count.
    T5Tokenizer of GluonNLP master (models/t5.py) has `<extra_id_99>` to `<extra_id_0>` behind them.
    `BERTVocab.from_sentencepiece` adds `[PAD]`, `[MASK]`, `[SEP]` and `[CLS]` where the model has
    no such piece; in which order is what `Vocab.__init__` makes of it.
    """
    special = {**(rule.pieces or rule.special), **model.special}
    missing = {*special.values()} - {*model.pieces}
    added = bool(rule.pieces) and len(model.pieces) + len(missing) == rows
    if not added and not {"bert-sentencepiece", "xlnet-sentencepiece"} & {*rule.kinds}:
        extra = [f"<extra_id_{number}>" for number in reversed(range(rule.extra_ids))]
        if twice := {*extra} & {*model.pieces}:
            raise VocabularyError(f"{model.path}: has {min(twice)!r}, which GluonNLP adds to it")
        tokens = (*model.pieces, *extra)
        return Vocabulary(model.path, tokens, {r: t for r, t in special.items() if t in tokens})
    ordered = [special[r] for r in ("cls", "sep", "mask", "pad", "bos", "eos") if r in special]
    return Vocabulary(model.path, _displaced(special["unk"], ordered, model.pieces), special)


def merged(text: Sequence[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """The parts of `text` joined two by two: the lowest rank first, of equal ones the left."""
    parts = [*text]
    while len(parts) > 1:
        found = [(ranks[pair], at) for at, pair in enumerate(pairwise(parts)) if pair in ranks]
        if not found:
            break
        _, at = min(found)
        parts[at : at + 2] = ["".join(parts[at : at + 2])]
    return parts


def is_recut(piece: str) -> bool:
    """Whether XLNetTokenizer cuts it once more: a number and a comma, such as `▁1,`."""
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def _displaced(unknown: str, special: list[str], pieces: tuple[str, ...]) -> tuple[str, ...]:
    """`Vocab.__init__`: unknown, special tokens, the rest by name; then each piece is moved to
    its own id by changing places with whatever is there.
    """
    first = [unknown, *dict.fromkeys(special)]
    tokens = [*first, *sorted({*pieces} - {*first})]
    place = {token: number for number, token in enumerate(tokens)}
    for wanted, piece in enumerate(pieces):
        old, ousted = place[piece], tokens[wanted]
        tokens[wanted], tokens[old] = piece, ousted
        place[piece], place[ousted] = wanted, old
    return tuple(tokens)
