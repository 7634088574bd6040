"""How far a long task has come: a callback, one that takes the time, and what each stage takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import perf_counter

Progress = Callable[[str, int, int], None]  # stage, done of the stage, all of the stage

# Stage → its seconds of a conversion of Bort with its proof, in the order of a run, as `make bench`
# measured them (benchmarks/README.md, "Where the time goes"): shares of the bar. Bits and the
# source's side run while another process imports; what is left of importing is waited for. Not
# measured so are reading, checking an export, and the tokens (by --verbose, of before); a graph's
# run has torch in the place of Transformers.
STAGES: Mapping[str, float] = {
    "reading": 0.2,
    "planning": 0.25,
    "writing": 0.4,
    "checking": 0.4,
    "checking bits": 2.9,
    "running the source": 1.3,
    "importing torch": 0.0,
    "importing Transformers": 0.9,
    "checking parity": 0.8,
    "checking tokens": 0.4,
    "flushing to disk": 0.1,
}
# What a run can consist of
PROOF = tuple(s for s in STAGES if s.startswith(("checking ", "importing ", "running ")))
WRITE = ("planning", "writing", "flushing to disk")
EXPORT = ("writing", "checking")
LOOK = ("reading",)


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


class Whole:
    """The share of a whole run that is done, from 0 to less than 1, which never goes back.

    stages: those that this run has.
    """

    def __init__(self, stages: Iterable[str]) -> None:
        seconds = {stage: STAGES[stage] for stage in STAGES if stage in {*stages}}
        whole = sum(seconds.values())
        self._shares = {stage: s / whole for stage, s in seconds.items()}
        self._done = 0.0

    def share(self, stage: str, done: int, total: int) -> float:
        """After `done` of `total` of a stage; a stage without a share moves nothing."""
        if stage in self._shares:
            before = 0.0
            for name, share in self._shares.items():
                if name == stage:
                    before += share * min(1.0, done / max(1, total))
                    break
                before += share
            self._done = max(self._done, min(before, 0.99))
        return self._done


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
