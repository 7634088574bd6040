"""What the tests do with a card: run its example, read its head."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard

from converter.report.card.example import PLACE


def run_example(directory: Path) -> str:
    """What the card's first block of Python prints, in a directory of that place."""
    card = (directory / "README.md").read_text("utf-8").replace(PLACE, str(directory))
    (block, *_) = card.split("```python\n")[1:]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block.split("\n```")[0], {})
    return printed.getvalue()


def loaded(directory: Path) -> Any:
    """The card as huggingface_hub reads it, which reads the head as the Hub does."""
    card: Any = ModelCard.load(directory / "README.md")
    assert str(card) == (directory / "README.md").read_text("utf-8")
    return card
