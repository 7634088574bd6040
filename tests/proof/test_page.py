"""docs/proof.md: every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "proof.md").read_text("utf-8")


def test_what_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 15
    for file, function in named:
        text = (ROOT / file).read_text("utf-8")
        assert not function or re.search(rf"^def {function}\(", text, re.MULTILINE), function


def test_its_figures_are_those_of_the_program() -> None:
    from converter.planning.options import LARGEST_ATOL, Options
    from converter.proof.difference import BLIND
    from converter.proof.parity import KNOWN, ROUNDING
    from tests.proof.test_noise import NOISE, UNUSED
    from tests.versions import TRANSFORMERS

    assert (Options.atol, LARGEST_ATOL, BLIND, KNOWN, NOISE) == (1e-4, 0.01, 0.1, 0.05, 0.01)
    assert (ROUNDING["float16"], ROUNDING["bfloat16"]) == (0.1, 0.8)
    # Transformers 4 uses the other copy of one of the two
    unused = 2 if TRANSFORMERS > 4 else 1
    assert len({target for targets in UNUSED.values() for target in targets}) == unused
