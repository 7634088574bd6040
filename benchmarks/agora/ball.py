"""tau for vectors: a ball around a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agora.points import Point


@dataclass(frozen=True)
class Ball:
    """A point near an array of floats, in its own units.

    "gauss": normal noise of standard deviation `radius` a coordinate. "uniform": uniform in the
    Euclidean ball of that radius. Scale features first if their units differ.
    """

    radius: float
    kind: Literal["gauss", "uniform"] = "gauss"

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        noise = rng.normal(size=np.shape(point))
        if self.kind == "uniform":
            length = rng.random() ** (1 / noise.size)
            noise *= length / max(float(np.linalg.norm(noise)), 1e-300)
        return np.asarray(point, float) + self.radius * noise
