"""What everything that runs Transformers shares: no remarks, and a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers says nothing but errors, and shows no bars: local files are no news."""
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


def device() -> str:
    """Where students, teachers and masked language models run."""
    import torch

    mps = torch.backends.mps.is_available()
    return "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
