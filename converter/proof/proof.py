"""Questions about a written directory, none of which replaces another.

bits    run the plan backwards: does every source tensor come back bit for bit?
names   are the written names and shapes those of the Transformers class, or of the module?
parity  does GluonNLP's arithmetic on the source give what Transformers gives on the target; or
        MXNet's, node by node, what the module of a graph gives?
tokens  where there is a tokenizer: does it give the ids that GluonNLP gives?
"""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np

from converter.errors import ConvertError
from converter.files.progress import Progress, silent
from converter.planning.base import Plan
from converter.planning.options import Options
from converter.planning.plan import TablePlan
from converter.proof.beside import Calls, Here

# What `pip install bort-convert[proof]` adds, of which a graph needs the first
LIBRARIES = ("torch", "transformers", "scipy", "regex", "threadpoolctl")

if TYPE_CHECKING:  # a run without proof imports none of these
    from converter.planning.graph import GraphPlan
    from converter.proof.bits import Bits
    from converter.proof.golden import GoldenCheck
    from converter.proof.graph.golden import GraphGolden
    from converter.proof.graph.names import ModuleNames
    from converter.proof.graph.parity import GraphParity
    from converter.proof.names import Names
    from converter.proof.parity import Parity, SourceSide
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


class Verdict(Protocol):
    """The answer to one question."""

    @property
    def passed(self) -> bool:
        """Whether it was answered well."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it was not."""


@dataclass(frozen=True)
class Proof:
    """The verdicts. A question that an earlier failure made impossible to ask is None.

    `unchanged` is asked by `verify` alone, of a record that has digests.
    """

    bits: Bits
    names: Verdict
    parity: Verdict | None
    golden: Verdict | None = None
    unchanged: Unchanged | None = None

    @property
    def passed(self) -> bool:
        """Whether every question was asked and answered well."""
        asked = (self.bits, self.names, self.parity)
        given = (verdict.passed for verdict in self.optional if verdict is not None)
        return all(verdict is not None and verdict.passed for verdict in asked) and all(given)

    @property
    def optional(self) -> tuple[Verdict | None, ...]:
        """Those that are not asked of every model."""
        return self.golden, self.unchanged


@dataclass(frozen=True)
class TableProof(Proof):
    """The verdicts about a family's model; `tokens` where there is a tokenizer."""

    names: Names
    parity: Parity | None
    golden: GoldenCheck | None = None
    tokens: Tokens | None = None

    @property
    def optional(self) -> tuple[Verdict | None, ...]:
        return self.golden, self.tokens, self.unchanged


@dataclass(frozen=True)
class GraphProof(Proof):
    """The verdicts about the module of a graph."""

    names: ModuleNames
    parity: GraphParity | None
    golden: GraphGolden | None = None


def check_installed(plan: Plan | None = None) -> None:
    """Raise `ConvertError`, before a weight is read, when the proof cannot be imported."""
    if sys.flags.optimize > 1 and (plan is None or isinstance(plan, TablePlan)):
        raise ConvertError(
            "the proof needs Transformers, which makes help of docstrings as it is imported, and "
            "`python -OO` has none",
            ["run without -OO (or PYTHONOPTIMIZE=2); -O will do", "or convert with --no-verify"],
        )
    needed = LIBRARIES if plan is None or isinstance(plan, TablePlan) else LIBRARIES[:1]
    missing = [name for name in needed if not _is_there(name)]
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

    if isinstance(plan, TablePlan):
        reference_of(plan)


@overload
def prove(
    plan: TablePlan,
    directory: Path,
    atol: float = ...,
    golden: Path | None = ...,
    progress: Progress = ...,
    nonfinite: bool = ...,
    calls: Calls | None = ...,
) -> TableProof: ...
@overload
def prove(
    plan: Plan,
    directory: Path,
    atol: float = ...,
    golden: Path | None = ...,
    progress: Progress = ...,
    nonfinite: bool = ...,
    calls: Calls | None = ...,
) -> Proof: ...
def prove(
    plan: Plan,
    directory: Path,
    atol: float = Options.atol,
    golden: Path | None = None,
    progress: Progress = silent,
    nonfinite: bool = False,
    calls: Calls | None = None,
) -> Proof:
    """Ask all questions of `directory`, and compare with a recorded `golden` if given.

    `nonfinite`: the source holds NaN or infinity, and outputs may; see `parity.difference`.
    `calls`: who runs the target's side: this process, unless it is said.
    Raises `ConvertError` for a golden file that cannot be read; verdicts are never raised.
    """
    calls = Here() if calls is None else calls
    if isinstance(plan, TablePlan):
        proof: Proof = _prove_table(plan, directory, atol, golden, progress, nonfinite, calls)
    else:
        from converter.planning.graph import GraphPlan

        assert isinstance(plan, GraphPlan)
        proof = _prove_graph(plan, directory, atol, golden, progress, calls)
    if os.name == "nt":  # no directory with a mapped file in it is renamed there
        gc.collect()
    progress("proof done", 1, 1)
    return proof


