"""How far a long task has come: a callback, and one that takes the time of every stage."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

Progress = Callable[[str, int, int], None]  # stage, done, total


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


class Stages:
    """A progress callback that calls another one, and measures the time of every stage.

    `seconds`: stage → seconds until the next one began; what comes before the first is `planning`.
    """

    def __init__(self, shown: Progress = silent) -> None:
        self.seconds: dict[str, float] = {}
        self._shown, self._stage, self._since = shown, "planning", perf_counter()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.end()
            self._stage = stage
        self._shown(stage, done, total)

    def end(self) -> None:
        """The stage that runs is over."""
        now = perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0) + now - self._since
        self._since = now
