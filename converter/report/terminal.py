"""Plans and reports as lines for a person to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.errors import ConvertError, safe
from converter.params.nonfinite import Nonfinite
from converter.planning.assumptions import Assumed, assumed_line
from converter.planning.base import UNCONVERTED_FILE, Plan
from converter.planning.plan import TablePlan
from converter.report.columns import columns, merged
from converter.report.inspection import some_names
from converter.report.record import ExportReport, GraphReport, Report, TableReport
from converter.tokenizer import TokenizerSpec, where
from converter.tokenizer.spec import OPTIONS

if TYPE_CHECKING:
    from converter.proof.bits import Bits
    from converter.proof.difference import Difference
    from converter.proof.proof import TableProof, Unchanged
    from converter.proof.tokens import Tokens


def summary(report: Report, every: bool = False) -> Iterator[str]:
    """The report for a person: one line a fact, then parity; `every` layer on a line of its own."""
    if isinstance(report, TableReport):
        return _table_summary(report, every)
    from converter.report.graph_text import graph_summary

    assert isinstance(report, GraphReport)
    return graph_summary(report)


def _table_summary(report: TableReport, every: bool) -> Iterator[str]:
    plan, proof = report.plan, report.proof
    known = f" ({plan.known})" if plan.known else ""
    yield f"{plan.index.path.name}: {plan.table.name}{known} → {plan.transformers_class}"
    if len(report.files) > 1:
        yield f"weights in {len(report.files)} shards"
    yield from nonfinite_lines(report.nonfinite)
    yield from export_lines(plan)
    yield from assumed_lines(plan)
    yield from (f"note: {text}" for text in plan.warnings())
    if plan.tokenizer:
        yield tokenizer_line(plan.tokenizer)
    if proof is None:
        yield "not verified (--no-verify): run `bort-convert verify` before you rely on it"
        return
    yield from _verdicts(proof)
    if proof.parity:
        yield ""
        yield from columns(_difference_rows(proof.parity.differences, proof.parity.atol, every))
        statements = [*_statements(plan, proof)]
        yield from ["", *statements] if statements else []
    if proof.golden:
        yield ""
        yield "against the recorded golden:"
        yield from columns(_difference_rows(proof.golden.differences, proof.golden.atol, every))
        for stated in proof.golden.stated:
            gap = f"{stated.max_abs_diff:.1e} (known difference)"
            yield f"{stated.output} of Transformers itself: {gap}"


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
    yield f"bits    {word_of(report.copies)}  {report.copies.identical:,} tensors identical"
    yield from (f"  - {problem}" for problem in report.copies.problems)


def nonfinite_lines(found: Mapping[str, Nonfinite]) -> Iterator[str]:
    """The tensors with NaN or infinity, which the user allowed."""
    if found:
        yield "weights that are not finite (--allow-nonfinite):"
        yield from (f"  - {name}: {count}" for name, count in found.items())


def _verdicts(proof: TableProof) -> Iterator[str]:
    bits, names, parity = proof.bits, proof.names, proof.parity
    yield bits_line(bits)
    edited = f", edited in config.json: {', '.join(names.edited)}" if names.edited else ""
    yield f"names   {word_of(names)}  {names.tensors} of {names.transformers_class}{edited}"
    if parity:
        worst = max(d.max_abs_diff for d in parity.differences)
        yield (
            f"parity  {word_of(parity)}  largest difference {worst:.1e}, "
            f"{parity.atol:g} allowed, {len(parity.differences)} outputs"
        )
    else:
        yield "parity  skipped, because names failed"
    if proof.tokens:
        yield f"tokens  {word_of(proof.tokens)}  {token_line(proof.tokens)}"
    if proof.unchanged:
        yield record_line(proof.unchanged)
    for verdict in (bits, names, parity, *proof.optional):
        for problem in verdict.problems if verdict else ():
            yield f"  - {problem}"


def bits_line(bits: Bits) -> str:
    """The first verdict."""
    cast = f", {bits.cast} equal to the cast source" if bits.cast else ""
    return f"bits    {word_of(bits)}  {bits.identical} tensors identical{cast}"


def record_line(unchanged: Unchanged) -> str:
    """What `verify` says of the record."""
    files = unchanged.files
    return f"record  {word_of(unchanged)}  {files} files beside the weights and itself"


def token_line(tokens: Tokens) -> str:
    """How the tokenizer was compared with GluonNLP's arithmetic."""
    return (
        f"{tokens.texts + tokens.entries:,} texts, {tokens.ids:,} ids as in GluonNLP; "
        f"{tokens.own:,} of {tokens.entries:,} sampled entries are their own id"
        + (f"; {tokens.excused:,} differ as the model card says" if tokens.excused else "")
    )


