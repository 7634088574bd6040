"""Three questions about a written directory, none of which replaces another.

bits    run the plan backwards: does every source tensor come back bit for bit?
names   are the written names and shapes those of the Transformers class?
parity  does GluonNLP's arithmetic on the source give what Transformers gives on the target?
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.plan import Plan
from converter.verify.bits import Bits, check_bits
from converter.verify.copies import Copies, check_copies
from converter.verify.golden import GoldenCheck, check_golden
from converter.verify.names import Names, check_names
from converter.verify.parity import Difference, Limits, Parity, check_parity, run_source_side
from converter.verify.target import target_model

__all__ = [
    "Bits",
    "Copies",
    "Difference",
    "GoldenCheck",
    "Limits",
    "Names",
    "Parity",
    "Proof",
    "check_copies",
    "prove",
]

DEFAULT_ATOL = 1e-4  # on float32 hidden states and logits; measured differences are near 1e-5


@dataclass(frozen=True)
class Proof:
    """The verdicts. A question that an earlier failure made impossible to ask is None."""

    bits: Bits
    names: Names
    parity: Parity | None
    golden: GoldenCheck | None = None

    @property
    def passed(self) -> bool:
        """Whether every question was asked and answered well."""
        asked = [self.bits, self.names, self.parity, *([self.golden] if self.golden else [])]
        return all(verdict is not None and verdict.passed for verdict in asked)


def prove(
    plan: Plan,
    directory: Path,
    atol: float = DEFAULT_ATOL,
    golden: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    nonfinite: bool = False,
) -> Proof:
    """Ask all three questions of `directory`, and compare with a recorded `golden` if given.

    `nonfinite`: the source holds NaN or infinity, and outputs may; see `parity.difference`.
    Raises `ConvertError` for a golden file that cannot be read; verdicts are never raised.
    """
    stages = 4
    progress("checking bits", 0, stages)
    bits = check_bits(plan, directory)
    progress("checking names", 1, stages)
    names = check_names(plan, directory)
    parity = golden_check = None
    if names.passed:
        progress("checking parity", 2, stages)
        parity, golden_check = _run(plan, directory, atol, golden, nonfinite)
        if os.name == "nt":  # no directory with a mapped file in it is renamed there
            gc.collect()
    progress("proof done", stages, stages)
    return Proof(bits, names, parity, golden_check)


def _run(
    plan: Plan, directory: Path, atol: float, golden: Path | None, nonfinite: bool
) -> tuple[Parity, GoldenCheck | None]:
    with np.errstate(all="ignore" if nonfinite else None):
        source = run_source_side(plan)  # before the target: the two are not held at once
        with target_model(plan, directory) as model:
            recorded = None if golden is None else check_golden(plan, model, golden, atol)
            return check_parity(plan, source, model, atol, nonfinite), recorded
