"""The hyperparameter sets, in order, and the rules that discard them.

The author's words (A. de Wynter, "Bort: algorithms and applications", 2020-11-20): "Sorts all
hyperparameters mapped to their accuracies. Removes the hyperparameters belonging to the longest
common sequence, rooted at the first element." Everything more exact than that is a reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

from agora.errors import OptionError

Theta = tuple[tuple[str, Any], ...]  # name and value, in the grid's order
Prune = Callable[[Sequence[Theta]], Sequence[Theta]]  # worst first → those to drop


def grid(**axes: Iterable[Any]) -> tuple[Theta, ...]:
    """Every combination of the values, the last axis fastest.

    `grid(lr=[0.1, 0.01], wd=[0])` is ((("lr", 0.1), ("wd", 0)), (("lr", 0.01), ("wd", 0))).
    """
    return tuple(
        tuple(zip(axes, values, strict=True)) for values in product(*map(tuple, axes.values()))
    )


def shown(theta: Theta) -> str:
    """A set of hyperparameters on one line."""
    return " ".join(f"{name}={value}" for name, value in theta) or "(no hyperparameters)"


def worst(thetas: Sequence[Theta]) -> Sequence[Theta]:
    """Drop the worst only: |Theta| rounds, the slow case of the author's bound."""
    return thetas[:1]


def lcs(thetas: Sequence[Theta]) -> Sequence[Theta]:
    """Drop the worst, and all that have the longest assignment it shares with another.

    Of several longest ones, that of the worst other set counts. Names stand at fixed places, so the
    longest common subsequence of two sets is what they have in common, place by place.
    """
    shared = [set(thetas[0]) & set(theta) for theta in thetas[1:]]
    longest = max(shared, key=len, default=set())
    if not longest:
        return thetas[:1]
    return [thetas[0], *(theta for theta in thetas[1:] if longest <= set(theta))]


RULES: dict[str, Prune] = {"worst": worst, "lcs": lcs}


def to_drop(rule: Prune, thetas: Sequence[Theta], incumbent: Theta | None) -> list[Theta]:
    """What `rule` drops of `thetas` (worst first): one at least, and `incumbent` only as the last.

    Raises:
        OptionError: it names nothing, or what is not there.
    """
    open_ = [theta for theta in thetas if theta != incumbent] or list(thetas)
    dropped = list(rule(open_))
    if not dropped or any(theta not in open_ for theta in dropped):
        raise OptionError("prune must name at least one of the sets it was given, and no other")
    return dropped
