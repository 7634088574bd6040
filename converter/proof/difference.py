"""How far two runs of one model are apart, output by output."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from converter.proof.reference.layers import Array, Inputs, Outputs
from converter.tables.check import DECODER_EMBEDDINGS, EMBEDDINGS, OUTPUTS

DENSE_OUTPUTS = "projections"
AT_ONCE = 2**21  # values that are compared at once: a few copies of them are in memory
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


class DenseDifferences:
    """A place for what each Dense gives: it is compared with `own` at once, and not kept.

    Of a Dense that runs several times the last run counts.
    """

    def __init__(self, own: Mapping[str, Array], inputs: Inputs, nonfinite: bool = False) -> None:
        self._own, self._names, self._nonfinite = own, {*own}, nonfinite
        self._valid = inputs.valid()
        self._last = self._valid if (valid := inputs.decoder_valid()) is None else valid
        self._found: dict[str, Difference] = {}

    def __setitem__(self, name: str, tap: Array) -> None:
        if name in self._names:
            own = self._own[name]
            where = self._last if own.shape[:2] == self._last.shape else self._valid
            self._found[name] = difference(DENSE_OUTPUTS, own, tap, where, self._nonfinite)

    def worst(self) -> Iterator[Difference]:
        """The one that differs most, with the values of all; nothing where none was compared."""
        taps = [*self._found.values()]
        if taps:
            worst = max(taps, key=lambda d: (np.isnan(d.scaled), d.scaled, d.max_abs_diff))
            counts = {
                name: sum(getattr(tap, name) for tap in taps) for name in ("nonfinite", "values")
            }
            yield replace(worst, unit=max(tap.unit for tap in taps), **counts)


def compare(
    first: Outputs,
    second: Outputs,
    inputs: Inputs,
    nonfinite: bool = False,
    dense: DenseDifferences | None = None,
) -> Iterator[Difference]:
    """Differences on valid positions: embeddings, each layer, every Dense, pooled, logits.

    Logits over a vocabulary follow once more after log-softmax, which takes off what is added to
    all of a position: what is left may be too small to be seen beside it. States
    that one side alone has are left out. `dense`: what `second`'s Denses gave while it ran.
    """
    valid, decoder_valid = inputs.valid(), inputs.decoder_valid()
    for number, (a, b) in enumerate(zip(first.hidden_states, second.hidden_states, strict=False)):
        yield difference(f"layer {number}" if number else EMBEDDINGS, a, b, valid, nonfinite)
    last = valid if decoder_valid is None else decoder_valid  # of what comes out at the end
    for number, (a, b) in enumerate(zip(first.decoder_states, second.decoder_states, strict=False)):
        name = f"decoder layer {number}" if number else DECODER_EMBEDDINGS
        yield difference(name, a, b, last, nonfinite)
    yield from () if dense is None else dense.worst()
    for output in OUTPUTS:
        if output in first.named and output in second.named:
            a, b = first.named[output], second.named[output]
            yield difference(output, a, b, last, nonfinite)
            if "vocabulary" in OUTPUTS[output] and a.shape == b.shape and np.isfinite(a).all():
                yield difference(LOGARITHMS + output, a, b, last, nonfinite, logarithms=True)


def difference(
    output: str,
    a: Array,
    b: Array,
    valid: Array,
    nonfinite: bool = False,
    logarithms: bool = False,
) -> Difference:
    """The largest |a - b| on valid positions: NaN when a side has one, infinite for two shapes.

    With `nonfinite`, values that are NaN on both sides, or the same infinity, are counted and
    left out: they show no difference, and no more than that. `logarithms`: of the softmax, whose
    rounding has the size of what they are made of.
    """
    if a.shape != b.shape:
        return Difference(output, float("inf"), float(np.abs(a).max()), float("inf"))
    most, sizes, scales, left_out, values = [], [], [], 0, 0
    for ours, theirs in _parts(output, a, b, valid):
        made_of = np.abs(ours)
        if logarithms:
            from scipy.special import log_softmax  # here: `import converter` must not cost scipy

            ours, theirs = (log_softmax(side, axis=-1) for side in (ours, theirs))
        alike = np.zeros(ours.shape if nonfinite else (), bool)
        if nonfinite:
            alike = ~np.isfinite(ours) & ((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
            ours, theirs = (np.where(alike, 0, side) for side in (ours, theirs))
        gaps, size = np.abs(ours - theirs), np.abs(ours)
        large = made_of if logarithms else size
        scale = np.maximum(1, large.max(-1, keepdims=True, initial=0) / np.float32(RELATIVE_ABOVE))
        most.append([float(x.max(initial=0)) for x in (gaps, size, gaps / scale)])
        sizes.append(size[~alike] if alike.any() else size.reshape(-1))
        scales.append(scale.reshape(-1))
        left_out, values = left_out + int(alike.sum()), values + size.size
    gap, largest, scaled = (float(np.max(column)) for column in zip(*most, strict=True))
    compared = np.concatenate(sizes)
    usual = float(np.median(compared, overwrite_input=True)) if compared.size else 0.0
    of = float(np.median(np.concatenate(scales)))
    unit = of / usual if usual else math.inf if largest else 0.0
    return Difference(output, gap, largest, scaled, left_out, values, unit)


def _parts(output: str, a: Array, b: Array, valid: Array) -> Iterator[tuple[Array, Array]]:
    """What is compared of two arrays of one shape, a few positions at a time."""
    masked = a.ndim == 3 and a.shape[:2] == valid.shape
    if masked or "length" in OUTPUTS.get(output.removeprefix(LOGARITHMS), ()):
        valid = valid[:, : a.shape[1]]
    else:
        valid = np.ones(a.shape[: 2 if a.ndim == 3 else 0], bool)
    if a.ndim != 3:
        yield a[valid], b[valid]
        return
    where = np.nonzero(valid)
    positions = max(1, AT_ONCE // max(1, a.shape[2]))
    for start in range(0, max(1, len(where[0])), positions):
        part = tuple(axis[start : start + positions] for axis in where)
        yield a[part], b[part]
