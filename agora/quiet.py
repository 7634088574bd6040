"""Transformers without its remarks: what it says of local files is no news to the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers says nothing but errors, and shows no bars."""
    from transformers.utils import logging

    talk: Any = logging
    level = talk.get_verbosity()
    talk.set_verbosity(talk.ERROR)
    talk.disable_progress_bar()
    try:
        yield
    finally:
        talk.set_verbosity(level)
        talk.enable_progress_bar()
