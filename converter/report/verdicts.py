"""What was proven of a family's model, as lines: a verdict, what belongs to it, what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from converter.params.nonfinite import Nonfinite
from converter.planning.plan import TablePlan
from converter.report.columns import columns, merged

if TYPE_CHECKING:
    from converter.proof.bits import Bits
    from converter.proof.difference import Difference
    from converter.proof.parity import MeasuredDifference, Parity
    from converter.proof.proof import TableProof, Unchanged
    from converter.proof.tokens import Tokens

INDENT = " " * 8  # under the word behind the verdict's name
SHOWN = 12  # problems of a verdict; --verbose and --json have all


def nonfinite_lines(found: Mapping[str, Nonfinite]) -> Iterator[str]:
    """The tensors with NaN or infinity, which the user allowed."""
    if found:
        yield "weights that are not finite (--allow-nonfinite):"
        yield from (f"  - {name}: {count}" for name, count in found.items())


def verdict_lines(plan: TablePlan, proof: TableProof, every: bool) -> Iterator[str]:
    """Each verdict, followed by what is stated of it and by its problems."""
    bits, names, parity = proof.bits, proof.names, proof.parity
    yield bits_line(bits)
    yield from problem_lines(bits, every)
    edited = f", edited in config.json: {', '.join(names.edited)}" if names.edited else ""
    yield f"names   {word_of(names)}  {names.tensors} of {names.transformers_class}{edited}"
    yield from problem_lines(names, every)
    if parity:
        yield _parity_line(parity)
        yield from _statements(plan, parity)
        yield from problem_lines(parity, every)
    else:
        yield "parity  skipped, because names failed"
    if proof.golden:
        worst = max((d.max_abs_diff for d in proof.golden.differences), default=0.0)
        of = f"largest difference {worst:.1e} from what was recorded"
        yield f"golden  {word_of(proof.golden)}  {of}"
        for stated in proof.golden.stated:
            gap = f"{stated.max_abs_diff:.1e}"
            yield f"{INDENT}{stated.output} of Transformers itself: {gap}, the known difference"
        yield from problem_lines(proof.golden, every)
    if proof.tokens:
        yield f"tokens  {word_of(proof.tokens)}  {token_line(proof.tokens)}"
        yield from problem_lines(proof.tokens, every)
    if proof.unchanged:
        yield record_line(proof.unchanged)
        yield from problem_lines(proof.unchanged, every)


def bits_line(bits: Bits) -> str:
    """The first verdict."""
    cast = f", {bits.cast} equal to the cast source" if bits.cast else ""
    count = len(bits.problems)
    wrong = "" if bits.passed else f"; {count} {'differ' if count > 1 else 'differs'}:"
    return f"bits    {word_of(bits)}  {bits.identical} tensors identical{cast}{wrong}"


def record_line(unchanged: Unchanged) -> str:
    """What `verify` says of the record."""
    files = unchanged.files
    return f"record  {word_of(unchanged)}  {files} files beside the weights and itself"


def token_line(tokens: Tokens) -> str:
    """How the tokenizer was compared with GluonNLP's arithmetic."""
    others = tokens.entries - tokens.own
    return (
        f"{tokens.texts + tokens.entries:,} texts, {tokens.ids:,} ids as in GluonNLP; "
        f"{tokens.own:,} of {tokens.entries:,} sampled entries are their own id"
        + (f", {others:,} become others in GluonNLP too" if others else "")
        + (f"; {tokens.excused:,} differ as the model card says" if tokens.excused else "")
    )


def word_of(verdict: Any) -> str:
    """A verdict in a word."""
    return str(getattr(verdict, "verdict", "passed" if verdict.passed else "FAILED"))


def problem_lines(verdict: Any, every: bool = False) -> Iterator[str]:
    """Why it did not pass."""
    problems = verdict.problems
    shown = problems if every else problems[:SHOWN]
    yield from (f"  - {problem}" for problem in shown)
    if len(shown) < len(problems):
        yield f"  … and {len(problems) - len(shown):,} more: --json lists them all"


def _parity_line(parity: Parity) -> str:
    worst = max(parity.differences, key=lambda d: (math.isnan(d.max_abs_diff), d.max_abs_diff))
    return (
        f"parity  {word_of(parity)}  largest difference {worst.max_abs_diff:.1e} "
        f"({worst.output}), {parity.atol:g} allowed, {len(parity.differences)} outputs"
    )


def _statements(plan: TablePlan, parity: Parity) -> Iterator[str]:
    """What was measured and is stated, never judged."""
    for known in parity.known_differences:
        yield f"{INDENT}{_known_line(plan, known)}"
    if parity.rounding:
        worst = max(d.max_abs_diff for d in parity.rounding)
        yield f"{INDENT}rounding to {plan.dtype} itself moves the outputs by up to {worst:.1e}"
    for d in parity.differences:
        if d.nonfinite:
            yield (
                f"{INDENT}{d.output}: {d.nonfinite:,} of {d.values:,} values are NaN or infinite, "
                "alike on both sides: parity shows nothing about them"
            )
    if parity.unproven:
        yield (
            f"{INDENT}{', '.join(parity.unproven)}: not proven. The reference gives hidden states "
            f"alone, so nothing is shown of what {plan.transformers_class} makes of them"
        )
    if parity.published and parity.is_published:
        yield f"{INDENT}this is {parity.published}: the published hidden states are reproduced"


def _known_line(plan: TablePlan, known: MeasuredDifference) -> str:
    """Why an output agrees and is yet not the original's: both sides have Transformers' setting."""
    names = {d.setting: d.config or d.setting for d in plan.table.known_differences}
    output = known.difference.output
    return (
        f"{output}: both sides with {names[known.setting]}={known.target}, as Transformers has it; "
        f"with the original's {known.source} it moves by {known.difference.max_abs_diff:.1e}"
    )


def parity_table(differences: Sequence[Difference], atol: float, every: bool) -> Iterator[str]:
    """A row for each output; of layers that all agree one, with the largest of each."""
    named = {d.output: d for d in differences}
    verdicts = [(d.output, d.verdict(atol)) for d in differences]
    groups = [(row, [row]) for row in verdicts] if every else merged(verdicts)
    rows = [("output", "difference", "largest value", "")]
    for (output, verdict), of in groups:
        gap = max(named[name].max_abs_diff for name, _ in of)
        value = max(named[name].max_abs_value for name, _ in of)
        rows.append((output, f"{gap:.1e}", f"{value:.3g}", verdict))
    yield from columns(rows)
