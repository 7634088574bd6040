"""A conversion by the graph, as lines for a person to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from converter.errors import safe
from converter.graph.variables import first_steps
from converter.planning.base import MODULE_FILE, Plan
from converter.planning.graph import GraphPlan
from converter.report.columns import Row, columns
from converter.report.verdicts import (
    bits_line,
    nonfinite_lines,
    problem_lines,
    record_line,
    word_of,
)

if TYPE_CHECKING:
    from converter.proof.graph.difference import NodeDifference
    from converter.proof.graph.parity import GraphParity
    from converter.proof.proof import GraphProof
    from converter.report.record import GraphReport

LISTED = 4
MEASURE = "of its largest value"  # what every difference of a graph is relative to


def graph_summary(report: GraphReport) -> Iterator[str]:
    """The report for a person: one line a fact, then parity."""
    plan, proof = report.plan, report.proof
    nodes = len(plan.program.calls)
    yield f"{plan.index.path.name}: {plan.symbol}, a graph of {nodes:,} nodes → {MODULE_FILE}"
    if plan.why:
        yield f"by its graph: {plan.why}"
    if len(report.files) > 1:
        yield f"weights in {len(report.files)} shards"
    yield from nonfinite_lines(report.nonfinite)
    yield from module_lines(plan)
    if proof is None:
        yield "not verified (--no-verify): run `bort-convert verify` before you rely on it"
        return
    yield from _verdicts(proof)
    if proof.parity and proof.parity.runs:
        yield ""
        yield from parity_lines(proof.parity)
    if proof.golden:
        yield ""
        yield "against the recorded golden:"
        yield from columns([HEADING, *map(_row, proof.golden.differences)])


def module_lines(plan: Plan) -> Iterator[str]:
    """What the module takes and gives, what is taken for granted, and what is left out."""
    assert isinstance(plan, GraphPlan)
    for one in plan.inputs:
        spec = one.spec
        shape = "×".join(map(str, spec.shape))
        yield safe(f"input {one.name}: {shape} {spec.dtype.name} ({one.told})")
    outputs = plan.outputs
    more = f", … ({len(outputs)} in all)" if len(outputs) > LISTED else ""
    yield safe(f"{'outputs' if outputs[1:] else 'output'}: {', '.join(outputs[:LISTED])}{more}")
    yield from (safe(f"assumed: {a.field}: {a.value} ({a.why})") for a in plan.assumed)
    yield from preprocessing_lines(plan)
    yield from left_out_lines(plan)


def preprocessing_lines(plan: GraphPlan) -> Iterator[str]:
    """What the graph does with an input itself; the rest is in neither of its files."""
    for one in plan.inputs:
        if calls := first_steps(plan.program, one.name):
            steps = ", ".join(
                f"{call.op.strip('_')} {call.attributes['scalar']:g}" for call in calls
            )
            yield safe(f"the graph begins with: {one.name} {steps}")


def left_out_lines(plan: GraphPlan) -> Iterator[str]:
    """Tensors of the file that the module does not have, together by the reason."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, reason in plan.dropped.items():
        reasons[reason].append(name)
    for reason, names in reasons.items():
        more = f", … ({len(names)} in all)" if len(names) > LISTED else ""
        yield safe(f"left out: {', '.join(names[:LISTED])}{more}: {reason}")


def _verdicts(proof: GraphProof) -> Iterator[str]:
    bits, names, parity = proof.bits, proof.names, proof.parity
    yield bits_line(bits)
    yield from map(safe, problem_lines(bits))
    yield f"names   {word_of(names)}  {names.tensors} of Model in {names.module}"
    yield from map(safe, problem_lines(names))
    if parity:
        yield f"parity  {word_of(parity)}  {_figures(parity)}"
        yield from map(safe, problem_lines(parity))
    else:
        yield f"parity  skipped, because {'names' if bits.passed else 'bits'} failed"
    if proof.golden:
        worst = max((d.relative for d in proof.golden.differences), default=0.0)
        yield f"golden  {word_of(proof.golden)}  at most {worst:.1e} {MEASURE}"
        yield from map(safe, problem_lines(proof.golden))
    if proof.unchanged:
        yield record_line(proof.unchanged)
        yield from map(safe, problem_lines(proof.unchanged))


def _figures(parity: GraphParity) -> str:
    nodes = max((run.nodes for run in parity.runs), default=0)
    worst = max((d.relative for run in parity.runs for d in run.worst), default=0.0)
    sizes = "1 size" if len(parity.runs) == 1 else f"{len(parity.runs)} sizes"
    return (
        f"{nodes} nodes, {sizes}: a node differs by at most {worst:.1e} {MEASURE}, "
        f"{parity.allowed:g} allowed"
    )


HEADING: Row = ("node", "operator", "difference", "max |value|", "")


def parity_lines(parity: GraphParity) -> Iterator[str]:
    """The worst nodes of each size, and the outputs of the whole run."""
    for run in parity.runs:
        yield safe(", ".join(f"{n} {'×'.join(map(str, s))}" for n, s in run.inputs.items()) + ":")
        rows = [HEADING, *map(_row, run.worst[:LISTED])]
        rows += [("output " + row[0], *row[1:]) for row in map(_row, run.outputs)]
        yield from (f"  {line}" for line in columns(rows))
    for one in parity.rounding:
        yield safe(f"rounding: --dtype itself moves {one.node} by {one.relative:.1e} {MEASURE}")


def _row(one: NodeDifference) -> Row:
    rows = "as rows" if one.rows else ""
    return one.node, one.operator, f"{one.relative:.1e}", f"{one.largest:.3g}", rows