def _prove_table(
    plan: TablePlan,
    directory: Path,
    atol: float,
    golden: Path | None,
    progress: Progress,
    nonfinite: bool,
    calls: Calls,
) -> TableProof:
    from converter.proof.bits import check_bits  # a run without proof imports none of these
    from converter.proof.parity import run_source_side
    from converter.proof.spool import Spool

    calls.ask(_names, plan, directory)
    progress("checking bits", 0, 1)
    bits = check_bits(plan, directory)
    parity = recorded = tokens = None
    with Spool(directory) as spool:
        progress("running the source", 0, 1)
        source: SourceSide | ConvertError
        try:  # before the target: the weights of the two are not held at once
            with np.errstate(all="ignore" if nonfinite else None), calls.leaving_a_core():
                source = run_source_side(plan, nonfinite, spool)
        except ConvertError as error:  # of a config that no class can be built from, names say more
            source = error
        progress("importing Transformers", 0, 1)
        names = calls.answer()
        if names.passed:
            if isinstance(source, ConvertError):
                raise source
            progress("checking parity", 0, 1)
            calls.ask(_run, plan, directory, source, atol, golden, nonfinite)
            parity, recorded = calls.answer()
    if plan.tokenizer:
        progress("checking tokens", 0, 1)
        calls.ask(_tokens, plan, directory)
        tokens = calls.answer()
    return TableProof(bits, names, parity, recorded, tokens=tokens)


def _prove_graph(
    plan: GraphPlan,
    directory: Path,
    atol: float,
    golden: Path | None,
    progress: Progress,
    calls: Calls,
) -> GraphProof:
    from converter.proof.bits import check_bits

    calls.ask(_module_names, plan, directory)
    progress("checking bits", 0, 1)
    bits = check_bits(plan, directory)
    progress("importing torch", 0, 1)
    names = calls.answer()
    if not (names.passed and bits.passed):  # what is not as planned is not run
        return GraphProof(bits, names, None)
    progress("checking parity", 0, 1)
    calls.ask(_run_module, plan, directory, atol, golden)
    parity, recorded = calls.answer()
    return GraphProof(bits, names, parity, recorded)


# The target's side: what is called in the process that imports torch and Transformers


def _names(plan: TablePlan, directory: Path) -> Names:
    from converter.proof.names import check_names
    from converter.proof.target import import_class

    import_class(plan.transformers_class)
    return check_names(plan, directory)


def _run(
    plan: TablePlan,
    directory: Path,
    source: SourceSide,
    atol: float,
    golden: Path | None,
    nonfinite: bool,
) -> tuple[Parity, GoldenCheck | None]:
    from converter.proof.golden import check_golden
    from converter.proof.parity import check_parity
    from converter.proof.target import target_model

    with (
        np.errstate(all="ignore" if nonfinite else None),
        target_model(plan, directory) as model,
    ):
        recorded = None if golden is None else check_golden(plan, model, golden, atol)
        return check_parity(plan, source, model, atol, nonfinite), recorded


def _tokens(plan: TablePlan, directory: Path) -> Tokens:
    from converter.proof.tokens import check_tokens

    assert plan.tokenizer
    return check_tokens(plan.tokenizer, directory, plan.table.reference)


def _module_names(plan: GraphPlan, directory: Path) -> ModuleNames:
    from converter.proof.graph.names import check_module_names

    return check_module_names(plan, directory)


def _run_module(
    plan: GraphPlan, directory: Path, atol: float, golden: Path | None
) -> tuple[GraphParity, GraphGolden | None]:
    from converter.proof.graph.golden import check_graph_golden
    from converter.proof.graph.parity import check_graph_parity

    recorded = None if golden is None else check_graph_golden(plan, directory, golden, atol)
    return check_graph_parity(plan, directory, atol), recorded