def word_of(verdict: Any) -> str:
    """A verdict in a word."""
    return str(getattr(verdict, "verdict", "passed" if verdict.passed else "FAILED"))


def _difference_rows(
    differences: Sequence[Difference], atol: float, every: bool
) -> Sequence[tuple[str, ...]]:
    """A row for each output; of layers that all agree one, with the largest of each."""
    named = {d.output: d for d in differences}
    verdicts = [(d.output, d.verdict(atol)) for d in differences]
    groups = [(row, [row]) for row in verdicts] if every else merged(verdicts)
    rows = [("output", "max |difference|", "max |value|", "")]
    for (output, verdict), of in groups:
        gap = max(named[name].max_abs_diff for name, _ in of)
        value = max(named[name].max_abs_value for name, _ in of)
        rows.append((output, f"{gap:.1e}", f"{value:.3g}", verdict))
    return rows


def _statements(plan: TablePlan, proof: TableProof) -> Iterator[str]:
    """What was measured and is stated, never judged."""
    parity = proof.parity
    assert parity is not None
    for d in parity.differences:
        if d.nonfinite:
            yield (
                f"{d.output}: {d.nonfinite:,} of {d.values:,} values are NaN or infinite, alike "
                "on both sides: parity shows nothing about them."
            )
    if parity.unproven:
        yield (
            f"{', '.join(parity.unproven)}: not proven. The reference gives hidden states alone, "
            f"so nothing is shown of what {plan.transformers_class} makes of them."
        )
    for known in parity.known_differences:
        gap = known.difference.max_abs_diff
        yield f"known difference: {known.text} Measured here: {gap:.1e}."
    if parity.rounding:
        worst = max(d.max_abs_diff for d in parity.rounding)
        yield f"rounding: --dtype itself moves the outputs by up to {worst:.1e}."
    if parity.published:
        yield (
            f"this is {parity.published}: the published hidden states are reproduced."
            if parity.is_published
            else f"this is not {parity.published}, but another model of its family."
        )


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


def beside_lines(plan: Plan) -> Iterator[str]:
    """What will stand beside the weights: config.json, or the module of a graph."""
    if not isinstance(plan, TablePlan):
        from converter.report.graph_text import module_lines

        yield from module_lines(plan)
        return
    yield f"{plan.transformers_class}, {plan.nbytes:,} bytes of weights; config.json:"
    yield from (f"  {name} = {json.dumps(value)}" for name, value in plan.config.items())
    yield from assumed_lines(plan)


def assumed_lines(plan: TablePlan) -> Iterator[str]:
    """What the user said of the model, which both sides of the proof take; what nobody said."""
    told = [f"{name}={json.dumps(value)}" for name, value in plan.overrides.items()]
    told += [f"GluonNLP {plan.gluonnlp}"] if plan.gluonnlp else []
    told += [f"head {plan.head}"] if plan.head else []
    if told:
        yield f"on your word: {safe(', '.join(told))}"
    yield from assumption_lines(plan.assumed)


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
        instead = f", with {' or '.join(others)} in place of {first}" if others else ""
        yield (
            "warning: no text becomes ids, and AutoTokenizer says so, until you add one: "
            f"{given}{instead}"
        )
