"""Questions about a written directory, none of which replaces another.

bits    run the plan backwards: does every source tensor come back bit for bit?
names   are the written names and shapes those of the Transformers class?
parity  does GluonNLP's arithmetic on the source give what Transformers gives on the target?
tokens  where there is a tokenizer: does it give the ids that GluonNLP gives?
"""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converter.errors import ConvertError
from converter.planning.options import Options
from converter.planning.plan import Plan

LIBRARIES = (
    "torch",
    "transformers",
    "scipy",
    "regex",
)  # what `pip install bort-convert[proof]` adds

if TYPE_CHECKING:  # a run without proof imports none of these
    from converter.proof.bits import Bits
    from converter.proof.golden import GoldenCheck
    from converter.proof.names import Names
    from converter.proof.parity import Parity
    from converter.proof.tokens import Tokens


@dataclass(frozen=True)
class Unchanged:
    """`files` files beside the weights, and the record, were compared with their digests."""

    files: int
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all are as they were written."""
        return not self.problems


@dataclass(frozen=True)
class Proof:
    """The verdicts. A question that an earlier failure made impossible to ask is None.

    `unchanged` is asked by `verify` alone, of a record that has digests.
    """

    bits: Bits
    names: Names
    parity: Parity | None
    golden: GoldenCheck | None = None
    tokens: Tokens | None = None
    unchanged: Unchanged | None = None

    @property
    def passed(self) -> bool:
        """Whether every question was asked and answered well."""
        asked = (self.bits, self.names, self.parity)
        given = (verdict.passed for verdict in self.optional if verdict is not None)
        return all(verdict is not None and verdict.passed for verdict in asked) and all(given)

    @property
    def optional(self) -> tuple[GoldenCheck | None, Tokens | None, Unchanged | None]:
        """Those that are not asked of every model."""
        return self.golden, self.tokens, self.unchanged


def check_installed() -> None:
    """Raise `ConvertError`, before a weight is read, when the proof cannot be imported."""
    missing = [name for name in LIBRARIES if not _is_there(name)]
    if missing:
        raise ConvertError(
            f"the proof needs what is not installed here: {', '.join(missing)}",
            [
                "to install it: pip install 'bort-convert[proof]' (for a processor without GPU "
                "add --extra-index-url https://download.pytorch.org/whl/cpu)",
                "to convert without a proof: --no-verify",
            ],
        )


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def check_reference(plan: Plan) -> None:
    """Raise `TableError`, before a weight is written, when nothing could be proven in the end."""
    from converter.proof.reference.settings import reference_of

    reference_of(plan)


def prove(
    plan: Plan,
    directory: Path,
    atol: float = Options.atol,
    golden: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    nonfinite: bool = False,
) -> Proof:
    """Ask all questions of `directory`, and compare with a recorded `golden` if given.

    `nonfinite`: the source holds NaN or infinity, and outputs may; see `parity.difference`.
    Raises `ConvertError` for a golden file that cannot be read; verdicts are never raised.
    """
    # A run without proof imports none of these.
    from converter.proof.bits import check_bits
    from converter.proof.names import check_names
    from converter.proof.target import import_class

    stages = 4
    progress("checking bits", 0, stages)
    bits = check_bits(plan, directory)
    progress("importing Transformers", 1, stages)
    import_class(plan.transformers_class)
    progress("checking names", 2, stages)
    names = check_names(plan, directory)
    parity = golden_check = None
    if names.passed:
        progress("checking parity", 3, stages)
        parity, golden_check = _run(plan, directory, atol, golden, nonfinite)
        if os.name == "nt":  # no directory with a mapped file in it is renamed there
            gc.collect()
    tokens = None
    if plan.tokenizer:
        from converter.proof.tokens import check_tokens

        tokens = check_tokens(plan.tokenizer, directory, plan.table.reference)
    progress("proof done", stages, stages)
    return Proof(bits, names, parity, golden_check, tokens)


def _run(
    plan: Plan, directory: Path, atol: float, golden: Path | None, nonfinite: bool
) -> tuple[Parity, GoldenCheck | None]:
    from converter.proof.golden import check_golden
    from converter.proof.parity import check_parity, run_source_side
    from converter.proof.target import target_model

    with np.errstate(all="ignore" if nonfinite else None):
        source = run_source_side(plan, nonfinite)  # before the target: the two are not held at once
        with target_model(plan, directory) as model:
            recorded = None if golden is None else check_golden(plan, model, golden, atol)
            return check_parity(plan, source, model, atol, nonfinite), recorded
