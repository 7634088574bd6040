"""docs/pictures/ shows what the program of today is and prints; `make generate` makes it anew."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT
from tools.pictures import DARK, LIGHT, TERMINALS, line, questions, terminal

PICTURES = ROOT / "docs" / "pictures"
# Names of vocabularies, which are never fetched, and who made the picture
NAMES = re.compile(
    r"http://(?:www\.w3\.org|purl\.org/dc|creativecommons\.org)/[\w./-]+#?"
    r"|https://(?:www\.textualize\.io|matplotlib\.org)/?"
)
FIGURE = re.compile(r"\d\.\de-\d\d")  # differs in its last digits from machine to machine


def words(svg: str) -> str:
    """All text of a picture, spaces and figures aside."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    shown = "".join("".join(text.itertext()) for text in texts)
    return FIGURE.sub("FIGURE", "".join(shown.split()))


def stored(name: str) -> str:
    return (PICTURES / name).read_text("utf-8")


def test_the_line_has_the_questions_of_the_proof() -> None:
    assert stored("line-light.svg") == line(LIGHT)
    assert stored("line-dark.svg") == line(DARK)
    assert " · ".join(questions()) in line(LIGHT)


def test_the_terminals_show_what_a_conversion_prints() -> None:
    now = words(terminal(100))
    assert now.count("passed") == 3
    assert "FIGURE" in now
    assert {name: words(stored(name)) for name in TERMINALS} == dict.fromkeys(TERMINALS, now)


@pytest.mark.parametrize("name", sorted(path.name for path in PICTURES.iterdir()))
def test_nothing_is_fetched_to_show_a_picture(name: str) -> None:
    assert "http" not in NAMES.sub("", stored(name))
    assert "@import" not in stored(name)
