"""Every error a user of Agora can meet: what is wrong, where, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 10  # problems


class AgoraError(Exception):
    """Base of all errors of this package; `problems` holds the reasons, of which some are shown."""

    def __init__(self, headline: str, problems: Sequence[str] = ()) -> None:
        self.problems, more = tuple(problems), len(problems) - SHOWN
        some = [*problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
        super().__init__("\n  - ".join([headline, *some]))


class OptionError(AgoraError):
    """An option has a value that means nothing, or two contradict each other."""


class DataError(AgoraError):
    """The data cannot be trained on: names the file or split and the line."""


class StateError(AgoraError):
    """The state directory belongs to another run, is in use, or is damaged."""


class TeacherError(AgoraError):
    """The teacher fails the gate, or answers what cannot be a label."""


class StudentError(AgoraError):
    """A student could not be trained: names the round and the hyperparameters."""
