"""Plans and reports as lines for a person to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from converter.errors import ConvertError, safe
from converter.planning.assumptions import Assumed, assumed_line
from converter.planning.base import UNCONVERTED_FILE, Plan
from converter.planning.plan import TablePlan
from converter.report.columns import columns, merged
from converter.report.inspection import some_names
from converter.report.verdicts import (
    nonfinite_lines,
    parity_table,
    problem_lines,
    verdict_lines,
    word_of,
)
from converter.tokenizer import TokenizerSpec, where
from converter.tokenizer.spec import OPTIONS

if TYPE_CHECKING:  # what a report is; its own text calls what is here
    from converter.report.record import ExportReport, GraphReport, Report, TableReport

WIDE, TALL = 100, 10  # characters and lines of a report in an interactive Python
LONGEST = 80  # characters of a value that the user gave


def summary(report: Report, every: bool = False) -> Iterator[str]:
    """The report for a person: one line a fact, then parity; `every` layer on a line of its own."""
    if isinstance(report.plan, TablePlan):
        return _table_summary(cast("TableReport", report), every)
    from converter.report.graph_text import graph_summary

    return graph_summary(cast("GraphReport", report))


def brief(summary: Iterator[str]) -> str:
    """A report as Python shows it: the beginning of its summary."""
    lines = [*summary]
    cut = [line if len(line) <= WIDE else f"{line[: WIDE - 1]}…" for line in map(safe, lines)]
    return "\n".join(cut if len(cut) <= TALL else [*cut[: TALL - 1], "…"])


def _table_summary(report: TableReport, every: bool) -> Iterator[str]:
    plan, proof = report.plan, report.proof
    known = f" ({plan.known})" if plan.known else ""
    yield f"{plan.index.path.name}: {plan.table.name}{known} → {plan.transformers_class}"
    yield from read_as_lines(plan)
    if len(report.files) > 1:
        yield f"weights in {len(report.files)} shards"
    if plan.tokenizer:
        yield tokenizer_line(plan.tokenizer)
    if proof:
        yield from verdict_lines(plan, proof, every)
    else:
        yield "not verified (--no-verify): run `bort-convert verify` before you rely on it"
    yield from nonfinite_lines(report.nonfinite)
    yield from export_lines(plan)
    yield from assumed_lines(plan, report.options.get("family"))
    yield from (f"note: {text}" for text in plan.warnings())
    if proof is None:
        return
    # A failed comparison is shown whole; of one that passed, the line above tells the largest
    if proof.parity and (every or not proof.parity.passed):
        yield ""
        yield from parity_table(proof.parity.differences, proof.parity.atol, every)
        if proof.parity.published and not proof.parity.is_published:
            yield f"this is not {proof.parity.published}, but another model of its family."
    if proof.golden and (every or not proof.golden.passed):
        yield ""
        yield "against the recorded golden:"
        yield from parity_table(proof.golden.differences, proof.golden.atol, every)


def read_as_lines(plan: TablePlan) -> Iterator[str]:
    """Whose names the head's are: a class of one's own may have the same."""
    if plan.read_as:
        yield f"read as {plan.read_as}; if it is a class of your own, see --backbone"


def export_lines(plan: TablePlan) -> Iterator[str]:
    """The tensors that the target class has no place for, and where they are."""
    if plan.exported:
        names = some_names(plan.exported)
        yield f"not converted, in {UNCONVERTED_FILE} under their own names: {names}"
        yield f"  {plan.match.export_reason}"


def export_summary(report: ExportReport) -> Iterator[str]:
    """The report of an export for a person: one line a fact."""
    yield f"{report.index.path.name}: {len(report.names):,} tensors → {report.target}"
    yield from (f"note: no name begins with {safe(prefix)}" for prefix in report.unmet)
    yield from (f"left out, it holds no array: {name}" for name in report.left_out)
    yield from nonfinite_lines(report.nonfinite)
    if report.copies is None:
        yield "not verified (--no-verify)"
        return
    count = len(report.copies.problems)
    wrong = f"; {count} {'differ' if count > 1 else 'differs'}:" if count else ""
    yield f"bits    {word_of(report.copies)}  {report.copies.identical:,} tensors identical{wrong}"
    yield from problem_lines(report.copies)


def seconds_lines(seconds: Mapping[str, float]) -> Iterator[str]:
    """How long each stage of a run took."""
    yield from columns([("stage", "seconds")] + [(s, f"{t:.2f}") for s, t in seconds.items()])


def plan_lines(plan: Plan, every: bool = False) -> Iterator[str]:
    """What happens to each tensor; those of all layers on one line, or `every` on its own."""
    rows = [("source", "operation", "target", "dtype", "shape")]
    for step in plan.steps:
        source = step.source.name if step.source else ""
        dtype = step.dtype.name
        if step.casts and step.source:
            dtype = f"{step.source.dtype.name} → {dtype}"
        rows.append((source, step.operation, step.target, dtype, "×".join(map(str, step.shape))))
    rows += [(two.name, "tied", f"(equals {one.name})", "", "") for two, one in plan.tied]
    rows += [(e.name, "export", f"({UNCONVERTED_FILE})", "", "") for e in plan.exported]
    rows += [(name, "drop", f"({reason})", "", "") for name, reason in plan.dropped.items()]
    return columns(rows if every else [row for row, _ in merged(rows, names=(0, 2))])


def beside_lines(plan: Plan, family: str | None = None) -> Iterator[str]:
    """What will stand beside the weights: config.json, or the module of a graph.

    family: the one that the user gave
    """
    if not isinstance(plan, TablePlan):
        from converter.report.graph_text import module_lines

        yield from module_lines(plan)
        return
    yield f"{plan.transformers_class}, {plan.nbytes:,} bytes of weights; config.json:"
    yield from (f"  {name} = {json.dumps(value)}" for name, value in plan.config.items())
    yield from read_as_lines(plan)
    yield from assumed_lines(plan, family)


def assumed_lines(plan: TablePlan, family: str | None = None) -> Iterator[str]:
    """What the user said of the model, which both sides of the proof take; what nobody said."""
    told = [f"family {family}"] if family else []
    told += [f"{name}={_short(json.dumps(value))}" for name, value in plan.overrides.items()]
    told += [f"GluonNLP {plan.gluonnlp}"] if plan.gluonnlp else []
    told += [f"head {plan.head}"] if plan.head else []
    if told:
        yield f"on your word, which no proof shows: {safe(', '.join(told))}"
    yield from assumption_lines(plan.assumed)


def _short(text: str) -> str:
    """The beginning of a long value, such as the names of a thousand labels."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def assumption_lines(assumed: Sequence[Assumed]) -> Iterator[str]:
    """What was taken for granted, in one line, where there is anything."""
    if assumed:
        yield f"assumed, not in the file: {safe(assumed_line(assumed))}"


