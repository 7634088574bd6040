"""How far two runs of one model are apart, output by output."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from converter.proof.reference.layers import Inputs, Outputs
from converter.tables.check import DECODER_EMBEDDINGS, EMBEDDINGS, OUTPUTS

DENSE_OUTPUTS = "projections"
# float32 has 7 digits: where trained models have values in the hundreds and more (GPT-2's residual,
# the keys of a MiniLM), two correct sums differ by more. Larger values count in this measure.
RELATIVE_ABOVE = 10.0


# A comparison that would not see a tenth of what is usual in an output shows little of it.
BLIND = 0.1
LOGARITHMS = "log-softmax of "


@dataclass(frozen=True)
class Difference:
    """The largest absolute difference of one output, and the largest value of the reference.

    `scaled`: the largest difference where it is divided by the largest value of its position, in
    tens, if that is more than 10; this is what is judged.
    `nonfinite` of the `values` that were compared are NaN, or the same infinity, on both sides.
    `unit`: what `scaled` is divided by, in usual (median) values: times `atol`, the part of a usual
    value that a difference may be and is not seen.
    """

    output: str
    max_abs_diff: float
    max_abs_value: float
    scaled: float
    nonfinite: int = 0
    values: int = 0
    unit: float = 0.0

    def verdict(self, atol: float) -> str:
        """`ok`: the two are equal within `atol`; `weak`: that shows little; or `FAILED`."""
        if not self.scaled <= atol:  # NaN fails too
            return "FAILED"
        nothing = 0 < self.nonfinite == self.values
        return "weak" if nothing or not self.unit * atol <= BLIND else "ok"

    def problem(self, atol: float, other: str = "") -> str | None:
        """Why this does not show that the two are equal, within `atol`; None when it does.

        other: what the output is compared with, where it is not the reference
        """
        verdict = self.verdict(atol)
        if verdict == "ok":
            return None
        if verdict == "FAILED" and self.nonfinite and not np.isfinite(self.max_abs_diff):
            return (
                f"{self.output} is NaN or infinite on one side alone: GluonNLP and "
                "Transformers need not treat such numbers alike"
            )
        if verdict == "FAILED":
            who = f"{self.output} differs from {other}" if other else f"{self.output} differs"
            return f"{who} by {self.max_abs_diff:.3g}, more than {atol:g} allows"
        if self.nonfinite == self.values:
            return f"{self.output}: no value is finite, so nothing was compared"
        size = "large" if self.max_abs_value > RELATIVE_ABOVE else "small"
        return (
            f"{self.output}: its values are so {size} (up to {self.max_abs_value:.3g}) that a "
            f"difference of {BLIND:.0%} of a usual one would not be seen"
        )


def compare(
    first: Outputs, second: Outputs, inputs: Inputs, nonfinite: bool = False
) -> Iterator[Difference]:
    """Differences on valid positions: embeddings, each layer, every Dense, pooled, logits.

    Logits over a vocabulary follow once more after log-softmax, which takes off what is added to
    all of a position: what is left may be too small to be seen beside it. States
    that one side alone has are left out.
    """
    valid, decoder_valid = inputs.valid(), inputs.decoder_valid()
    for number, (a, b) in enumerate(zip(first.hidden_states, second.hidden_states, strict=False)):
        yield difference(f"layer {number}" if number else EMBEDDINGS, a, b, valid, nonfinite)
    last = valid if decoder_valid is None else decoder_valid  # of what comes out at the end
    for number, (a, b) in enumerate(zip(first.decoder_states, second.decoder_states, strict=False)):
        name = f"decoder layer {number}" if number else DECODER_EMBEDDINGS
        yield difference(name, a, b, last, nonfinite)
    dense_outputs = [
        difference(
            DENSE_OUTPUTS,
            tap,
            second.dense_outputs[name],
            last if tap.shape[:2] == last.shape else valid,
            nonfinite,
        )
        for name, tap in first.dense_outputs.items()
        if name in second.dense_outputs
    ]
    if dense_outputs:
        worst = max(dense_outputs, key=lambda d: (np.isnan(d.scaled), d.scaled, d.max_abs_diff))
        counts = {
            name: sum(getattr(tap, name) for tap in dense_outputs)
            for name in ("nonfinite", "values")
        }
        yield replace(worst, unit=max(tap.unit for tap in dense_outputs), **counts)
    for output in OUTPUTS:
        if output in first.named and output in second.named:
            a, b = first.named[output], second.named[output]
            yield difference(output, a, b, last, nonfinite)
            if "vocabulary" in OUTPUTS[output] and a.shape == b.shape and np.isfinite(a).all():
                from scipy.special import (
                    log_softmax,
                )  # here: `import converter` must not cost scipy

                a, b = a[last], b[last]
                ours, theirs = (log_softmax(side, axis=-1) for side in (a, b))
                yield difference(LOGARITHMS + output, ours, theirs, last, nonfinite, a)


def difference(
    output: str,
    a: np.ndarray,
    b: np.ndarray,
    valid: np.ndarray,
    nonfinite: bool = False,
    made_of: np.ndarray | None = None,
) -> Difference:
    """The largest |a - b| on valid positions: NaN when a side has one, infinite for two shapes.

    With `nonfinite`, values that are NaN on both sides, or the same infinity, are counted and
    left out: they show no difference, and no more than that. `made_of`: the values whose size is
    that of the rounding, where it is not `a` itself.
    """
    if a.shape != b.shape:
        return Difference(output, float("inf"), float(np.abs(a).max()), float("inf"))
    if (a.ndim == 3 and a.shape[:2] == valid.shape) or "length" in OUTPUTS.get(output, ()):
        a, b = (side[valid[:, : side.shape[1]]] for side in (a, b))
    left_out = 0
    if nonfinite:
        alike = ~np.isfinite(a) & ((a == b) | (np.isnan(a) & np.isnan(b)))
        a, b = (np.where(alike, 0, x) for x in (a, b))
        left_out = int(alike.sum())
    gaps, sizes = np.abs(a - b), np.abs(a)
    large = sizes if made_of is None else np.abs(made_of)
    scale = np.maximum(1, large.max(-1, keepdims=True, initial=0) / np.float32(RELATIVE_ABOVE))
    gap, largest, scaled = (float(x.max(initial=0)) for x in (gaps, sizes, gaps / scale))
    compared = sizes[~alike] if left_out else sizes
    usual = float(np.median(compared)) if compared.size else 0.0
    unit = float(np.median(scale)) / usual if usual else math.inf if largest else 0.0
    return Difference(output, gap, largest, scaled, left_out, a.size, unit)
