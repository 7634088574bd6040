"""A small student in NumPy: one hidden tanh layer, AdamW. Fast enough for thousands of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agora import Split, Work, grid
from agora.grid import Theta
from agora.ledger import BACKWARD
from agora.points import Label, Point

Array = npt.NDArray[np.float64]
UPDATES = 2400  # samples trained on in a run, whatever the batch: every run costs the same
GRID = grid(lr=[0.003, 0.01, 0.03], wd=[0.0, 0.01, 0.1, 1.0], batch=[8, 16])
PLAIN: Theta = (("lr", 0.01), ("wd", 0.01), ("batch", 16))  # the middle of the grid


class Net:
    """Two classes, 0 and 1. theta: lr, wd, batch, and optionally updates and patience.

    patience: the best of many looks at dev stays, one every UPDATES samples.
    """

    def __init__(self, theta: Mapping[str, Any], seed: int, nets: Nets) -> None:
        self.theta, self.seed, self.encode = theta, seed, nets.encode
        self.units, self.patience = nets.units, theta.get("patience", False)
        self.weights: Array = np.zeros(0)

    def fit(self, train: Split, dev: Split) -> Work:
        rng = np.random.default_rng(self.seed)
        x = self.encode(train.points)
        y = np.array(train.labels, float)
        inputs, units = x.shape[1], self.units
        cut = inputs * units
        w = np.concatenate(
            [
                rng.normal(0, 1 / np.sqrt(inputs), cut),
                np.zeros(units),
                rng.normal(0, 1 / np.sqrt(units), units),
                np.zeros(1),
            ]
        )
        first, bias = w[:cut].reshape(inputs, units), w[cut : cut + units]
        second = w[cut + units : -1]
        g = np.zeros_like(w)
        g1, gb, g2 = g[:cut].reshape(inputs, units), g[cut : cut + units], g[cut + units : -1]
        m, v = np.zeros_like(w), np.zeros_like(w)
        lr, shrink = self.theta["lr"], 1 - self.theta["lr"] * self.theta["wd"]
        batch = min(self.theta["batch"], len(x))
        updates = self.theta.get("updates", UPDATES)
        order = np.zeros(0, int)
        best, best_score, forwards, seen, looked = w.copy(), -1.0, 0, 0, 0
        step = 0
        while seen < updates:
            if len(order) < batch:
                order = rng.permutation(len(x))
            chosen, order = order[:batch], order[batch:]
            rows = x[chosen]
            hidden = np.tanh(rows @ first + bias)
            # logistic loss: the derivative by the logit is p - y
            error = (0.5 + 0.5 * np.tanh(0.5 * (hidden @ second + w[-1])) - y[chosen]) / batch
            back = np.multiply.outer(error, second) * (1 - hidden * hidden)
            g1[:] = rows.T @ back
            gb[:] = back.sum(0)
            g2[:] = hidden.T @ error
            g[-1] = error.sum()
            step += 1
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            rate = lr * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            w *= shrink
            w -= rate * m / (np.sqrt(v) + 1e-8)
            seen += batch
            if self.patience and seen - looked >= UPDATES:
                looked, self.weights = seen, w
                score = float(np.mean(np.array(self.predict(dev.points)) == np.array(dev.labels)))
                forwards += len(dev)
                if score > best_score:
                    best, best_score = w.copy(), score
        self.weights = best if self.patience else w
        return Work(seen, forwards)

    def predict(self, points: Sequence[Point]) -> Sequence[Label]:
        x = self.encode(points)
        cut = x.shape[1] * self.units
        first = self.weights[:cut].reshape(x.shape[1], self.units)
        hidden = np.tanh(x @ first + self.weights[cut : cut + self.units])
        logits = hidden @ self.weights[cut + self.units : -1] + self.weights[-1]
        return [int(logit > 0) for logit in logits]

    def save(self, directory: Path) -> None:
        np.save(directory / "weights.npy", self.weights)


def stacked(points: Sequence[Point]) -> Array:
    """Tuples of numbers → float64 (points, inputs)."""
    return np.array(points, float)


@dataclass(frozen=True)
class Nets:
    """Makes `Net`s."""

    units: int = 16
    encode: Callable[[Sequence[Point]], Array] = stacked
    grid: tuple[Theta, ...] = GRID

    def make(self, theta: Mapping[str, Any], seed: int) -> Net:
        return Net(theta, seed, self)

    def load(self, directory: Path) -> Net:
        net = Net({}, 0, self)
        net.weights = np.load(directory / "weights.npy")
        return net

    def part(self, theta: Theta, share: float) -> Theta:
        return (*theta, ("updates", int(UPDATES * share)))

    def fitted(self, theta: Theta, left: float, train: int, dev: int) -> Theta | None:
        """Whole, as long as that brings the cost nearer to what there was."""
        updates = int(dict(theta).get("updates", UPDATES))
        return theta if (BACKWARD * updates + dev) / 2 <= left else None

    def patient(self, left: float, train: int, dev: int) -> Theta:
        looks = (left - dev) / (BACKWARD * UPDATES + dev)  # and one at the end
        return (*self.part(PLAIN, looks), ("patience", True))
