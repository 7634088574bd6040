"""How far two runs of one model are apart, output by output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from converter.proof.reference.layers import Inputs, Outputs
from converter.tables.check import DECODER_EMBEDDINGS, EMBEDDINGS, OUTPUTS

DENSE_OUTPUTS = "projections"
# float32 has 7 digits: where trained models have values in the hundreds and more (GPT-2's residual,
# the keys of a MiniLM), two correct sums differ by more. Larger values count in this measure.
RELATIVE_ABOVE = 10.0


@dataclass(frozen=True)
class Difference:
    """The largest absolute difference of one output, and the largest value of the reference.

    `scaled`: the largest difference where it is divided by the largest value of its position, in
    tens, if that is more than 10; this is what is judged.
    `nonfinite` of the `values` that were compared are NaN, or the same infinity, on both sides.
    """

    output: str
    max_abs_diff: float
    max_abs_value: float
    scaled: float
    nonfinite: int = 0
    values: int = 0


def compare(
    first: Outputs, second: Outputs, inputs: Inputs, nonfinite: bool = False
) -> Iterator[Difference]:
    """Differences on valid positions: embeddings, each layer, every Dense, pooled, logits."""
    valid, decoder_valid = inputs.valid(), inputs.decoder_valid()
    for number, (a, b) in enumerate(zip(first.hidden_states, second.hidden_states, strict=True)):
        yield difference(f"layer {number}" if number else EMBEDDINGS, a, b, valid, nonfinite)
    last = valid if decoder_valid is None else decoder_valid  # of what comes out at the end
    for number, (a, b) in enumerate(zip(first.decoder_states, second.decoder_states, strict=True)):
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
        yield replace(worst, **counts)
    for output in OUTPUTS:
        if output in first.named and output in second.named:
            yield difference(output, first.named[output], second.named[output], last, nonfinite)


def difference(
    output: str, a: np.ndarray, b: np.ndarray, valid: np.ndarray, nonfinite: bool = False
) -> Difference:
    """The largest |a - b| on valid positions: NaN when a side has one, infinite for two shapes.

    With `nonfinite`, values that are NaN on both sides, or the same infinity, are counted and
    left out: they show no difference, and no more than that.
    """
    if a.shape != b.shape:
        return Difference(output, float("inf"), float(np.abs(a).max()), float("inf"))
    if (a.ndim == 3 and a.shape[:2] == valid.shape) or "length" in OUTPUTS.get(output, ()):
        a, b = a[valid], b[valid]
    left_out = 0
    if nonfinite:
        alike = ~np.isfinite(a) & ((a == b) | (np.isnan(a) & np.isnan(b)))
        a, b = (np.where(alike, 0, x) for x in (a, b))
        left_out = int(alike.sum())
    gaps, sizes = np.abs(a - b), np.abs(a)
    scale = np.maximum(1, sizes.max(-1, keepdims=True, initial=0) / np.float32(RELATIVE_ABOVE))
    gap, largest, scaled = (float(x.max(initial=0)) for x in (gaps, sizes, gaps / scale))
    return Difference(output, gap, largest, scaled, left_out, a.size)
