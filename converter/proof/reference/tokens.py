"""GluonNLP's tokenization in Python, to compare a written directory with.

Sources: GluonNLP v0.8.3 and v0.10.0 src/gluonnlp/data/transforms.py (BERTBasicTokenizer,
BERTTokenizer, GPT2BPETokenizer, BERTSPTokenizer), v0.10.0 data/fast_bert_tokenizer.pyx,
scripts/language_model/transformer/data.py (XLNetTokenizer).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import regex

LONGEST_WORD = 200  # BERTTokenizer's max_input_chars_per_word; longer words are unknown
GPT2_WORDS = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
CJK = (  # the blocks that BERT calls Chinese
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF)),
    *((0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F)),
)


def bert_words(text: str, *, lower: bool, strip: bool, older: bool) -> list[str]:
    """BERTBasicTokenizer: the words and punctuation marks of `text`.

    lower: lower-case first; strip: take accents off (0.8.3 does both or neither, 0.9 always
    strips). older: as 0.8.3 removes characters, which takes all categories C for control.
    """
    kept = "".join(
        f" {char} " if _is_cjk(char) else " " if _is_space(char) else char
        for char in text
        if char not in "\0\ufffd" and not _is_control(char, older)
    )
    if lower:
        kept = kept.lower()
    if strip:
        decomposed = unicodedata.normalize("NFD", kept)
        kept = "".join(char for char in decomposed if unicodedata.category(char) != "Mn")
    return "".join(f" {char} " if _is_punctuation(char) else char for char in kept).split()


def _is_control(char: str, older: bool) -> bool:
    category = unicodedata.category(char)
    return char not in "\t\n\r" and (category[0] == "C" if older else category in ("Cc", "Cf"))


def _is_space(char: str) -> bool:
    return char in "\t\n\r" or unicodedata.category(char) == "Zs"


def _is_cjk(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in CJK)


def _is_punctuation(char: str) -> bool:
    ascii_mark = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_mark or unicodedata.category(char)[0] == "P"


def word_pieces(word: str, ids: Mapping[str, int], unknown: int) -> list[int]:
    """BERTTokenizer: a word's ids, the longest piece first; `[unknown]` if a part has none."""
    found: list[int] = []
    start = 0
    while start < len(word) <= LONGEST_WORD:
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if (piece := ids.get(prefix + word[start:end])) is not None:
                found.append(piece)
                start = end
                break
        else:
            return [unknown]
    return found or [unknown]


def byte_characters() -> list[str]:
    """GPT-2's character for each of the 256 bytes: printable ones stand for themselves."""
    own = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in own]
    moved = {byte: chr(256 + number) for number, byte in enumerate(others)}
    return [moved.get(byte, chr(byte)) for byte in range(256)]


def byte_level_tokens(text: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """GPT2BPETokenizer: `ranks` is the number of each merge; the lowest is made first."""
    characters = byte_characters()
    tokens = []
    for word in GPT2_WORDS.findall(text):
        parts = [characters[byte] for byte in word.encode()]
        while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
            parts = _merged(parts, min(pairs, key=ranks.__getitem__))
        tokens += parts
    return tokens


def _merged(parts: Sequence[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    position = 0
    while position < len(parts):
        length = 2 if tuple(parts[position : position + 2]) == pair else 1
        merged.append("".join(parts[position : position + length]))
        position += length
    return merged


def xlnet_pieces(
    text: str, pieces: Callable[[str], Sequence[str]], *, lower: bool = False
) -> list[str]:
    """XLNetTokenizer: SentencePiece's `pieces` of the text without accents; `▁1,` is cut again."""
    kept = " ".join(text.split()).replace("``", '"').replace("''", '"')
    decomposed = unicodedata.normalize("NFKD", kept)
    kept = "".join(char for char in decomposed if not unicodedata.combining(char))
    found: list[str] = []
    for piece in pieces(kept.lower() if lower else kept):
        if len(piece) > 1 and piece.endswith(",") and piece[-2].isdigit():
            again = [*pieces(piece[:-1].replace("▁", ""))]
            if not piece.startswith("▁") and again[0].startswith("▁"):
                again[0] = again[0][1:]
            found += [part for part in again if part]
            found.append(",")
        else:
            found.append(piece)
    return found
