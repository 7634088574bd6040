"""The targets of `fuzz/` without atheris: their seeds, the kept corpus, and random mutations.

`make fuzz` is the guided one; what it kept in `fuzz/corpus/` is tried here again.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutators import FORMATS, mutator, toml
from fuzz.run import SHARES
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
    assert sum(path.stat().st_size for path in KEPT) < 120_000


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name[:8]}")
def test_what_was_kept_is_read_or_refused(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_its_share_of_the_time() -> None:
    assert SHARES.keys() == TARGETS.keys()
    assert FORMATS.keys() <= TARGETS.keys()


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


def never(data: bytes, most: int) -> bytes:
    """In the place of libFuzzer's mutation of bytes."""
    return data


@pytest.mark.parametrize("target", FORMATS)
@settings(max_examples=100)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_a_seed_with_other_values_is_read_or_refused(
    target: str, data: st.DataObject, seed: int
) -> None:
    content = data.draw(st.sampled_from(list(seeds(target))))
    made = mutator(target, never)(content, 2**16, seed)
    assert made == mutator(target, never)(content, 2**16, seed), "the seed alone decides"
    TARGETS[target](made)


@pytest.mark.parametrize("target", FORMATS)
def test_what_is_mutated_stays_what_it_is(target: str) -> None:
    """Nearly all that the mutator makes is JSON or TOML still: mutated bytes seldom are."""
    read, write = FORMATS[target]
    content = next(data for data in seeds(target) if _is_read(target, data))
    assert read(write(read(content))) == read(content)
    made = [mutator(target, never)(content, 2**16, seed) for seed in range(100)]
    assert sum(_is_read(target, data) for data in made) > 90
    assert len({*made}) > 50


def _is_read(target: str, data: bytes) -> bool:
    try:
        FORMATS[target][0](data)
    except ValueError:
        return False
    return True


def test_a_mutation_that_is_too_large_is_left_to_the_fuzzer() -> None:
    content = next(seeds("told"))
    assert {mutator("told", never)(content, 2, seed) for seed in range(20)} == {content}
    assert mutator("told", never)(b"no JSON", 2**16, 0) == b"no JSON"


def test_toml_is_written_as_it_is_read() -> None:
    value = {"a": [1, -2.5, True, 'x\n\x7f"é'], "b": {"c d": {}, "": [[]]}, "e": 1e308}
    assert tomllib.loads(f"v = {toml(value)}") == {"v": value}