def error_lines(error: ConvertError) -> Iterator[str]:
    """An error as it may be printed on a terminal, whatever names the file holds."""
    first, *more = error.headline.split("\n")
    more += [f"  - {problem}" for problem in error.problems]
    yield f"Error: {safe(first)}"
    yield from map(safe, more)


def tokenizer_line(spec: TokenizerSpec) -> str:
    """Kind, size and files, without their folders; where they were found, if nobody gave them."""
    names = " and ".join(safe(path.name) for path in spec.files.given().values())
    found = f", {spec.found}" if spec.found else ""
    return f"tokenizer: {spec.kind}, {len(spec.vocabulary.tokens):,} tokens of {names}{found}"


def vocabulary_lines(plan: Plan, dst: Path | None) -> Iterator[str]:
    """The files that were taken; or why there are none, and what to do about it."""
    if not isinstance(plan, TablePlan):
        return
    if plan.tokenizer:
        for path in plan.tokenizer.files.given().values():
            found = f", {where(path, plan.index.path)}" if plan.tokenizer.found else ""
            yield f"took {path}{found}"
        return
    yield f"no tokenizer: {plan.no_tokenizer}"
    rule = plan.table.tokenizer
    if rule:
        for name in rule.public_names(plan.config["vocab_size"]):
            yield f"  {name} has as many tokens; whether they have the same ids was not checked"
        first, *others = dict.fromkeys(OPTIONS[kind] for kind in rule.kinds)
        given = f"bort-convert tokenizer {first} --dst {dst or 'DST'}"
        instead = f"or with {' or '.join(others)} in place of {first}" if others else ""
        yield "warning: no text becomes ids, and AutoTokenizer says so, until you add one:"
        yield f"  {given}"
        if instead:
            yield f"  {instead}"
