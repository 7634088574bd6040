"""What a terminal makes of lines: their width, the colour of a verdict, the bar of a run."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from converter.errors import safe
from converter.files.progress import Progress, Whole, silent

COLOURS = {"passed": "green", "FAILED": "red", "weak": "red", "skipped": "yellow"}
VERDICT = re.compile(rf"(?P<name>[a-z]+ +)(?P<word>{'|'.join(COLOURS)})(?P<rest>\b.*)", re.DOTALL)
BEGINNINGS = {"Error:": "red", "warning:": "yellow"}
STEPS = 1000  # of the bar
BESIDE = 36  # columns that brackets, percent and stage take beside the bar


def wants_colour(choice: str) -> bool | None:
    """The `color` argument of click: None lets it ask whether the stream is a terminal.

    The variables are those of https://no-color.org and https://force-color.org.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return False if os.environ.get("TERM") == "dumb" else None


def for_screen(lines: Iterable[str], err: bool = False) -> str:
    """Lines as one text: safe, and on a terminal no wider than it; verdicts coloured.

    click takes the colours out where the stream takes none. err: they are for stderr
    """
    stream = sys.stderr if err else sys.stdout
    width = shutil.get_terminal_size().columns if stream.isatty() else 0
    return "\n".join(_coloured(folded(safe(line), width)) for line in lines)


def folded(line: str, width: int) -> str:
    """A line in several of at most `width`, cut between words; 0: as it is.

    A row of a table has its cells one after the other, and a command is left for the terminal to
    wrap, so that it can be copied. A word that is wider stays whole.
    """
    if not width or len(line) <= width or line.lstrip().startswith("bort-convert "):
        return line
    text = line.lstrip()
    margin = " " * (len(line) - len(text))
    deeper = margin + ("  " if len(margin) < width // 4 else "")
    pieces = textwrap.wrap(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=deeper,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(pieces)


def _coloured(text: str) -> str:
    if found := VERDICT.fullmatch(text):
        word = found["word"]
        return found["name"] + click.style(word, fg=COLOURS[word], bold=True) + found["rest"]
    for beginning, colour in BEGINNINGS.items():
        if text.startswith(beginning):
            return click.style(beginning, fg=colour, bold=True) + text[len(beginning) :]
    return text


@contextmanager
def bar(hidden: bool, stages: Iterable[str]) -> Iterator[Progress]:
    """One bar on stderr over the whole run, when that is a terminal; nothing otherwise.

    stages: those that this run has, see `converter.files.progress`.
    """
    if hidden or not sys.stderr.isatty():
        yield silent
        return
    whole = Whole(stages)
    width = min(24, max(3, shutil.get_terminal_size().columns - BESIDE))
    with click.progressbar(
        length=STEPS,
        file=sys.stderr,
        item_show_func=lambda stage: stage or "",
        show_eta=False,
        update_min_steps=0,
        width=width,
    ) as shown:

        def show(stage: str, done: int, total: int) -> None:
            shown.update(int(STEPS * whole.share(stage, done, total)) - shown.pos, stage)

        yield show
        shown.update(STEPS - shown.pos, "done")
