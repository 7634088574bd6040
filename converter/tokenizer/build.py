"""Vocabulary → a `tokenizers.Tokenizer` that gives GluonNLP's ids.

Transformers' ready-made tokenizers differ from GluonNLP's in many characters (control, private,
unassigned, newer punctuation and accents, final sigma), so the steps are said one by one.
Sources: GluonNLP v0.8.3 and v0.10.0 src/gluonnlp/data/transforms.py and fast_bert_tokenizer.pyx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converter.errors import VocabularyError
from converter.tokenizer.sentencepiece import (
    BYTE,
    CONTROL,
    NORMAL,
    USER_DEFINED,
    SentencePieces,
)
from converter.tokenizer.spec import TokenizerSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Regular expressions of Oniguruma. \K: what comes before it is looked at and kept
OLDER_REMOVED = r"[\p{C}\x{FFFD}&&[^\t\n\r]]"  # 0.8.3: all categories that begin with C
REMOVED = r"[\p{Cc}\p{Cf}\x{FFFD}&&[^\t\n\r]]"
FINAL_SIGMA = r"\p{Cased}\p{Case_Ignorable}*\KΣ(?!\p{Case_Ignorable}*\p{Cased})"  # as str.lower
CHINESE = (
    r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B81F}"
    r"\x{2B820}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
)
SPACE = (  # of Python's str.split
    r"[\t-\r\x1C-\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
)
MARK = rf"[\p{{P}}$+<=>^`|~{CHINESE}]"  # what is a word of its own

# Characters whose canonical combining class is not 0, which XLNet's tokenizer removes: Unicode
# 14.0, `unicodedata.combining(character) != 0`. They are more and fewer than the category Mn (vowel
# signs of Thai and Hindi stay), and regular expressions know no such class. A constant, so that
# every Python writes the same tokenizer.json; code points without a character are joined in.
COMBINING_RANGES = """
300-34E 350-36F 483-487 591-5BD 5BF 5C1-5C2 5C4-5C5 5C7 610-61A 64B-65F 670 6D6-6DC 6DF-6E4
6E7-6E8 6EA-6ED 711 730-74A 7EB-7F3 7FD 816-819 81B-823 825-827 829-82D 859-85B 898-89F 8CA-8E1
8E3-8FF 93C 94D 951-954 9BC 9CD 9FE A3C A4D ABC ACD B3C B4D BCD C3C C4D-C56 CBC CCD D3B-D3C D4D
DCA E38-E3A E48-E4B EB8-EBA EC8-ECB F18-F19 F35 F37 F39 F71-F72 F74 F7A-F7D F80 F82-F84 F86-F87
FC6 1037 1039-103A 108D 135D-135F 1714-1715 1734 17D2 17DD 18A9 1939-193B 1A17-1A18 1A60
1A75-1A7F 1AB0-1ABD 1ABF-1ACE 1B34 1B44 1B6B-1B73 1BAA-1BAB 1BE6 1BF2-1BF3 1C37 1CD0-1CD2
1CD4-1CE0 1CE2-1CE8 1CED 1CF4 1CF8-1CF9 1DC0-1DFF 20D0-20DC 20E1 20E5-20F0 2CEF-2CF1 2D7F
2DE0-2DFF 302A-302F 3099-309A A66F A674-A67D A69E-A69F A6F0-A6F1 A806 A82C A8C4 A8E0-A8F1
A92B-A92D A953 A9B3 A9C0 AAB0 AAB2-AAB4 AAB7-AAB8 AABE-AABF AAC1 AAF6 ABED FB1E FE20-FE2F 101FD
102E0 10376-1037A 10A0D 10A0F 10A38-10A3F 10AE5-10AE6 10D24-10D27 10EAB-10EAC 10F46-10F50
10F82-10F85 11046 11070 1107F 110B9-110BA 11100-11102 11133-11134 11173 111C0 111CA 11235-11236
112E9-112EA 1133B-1133C 1134D 11366-11374 11442 11446 1145E 114C2-114C3 115BF-115C0 1163F
116B6-116B7 1172B 11839-1183A 1193D-1193E 11943 119E0 11A34 11A47 11A99 11C3F 11D42 11D44-11D45
11D97 16AF0-16AF4 16B30-16B36 16FF0-16FF1 1BC9E 1D165-1D169 1D16D-1D172 1D17B-1D182 1D185-1D18B
1D1AA-1D1AD 1D242-1D244 1E000-1E02A 1E130-1E136 1E2AE 1E2EC-1E2EF 1E8D0-1E8D6 1E944-1E94A
"""
COMBINING = "".join(
    "-".join(f"\\x{{{end}}}" for end in part.split("-")) for part in COMBINING_RANGES.split()
)


def build(spec: TokenizerSpec) -> Tokenizer:
    """The tokenizer of `spec`, with its special tokens and sequence templates.

    Raises `VocabularyError` when the `tokenizers` library cannot make it.
    """
    try:
        return _built(spec)
    except (ImportError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library states no errors, and its panics are no Exception
        raise VocabularyError(
            f"{spec.vocabulary.path}: the tokenizers library cannot use it: {error}"
        ) from error


def _built(spec: TokenizerSpec) -> Tokenizer:
    from tokenizers import AddedToken

    made = {
        "wordpiece": _wordpiece,
        "byte-level-bpe": _byte_level,
        "bert-sentencepiece": _bert_sentencepiece,
        "xlnet-sentencepiece": _sentencepiece,
        "sentencepiece": _sentencepiece,
    }[spec.kind](spec)
    byte_level = spec.kind == "byte-level-bpe"
    special = spec.vocabulary.special
    inside = made.get_vocab_size()
    control = spec.model.of(CONTROL) if spec.model and spec.model.bpe else []
    made.add_special_tokens(
        [  # a masked byte-level token has its space within, as Transformers' RoBERTa has it
            AddedToken(
                token,
                lstrip=byte_level and token == special.get("mask"),
                normalized=False,
                special=True,
            )
            for token in dict.fromkeys(
                (*spec.vocabulary.tokens[inside:], *special.values(), *control)
            )
        ]
    )
    made.post_processor = _template(spec)
    return made


def _template(spec: TokenizerSpec) -> Any:
    from tokenizers.processors import TemplateProcessing

    ids, special = spec.vocabulary.ids, spec.vocabulary.special

    def sequence(text: str) -> list[str]:
        parts = [part.partition(":") for part in text.split()]
        return [f"{special.get(name, f'${name}')}:{number or 0}" for name, _, number in parts]

    used = {part.partition(":")[0] for part in f"{spec.rule.single} {spec.rule.pair}".split()}
    return TemplateProcessing(
        single=sequence(spec.rule.single),
        pair=sequence(spec.rule.pair),
        special_tokens=[(special[name], ids[special[name]]) for name in used if name in special],
    )


def _wordpiece(spec: TokenizerSpec) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    made = Tokenizer(
        models.WordPiece(
            vocab=spec.vocabulary.ids,
            unk_token=spec.vocabulary.special["unk"],
            max_input_chars_per_word=spec.longest_word,
        )
    )
    if spec.stock:  # GluonNLP 1.x itself uses the `tokenizers` library's
        made.normalizer = normalizers.BertNormalizer(
            lowercase=bool(spec.lower), strip_accents=spec.strip
        )
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        made.normalizer = normalizers.Sequence(_bert_normalizers(spec))
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(_regex(MARK), "isolated")]
        )
    made.decoder = decoders.WordPiece(cleanup=False)
    return made


def _bert_normalizers(spec: TokenizerSpec) -> list[Any]:
    from tokenizers.normalizers import NFD, Lowercase, Replace

    steps: list[Any] = [Replace(_regex(OLDER_REMOVED if spec.older else REMOVED), "")]
    if spec.lower:
        steps += [Replace(_regex(FINAL_SIGMA), "ς"), Lowercase()]
    if spec.strip:
        steps += [NFD(), Replace(_regex(r"\p{Mn}"), "")]
    return steps


def _byte_level(spec: TokenizerSpec) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(
        models.BPE(
            vocab=spec.vocabulary.ids,
            merges=list(spec.merges),
            unk_token=spec.vocabulary.special.get("unk"),
        )
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def _bert_sentencepiece(spec: TokenizerSpec) -> Tokenizer:
    """BERTSPTokenizer: words and marks first, then each is a sentence for SentencePiece.

    The marks are set apart by spaces before SentencePiece's own normalisation, which can make
    several marks of one (… becomes ...): these belong together.
    """
    from tokenizers.normalizers import Replace, Sequence

    assert spec.model is not None
    made = _pieces(spec, spec.model)
    apart = Replace(_regex(rf"(?!\A)(?={MARK})|(?<={MARK})(?!\z)"), " ")
    made.normalizer = Sequence(
        [*_bert_normalizers(spec), apart, *_sentence_normalizers(spec.model)]
    )
    return made


def _sentencepiece(spec: TokenizerSpec) -> Tokenizer:
    from tokenizers.normalizers import Lowercase, Replace, Sequence

    assert spec.model is not None
    made = _pieces(spec, spec.model)
    lower = [Replace(_regex(FINAL_SIGMA), "ς"), Lowercase()] if spec.lower else []
    before = _xlnet_normalizers() if spec.kind == "xlnet-sentencepiece" else []
    made.normalizer = Sequence([*before, *lower, *_sentence_normalizers(spec.model)])
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


def _pieces(spec: TokenizerSpec, model: SentencePieces) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    made = Tokenizer(_bpe(spec, model) if model.bpe else _unigram(spec, model))
    scheme = "always" if model.dummy_prefix else "never"
    by_words = spec.kind == "bert-sentencepiece"  # each is a sentence
    steps: list[Any] = [pre_tokenizers.WhitespaceSplit()] if by_words else []
    whole = by_words or model.across_words
    steps.append(pre_tokenizers.Metaspace(prepend_scheme=scheme, split=not whole))
    if model.bpe and (apart := sorted(model.of(USER_DEFINED), key=len, reverse=True)):
        steps.append(pre_tokenizers.Split(_regex("|".join(map(_escaped, apart))), "isolated"))
    made.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
    words = decoders.Metaspace(prepend_scheme=scheme)
    bytes_first = BYTE in model.types
    made.decoder = decoders.Sequence([decoders.ByteFallback(), words]) if bytes_first else words
    return made


def _unigram(spec: TokenizerSpec, model: SentencePieces) -> Any:
    from tokenizers import models

    normal = [s for s, kind in zip(model.scores, model.types, strict=True) if kind == NORMAL]
    best = max(normal, default=0.0)
    scores = {
        piece: len(piece.encode()) * best - 0.1 if kind == USER_DEFINED else score
        for piece, score, kind in zip(model.pieces, model.scores, model.types, strict=True)
    }  # user-defined pieces: unigram_model.cc, EncodeOptimized
    worst = min(normal, default=0.0)
    scores |= {piece: len(piece) * (worst - 1) for piece in spec.recut}
    tokens = spec.vocabulary.tokens
    if spec.kind == "sentencepiece":  # what follows the pieces, SentencePiece never gives
        tokens = tokens[: 1 + max(map(spec.vocabulary.ids.__getitem__, model.pieces))]
    unknown = spec.vocabulary.ids[spec.vocabulary.special["unk"]]
    entries = [(token, scores.get(token, 0.0)) for token in tokens]
    return models.Unigram(entries, unknown, byte_fallback=BYTE in model.types)


def _bpe(spec: TokenizerSpec, model: SentencePieces) -> Any:
    """A user-defined piece is found first and never joined (bpe_model.cc, SampleEncode): it is set
    apart, and taken for what it is by `ignore_merges`; so is every other word that is a piece,
    which its merges make too (`SentencePieces.unmade`: a model where they do not is refused).
    """
    from tokenizers import models

    return models.BPE(
        vocab=spec.vocabulary.ids,
        merges=model.merges(),
        unk_token=spec.vocabulary.special["unk"],
        fuse_unk=True,
        byte_fallback=BYTE in model.types,
        ignore_merges=USER_DEFINED in model.types,
    )


def _escaped(text: str) -> str:
    return "".join(rf"\x{{{ord(char):X}}}" for char in text)


def _regex(pattern: str) -> Any:
    from tokenizers import Regex

    return Regex(pattern)
