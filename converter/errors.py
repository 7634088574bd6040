"""Every error a user can meet: what is wrong, where, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ConvertError(Exception):
    """Base of all errors of this package; `exit_code` is what the command line returns.

    `headline` is the message; `problems` holds every reason, where there can be several.
    """

    exit_code = 1

    def __init__(self, headline: str, problems: Sequence[str] = ()) -> None:
        self.headline = headline
        self.problems = tuple(problems)
        super().__init__("\n".join([headline, *(f"  - {problem}" for problem in self.problems)]))


class OptionError(ConvertError):
    """What the user said is not of the type or among the values that are expected."""

    exit_code = 2


class ParamsError(ConvertError):
    """The file cannot be read as MXNet parameters: names the file and the byte."""


class TableError(ConvertError):
    """A table is wrong in itself, whatever the checkpoint: names the file and the key."""


class GraphError(ConvertError):
    """A `-symbol.json` cannot be read or converted: names the file and the node.

    `nodes`: whether it is single nodes that cannot be converted, so that what comes before can.
    """

    def __init__(self, headline: str, problems: Sequence[str] = (), nodes: bool = False) -> None:
        self.nodes = nodes
        super().__init__(headline, problems)


class VocabularyError(ConvertError):
    """A vocabulary, merges or SentencePiece file cannot be used: names the file and the place."""


class PlanError(ConvertError):
    """What is asked cannot be done with this checkpoint: `problems` holds every reason."""


class NoFamilyError(PlanError):
    """No family's table fits the file: `problems` says what is nearest, and the other ways.

    `reason`: what the file is instead, where that is known.
    """

    def __init__(self, headline: str, problems: Sequence[str] = (), reason: str = "") -> None:
        self.reason = reason
        super().__init__(headline, problems)


class NonfiniteError(ConvertError):
    """Weights are NaN or infinite, and that was not allowed.

    `counts` maps each such tensor to its `converter.params.nonfinite.Nonfinite`.
    """

    def __init__(self, headline: str, problems: Sequence[str], counts: Mapping[str, Any]) -> None:
        self.counts = dict(counts)
        super().__init__(headline, problems)


class WriteError(ConvertError):
    """The destination cannot be written: nothing is left of the attempt."""


class ParityError(ConvertError):
    """The model was converted and the proof failed; the destination was not created.

    `report` is the whole `converter.Report`, with the figures.
    """

    exit_code = 3

    def __init__(self, message: str, report: Any) -> None:
        self.report = report
        super().__init__(message)


def safe(name: str) -> str:
    """A name from a file as it may be printed on a terminal: what cannot be printed is escaped."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
