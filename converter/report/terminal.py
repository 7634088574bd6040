"""Plans, fits, tables and reports as lines for a person to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from converter.errors import ConvertError, safe
from converter.params import Index, TensorEntry, origin
from converter.params.nonfinite import Nonfinite
from converter.planning.assumptions import assumed_line
from converter.planning.match import Match
from converter.planning.plan import UNCONVERTED_FILE, Plan
from converter.planning.scopes import VERSIONS
from converter.report.record import ExportReport, Report
from converter.tables.unsupported import refused
from converter.tokenizer import tokenizer_line

if TYPE_CHECKING:
    from converter.params.content import Content
    from converter.proof.parity import Difference
    from converter.proof.proof import Proof
    from converter.proof.tokens import Tokens


LISTED = 8  # tensors of one kind that a person is shown; conversion.json has them all


def summary(report: Report) -> Iterator[str]:
    """The report for a person: one line a fact, then parity by layer."""
    plan, proof = report.plan, report.proof
    known = f" ({plan.known})" if plan.known else ""
    yield f"{plan.index.path.name}: {plan.table.name}{known} → {plan.transformers_class}"
    if len(report.files) > 1:
        yield f"weights in {len(report.files)} shards"
    yield from _nonfinite_lines(report.nonfinite)
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
        yield from columns(_difference_rows(proof.parity.differences, proof.parity.atol))
        statements = [*_statements(plan, proof)]
        yield from ["", *statements] if statements else []
    if proof.golden:
        yield ""
        yield "against the recorded golden:"
        yield from columns(_difference_rows(proof.golden.differences, proof.golden.atol))
        for stated in proof.golden.stated:
            gap = f"{stated.max_abs_diff:.1e} (known difference)"
            yield f"{stated.output} of Transformers itself: {gap}"


def export_lines(plan: Plan) -> Iterator[str]:
    """The tensors that the target class has no place for, and where they are."""
    if plan.match.exported:
        names = _named(plan.match.exported)
        yield f"not converted, in {UNCONVERTED_FILE} under their own names: {names}"
        yield f"  {plan.match.export_reason}"


def _named(entries: Sequence[TensorEntry]) -> str:
    """The names of a few tensors, or those of the first and how many there are."""
    names = ", ".join(safe(entry.name) for entry in entries[:LISTED])
    return f"{names}, … ({len(entries)} in all)" if len(entries) > LISTED else names


def export_summary(report: ExportReport) -> Iterator[str]:
    """The report of an export for a person: one line a fact."""
    yield f"{report.index.path.name}: {len(report.names):,} tensors → {report.target}"
    yield from (f"left out, it holds no array: {name}" for name in report.left_out)
    yield from _nonfinite_lines(report.nonfinite)
    if report.copies is None:
        yield "not verified (--no-verify)"
        return
    yield f"bits    {_word(report.copies)}  {report.copies.identical:,} tensors identical"
    yield from (f"  - {problem}" for problem in report.copies.problems)


def _nonfinite_lines(found: Mapping[str, Nonfinite]) -> Iterator[str]:
    if found:
        yield "weights that are not finite (--allow-nonfinite):"
        yield from (f"  - {name}: {count}" for name, count in found.items())


def _verdicts(proof: Proof) -> Iterator[str]:
    bits, names, parity = proof.bits, proof.names, proof.parity
    cast = f", {bits.cast} equal to the cast source" if bits.cast else ""
    yield f"bits    {_word(bits)}  {bits.identical} tensors identical{cast}"
    yield f"names   {_word(names)}  {names.tensors} of {names.transformers_class}"
    if parity:
        worst = max(d.max_abs_diff for d in parity.differences)
        yield (
            f"parity  {_word(parity)}  largest difference {worst:.1e}, "
            f"{parity.atol:g} allowed, {len(parity.differences)} outputs"
        )
    else:
        yield "parity  skipped, because names failed"
    if proof.tokens:
        yield f"tokens  {_word(proof.tokens)}  {token_line(proof.tokens)}"
    for verdict in (bits, names, parity, proof.golden, proof.tokens):
        for problem in verdict.problems if verdict else ():
            yield f"  - {problem}"


def token_line(tokens: Tokens) -> str:
    """How the tokenizer was compared with GluonNLP's arithmetic."""
    return (
        f"{tokens.texts + tokens.entries:,} texts, {tokens.ids:,} ids as in GluonNLP; "
        f"{tokens.own:,} of {tokens.entries:,} sampled entries are their own id"
        + (f"; {tokens.excused:,} differ as the model card says" if tokens.excused else "")
    )


def _word(verdict: Any) -> str:
    return "passed" if verdict.passed else "FAILED"


def _difference_rows(differences: tuple[Difference, ...], atol: float) -> Sequence[tuple[str, ...]]:
    head = ("output", "max |difference|", "max |value|", "")
    return [head] + [
        (
            d.output,
            f"{d.max_abs_diff:.1e}",
            f"{d.max_abs_value:.3g}",
            "ok" if d.scaled <= atol else "FAILED",
        )
        for d in differences
    ]


def _statements(plan: Plan, proof: Proof) -> Iterator[str]:
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


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows as aligned text, two spaces between the columns, nothing at the end of a line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()


