"""Students that are scikit-learn estimators."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from agora.errors import OptionError
from agora.ledger import Work
from agora.points import Label, Point, Split


class EstimatorStudent:
    """An estimator (a pipeline is one). Points are arrays; soft labels need `sample_weight`."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, train: Split, dev: Split) -> Work:
        """Fit. The work: samples times the solver's iterations (`n_iter_`), 1 where it tells none.

        Raises:
            OptionError: soft labels for an estimator that takes no sample weights.
        """
        points, labels, weights = [], [], []
        for point, label in zip(train.points, train.labels, strict=True):
            shares = enumerate(label) if isinstance(label, tuple) else [(label, 1.0)]
            for name, weight in shares:
                if weight > 0:
                    points.append(point)
                    labels.append(name)
                    weights.append(weight)
        if len(points) == len(train):
            self.estimator.fit(np.stack(points), labels)
        elif has_fit_parameter(self.estimator, "sample_weight"):
            self.estimator.fit(np.stack(points), labels, sample_weight=weights)
        else:
            raise OptionError(
                f"{type(self.estimator).__name__} takes no sample_weight, which soft labels need: "
                "use soft=False"
            )
        iterations = np.max(np.atleast_1d(getattr(self.estimator, "n_iter_", 1)))
        return Work(len(points) * int(iterations))

    def predict(self, points: Sequence[Point]) -> Sequence[Label]:
        """What the estimator says."""
        said: list[Label] = np.asarray(self.estimator.predict(np.stack(points))).tolist()
        return said

    def save(self, directory: Path) -> None:
        """Pickled: load it only if you wrote it."""
        (directory / "estimator.pickle").write_bytes(pickle.dumps(self.estimator))


@dataclass(frozen=True)
class Estimators:
    """Clones of an estimator with theta as its parameters, and random_state where it has one."""

    estimator: Any

    def make(self, theta: Mapping[str, Any], seed: int, start: Path | None) -> EstimatorStudent:
        estimator = self.load(start).estimator if start else clone(self.estimator)
        names = estimator.get_params()
        random = {name: seed for name in names if name.split("__")[-1] == "random_state"}
        warm = {"warm_start": True} if start and "warm_start" in names else {}
        return EstimatorStudent(estimator.set_params(**random, **warm, **theta))

    def load(self, directory: Path) -> EstimatorStudent:
        return EstimatorStudent(pickle.loads((directory / "estimator.pickle").read_bytes()))
