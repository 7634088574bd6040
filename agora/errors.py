"""Every error a user of Agora can meet: what is wrong, where, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence


class AgoraError(Exception):
    """Base of all errors of this package; `problems` holds every reason if there are several."""

    def __init__(self, headline: str, problems: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([headline, *(f"  - {problem}" for problem in self.problems)]))


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
