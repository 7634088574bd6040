"""Vocabulary → a `tokenizers.Tokenizer` that gives GluonNLP's ids.

Transformers' ready-made tokenizers differ from GluonNLP's in many characters (control, private,
unassigned, newer punctuation and accents, final sigma), so the steps are said one by one.
Sources: GluonNLP v0.8.3 and v0.10.0 src/gluonnlp/data/transforms.py and fast_bert_tokenizer.pyx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converter.errors import VocabularyError
from converter.tokenizer.combining import PATTERN as COMBINING
from converter.tokenizer.sentencepiece import BYTE, NORMAL, USER_DEFINED, SentencePieces
from converter.tokenizer.spec import Prepared

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Regular expressions of Oniguruma. \K: what stands before it is looked at and kept
OLDER_CONTROL = r"[\p{C}\x{FFFD}&&[^\t\n\r]]"  # 0.8.3: all categories that begin with C
CONTROL = r"[\p{Cc}\p{Cf}\x{FFFD}&&[^\t\n\r]]"
FINAL_SIGMA = r"\p{Cased}\p{Case_Ignorable}*\KΣ(?!\p{Case_Ignorable}*\p{Cased})"  # as str.lower
CHINESE = (
    r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B81F}"
    r"\x{2B820}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
)
SPACE = (  # of Python's str.split
    r"[\t-\r\x1C-\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
)
MARK = rf"[\p{{P}}$+<=>^`|~{CHINESE}]"  # what is a word of its own


def build(prepared: Prepared) -> Tokenizer:
    """The tokenizer of `prepared`, with its special tokens and sequence templates.

    Raises `VocabularyError` when the `tokenizers` library cannot make it.
    """
    try:
        return _built(prepared)
    except (ImportError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library states no errors, and its panics are no Exception
        raise VocabularyError(
            f"{prepared.vocabulary.path}: the tokenizers library cannot use it: {error}"
        ) from error


def _built(prepared: Prepared) -> Tokenizer:
    from tokenizers import AddedToken

    made = {
        "wordpiece": _wordpiece,
        "byte-level-bpe": _byte_level,
        "bert-sentencepiece": _bert_sentencepiece,
        "xlnet-sentencepiece": _sentencepiece,
        "sentencepiece": _sentencepiece,
    }[prepared.kind](prepared)
    byte_level = prepared.kind == "byte-level-bpe"
    special = prepared.vocabulary.special
    inside = made.get_vocab_size()
    made.add_special_tokens(
        [  # a masked byte-level token has its space within, as Transformers' RoBERTa has it
            AddedToken(
                token,
                lstrip=byte_level and token == special.get("mask"),
                normalized=False,
                special=True,
            )
            for token in dict.fromkeys((*prepared.vocabulary.tokens[inside:], *special.values()))
        ]
    )
    made.post_processor = _template(prepared)
    return made


def _template(prepared: Prepared) -> Any:
    from tokenizers.processors import TemplateProcessing

    ids, special = prepared.vocabulary.ids, prepared.vocabulary.special

    def sequence(text: str) -> list[str]:
        parts = [part.partition(":") for part in text.split()]
        return [f"{special.get(name, f'${name}')}:{number or 0}" for name, _, number in parts]

    used = {part.partition(":")[0] for part in f"{prepared.single} {prepared.pair}".split()}
    return TemplateProcessing(
        single=sequence(prepared.single),
        pair=sequence(prepared.pair),
        special_tokens=[(special[name], ids[special[name]]) for name in used if name in special],
    )


def _wordpiece(prepared: Prepared) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    made = Tokenizer(
        models.WordPiece(
            vocab=prepared.vocabulary.ids,
            unk_token=prepared.vocabulary.special["unk"],
            max_input_chars_per_word=prepared.longest_word,
        )
    )
    if prepared.stock:  # GluonNLP 1.x itself uses the `tokenizers` library's
        made.normalizer = normalizers.BertNormalizer(
            lowercase=bool(prepared.lower), strip_accents=prepared.strip
        )
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        made.normalizer = normalizers.Sequence(_bert_normalizers(prepared))
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(_regex(MARK), "isolated")]
        )
    made.decoder = decoders.WordPiece(cleanup=False)
    return made


def _bert_normalizers(prepared: Prepared) -> list[Any]:
    from tokenizers.normalizers import NFD, Lowercase, Replace

    steps: list[Any] = [Replace(_regex(OLDER_CONTROL if prepared.older else CONTROL), "")]
    if prepared.lower:
        steps += [Replace(_regex(FINAL_SIGMA), "ς"), Lowercase()]
    if prepared.strip:
        steps += [NFD(), Replace(_regex(r"\p{Mn}"), "")]
    return steps


def _byte_level(prepared: Prepared) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(
        models.BPE(
            vocab=prepared.vocabulary.ids,
            merges=list(prepared.merges),
            unk_token=prepared.vocabulary.special.get("unk"),
        )
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def _bert_sentencepiece(prepared: Prepared) -> Tokenizer:
    """BERTSPTokenizer: words and marks first, then each is a sentence for SentencePiece.

    The marks are set apart by spaces before SentencePiece's own normalisation, which can make
    several marks of one (… becomes ...): these belong together.
    """
    from tokenizers.normalizers import Replace, Sequence

    assert prepared.model is not None
    made = _unigram(prepared, prepared.model)
    apart = Replace(_regex(rf"(?!\A)(?={MARK})|(?<={MARK})(?!\z)"), " ")
    made.normalizer = Sequence(
        [*_bert_normalizers(prepared), apart, *_sentence_normalizers(prepared.model)]
    )
    return made


def _sentencepiece(prepared: Prepared) -> Tokenizer:
    from tokenizers.normalizers import Lowercase, Replace, Sequence

    assert prepared.model is not None
    made = _unigram(prepared, prepared.model)
    lower = [Replace(_regex(FINAL_SIGMA), "ς"), Lowercase()] if prepared.lower else []
    before = _xlnet_normalizers() if prepared.kind == "xlnet-sentencepiece" else []
    made.normalizer = Sequence([*before, *lower, *_sentence_normalizers(prepared.model)])
    return made


def _xlnet_normalizers() -> list[Any]:
    """XLNetTokenizer before SentencePiece (v0.10.0 scripts/language_model/transformer/data.py)."""
    from tokenizers.normalizers import NFKD, Replace, Strip

    return [
        Replace(_regex(rf"{SPACE}+"), " "),  # str.split
        Strip(),
        Replace(_regex("``|''"), '"'),
        NFKD(),
        Replace(_regex(f"[{COMBINING}]"), ""),
    ]


def _sentence_normalizers(model: SentencePieces) -> list[Any]:
    from tokenizers.normalizers import NFC, Precompiled, Replace

    # Precompiled does not join Hangul letters as SentencePiece does: NFC has done it before
    steps: list[Any] = [NFC(), Precompiled(model.charsmap)] if model.charsmap else []
    if model.remove_whitespace:
        steps += [Replace(_regex(r"\A +| +\z"), ""), Replace(_regex(" {2,}"), " ")]
    return steps


def _unigram(prepared: Prepared, model: SentencePieces) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    normal = [s for s, kind in zip(model.scores, model.types, strict=True) if kind == NORMAL]
    best = max(normal, default=0.0)
    scores = {
        piece: len(piece.encode()) * best - 0.1 if kind == USER_DEFINED else score
        for piece, score, kind in zip(model.pieces, model.scores, model.types, strict=True)
    }  # user-defined pieces: unigram_model.cc, EncodeOptimized
    worst = min(normal, default=0.0)
    scores |= {piece: len(piece) * (worst - 1) for piece in prepared.recut}
    tokens = prepared.vocabulary.tokens
    if prepared.kind == "sentencepiece":  # what follows the pieces, SentencePiece never gives
        tokens = tokens[: 1 + max(map(prepared.vocabulary.ids.__getitem__, model.pieces))]
    unknown = prepared.vocabulary.ids[prepared.vocabulary.special["unk"]]
    entries = [(token, scores.get(token, 0.0)) for token in tokens]
    made = Tokenizer(models.Unigram(entries, unknown, byte_fallback=BYTE in model.types))
    scheme = "always" if model.dummy_prefix else "never"
    if prepared.kind == "bert-sentencepiece":
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.WhitespaceSplit(),
                pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False),
            ]
        )
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    words = decoders.Metaspace(prepend_scheme=scheme)
    bytes_first = BYTE in model.types
    made.decoder = decoders.Sequence([decoders.ByteFallback(), words]) if bytes_first else words
    return made


def _regex(pattern: str) -> Any:
    from tokenizers import Regex

    return Regex(pattern)
