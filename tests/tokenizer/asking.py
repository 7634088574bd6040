"""What the live tests of tokenizers share: random texts, other interpreters, odd texts."""

from __future__ import annotations

import itertools
import subprocess
import unicodedata
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.tokenizer import cases

ROOT = Path(__file__).parents[2]
STRINGS = 2000


def strings() -> list[str]:
    """The same 2,000 in every run: any Unicode, and words in which something often goes wrong."""
    found: list[str] = []
    words = st.sampled_from([w for text in cases.ALL_TEXTS if len(text) < 99 for w in text.split()])
    anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    ordinary = st.text(st.characters(max_codepoint=0x2FFF), max_size=40)
    mixed = st.lists(st.one_of(words, anything, st.sampled_from(" \t\n'.")), max_size=8)

    @settings(
        max_examples=STRINGS,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(anything, ordinary, mixed.map(" ".join), mixed.map("".join)))
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found[:STRINGS]


def run(python: str | Path, *arguments: str | Path) -> None:
    command = [str(python), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def odd_marks(text: str) -> bool:
    """Whether combining marks are not in canonical order, or follow a compatibility character.

    `tokenizers` puts them in order before SentencePiece's own table (NFC, for Hangul), and its
    `Precompiled` drops a mark after a character that the table replaces (\u00b3\u1dd5 becomes 3).
    """
    decomposed = "".join(unicodedata.normalize("NFD", char) for char in text)
    return unicodedata.normalize("NFD", text) != decomposed or any(
        unicodedata.category(mark)[0] == "M" and unicodedata.normalize("NFKC", char) != char
        for char, mark in itertools.pairwise(text)
    )