def inspection_lines(
    index: Index, fits: Sequence[Match], content: Content | None = None
) -> Iterator[str]:
    """The tensors of a file, a line each; where it is from; and how each family fits."""
    rows = [("name", "dtype", "shape", "bytes", "format")]
    for entry in index.tensors.values():
        if entry.storage == "none":
            rows.append((safe(entry.name), "–", "no array", "0", entry.version))
            continue
        shape = "×".join(map(str, entry.shape)) or "scalar"
        kind = entry.version if entry.storage == "dense" else f"{entry.version} {entry.storage}"
        rows.append((safe(entry.name), entry.dtype.name, shape, f"{entry.nbytes:,}", kind))
    yield from columns(rows)
    yield ""
    yield f"{len(index.tensors):,} tensors, {index.size:,} bytes"
    yield from _origin(index, content)
    if version := next((fit.version for fit in fits if fit.version), None):
        yield f"names as {VERSIONS[version]} gives them"
    if content:
        yield from _content_lines(content)
    yield from _fits_lines(fits)


def _fits_lines(fits: Sequence[Match]) -> Iterator[str]:
    """The families that fit; when none does, the one that explains most, and why it does not."""
    fitting = [fit for fit in fits if not fit.problems]
    if not fitting and fits and (model := refused(fits[0].index)):
        yield str(model)
        return
    told = fitting or sorted(fits, key=lambda f: (not f.undecided, -f.accounted))[:1]
    for fit in told:
        yield from fit_lines(fit)
    if len(fitting) > 1 and len([fit for fit in fitting if fit.known]) != 1:
        yield "more than one family fits: choose with --family"
    others = [fit.table.name for fit in fits if fit not in told]
    if others:
        yield f"does not fit: {', '.join(others)}"


def _origin(index: Index, content: Content | None) -> Iterator[str]:
    if index.container != "params":
        yield f"container: {index.container}" + (f", in it {index.member}" if index.member else "")
    for version, era in origin.eras(index).items():
        yield f"format: {version}, written by {era}"
    if index.tensors:
        scheme = origin.naming(index)
        yield f"names: {scheme} ({origin.NAMINGS[scheme]})"
        yield "dtypes: " + ", ".join(f"{n:,} {name}" for name, n in origin.dtypes(index).items())
    if sparse := origin.stored_as(index, "row_sparse", "csr"):
        yield f"sparse: {', '.join(sparse)}"
    if missing := origin.stored_as(index, "none"):
        yield f"without array: {', '.join(missing)}"
    if model := origin.zoo_model(index, content.sha1 if content else None):
        yield f"GluonNLP's zoo: {model[0]}, by its {model[1]}"


def _content_lines(content: Content) -> Iterator[str]:
    """What reading all weights told."""
    for names in content.equal:
        yield f"equal: {' = '.join(names)}"
    if content.constant:
        yield f"one value throughout: {content.constant:,} tensors"
    for name, count in content.nonfinite.items():
        yield f"not finite: {name}: {count}"
    if not content.nonfinite:
        yield "all values are finite"


def fit_lines(fit: Match) -> Iterator[str]:
    """Whether a family fits, and what is missing or must be given by hand."""
    name = fit.table.name
    if fit.problems:
        yield f"{name}: does not fit: {fit.accounted} of {len(fit.index.tensors)} tensors explained"
        if fit.accounted or fit.undecided:  # else the list would be the whole table
            yield from (f"  - {safe(problem)}" for problem in fit.problems)
        return
    known = f", the sizes of {fit.known.name}" if fit.known else ""
    target = fit.target.transformers_class if fit.target else "nothing"
    yield f"{name}: fits{known}; becomes {target}"
    config = {*fit.sizes, *fit.table.config, *(fit.known.config if fit.known else ())}
    for needed in sorted(fit.table.required.keys() - config):
        yield f"  - the file does not store {needed}: convert with --config {needed}=N"
    if fit.exported:
        yield f"  - not converted but exported: {_named(fit.exported)}"
    yield from (f"  - {version.text}" for version in fit.table.versions if version.text)


def seconds_lines(seconds: Mapping[str, float]) -> Iterator[str]:
    """How long each stage of a run took."""
    yield from columns([("stage", "seconds")] + [(s, f"{t:.2f}") for s, t in seconds.items()])


def plan_lines(plan: Plan) -> Iterator[str]:
    """What happens to every tensor, a line each."""
    rows = [("source", "operation", "target", "dtype", "shape")]
    for step in plan.steps:
        source = safe(step.source.name) if step.source else ""
        dtype = step.dtype.name
        if step.casts and step.source:
            dtype = f"{step.source.dtype.name} → {dtype}"
        rows.append((source, step.operation, step.target, dtype, "×".join(map(str, step.shape))))
    match = plan.match
    rows += [(two.name, "tied", f"(equals {one.name})", "", "") for two, one in match.tied]
    rows += [(safe(e.name), "export", f"({UNCONVERTED_FILE})", "", "") for e in match.exported]
    rows += [(safe(name), "drop", f"({reason})", "", "") for name, reason in match.dropped.items()]
    return columns(rows)


def config_lines(plan: Plan) -> Iterator[str]:
    """What config.json will say."""
    yield f"{plan.transformers_class}, {plan.nbytes:,} bytes of weights; config.json:"
    yield from (f"  {name} = {json.dumps(value)}" for name, value in plan.config.items())
    yield from assumed_lines(plan)


def assumed_lines(plan: Plan) -> Iterator[str]:
    """What no tensor tells and nobody gave, in one line."""
    if plan.assumed:
        yield f"assumed, not in the file: {safe(assumed_line(plan.assumed))}"


def error_lines(error: ConvertError) -> Iterator[str]:
    """An error as it may stand on a terminal, whatever names the file holds."""
    first, *more = error.headline.split("\n")
    more += [f"  - {problem}" for problem in error.problems]
    yield f"Error: {safe(first)}"
    yield from map(safe, more)
