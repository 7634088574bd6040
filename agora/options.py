"""The choices that the author's text leaves open, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agora.errors import OptionError
from agora.grid import Prune

GATE = 2 / 3  # the author: the teacher's accuracy must be above 2/3


@dataclass(frozen=True)
class Options:
    """Every choice that the author's text leaves open, and ours. README.md gives the reasons."""

    prune: str | Prune = "worst"
    replay: int = 0
    draws: int = 1
    growth: Literal["cumulative", "last"] = "cumulative"
    start: Literal["fresh", "best"] = "fresh"
    keep: Literal["best", "last"] = "best"
    mistakes: Literal["leader", "random"] = "leader"
    guard: bool = True
    gate: float | None = GATE
    budget: float | None = None
    soft: bool = False

    def __post_init__(self) -> None:
        if self.replay < 0 or self.draws < 1:
            raise OptionError("replay must be 0 or more, draws 1 or more")
        if self.budget is not None and self.budget <= 0:
            raise OptionError("budget must be positive, in forward passes")
        for name, values in (
            ("growth", ("cumulative", "last")),
            ("start", ("fresh", "best")),
            ("keep", ("best", "last")),
            ("mistakes", ("leader", "random")),
        ):
            if getattr(self, name) not in values:
                raise OptionError(f"{name}={getattr(self, name)!r}: use one of {', '.join(values)}")
