"""The targets of `fuzz/` without atheris: their seeds, the kept corpus, and random mutations.

`make fuzz` is the guided one; what it kept in `fuzz/corpus/` is tried here again.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS, seeds
from tests.conftest import ROOT

CORPUS = ROOT / "fuzz" / "corpus"
KEPT = sorted(CORPUS.glob("*/*"))
# Ends of counts and lengths, and bytes that mean something in one format or other
WORDS = [
    b"\0" * 8,
    b"\xff" * 4,
    b"\xff" * 8,
    bytes(7) + b"\x40",
    b'"',
    b"\\",
    b"[" * 999,
    b"9" * 5000,
]


def test_every_target_has_a_corpus_and_it_is_small() -> None:
    assert {path.parent.name for path in KEPT} == {*TARGETS}
    assert sum(path.stat().st_size for path in KEPT) < 100_000


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name[:8]}")
def test_what_was_kept_is_read_or_refused(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_are_read_or_refused(target: str) -> None:
    for data in seeds(target):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=100)
@given(data=st.data())
def test_a_mutated_seed_is_read_or_refused(target: str, data: st.DataObject) -> None:
    """Up to five pieces replaced, put in or taken out."""
    content = data.draw(st.sampled_from(list(seeds(target))))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(content)))
        end = start + data.draw(st.sampled_from([0, 1, 4, 8, len(content)]))
        piece = data.draw(st.binary(max_size=8) | st.sampled_from(WORDS))
        content = content[:start] + piece + content[end:]
    TARGETS[target](content)
