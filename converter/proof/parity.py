"""Question 3: GluonNLP's arithmetic on the source against Transformers on the target.

Random ids over the whole vocabulary, several lengths with padding, layer by layer, on valid
positions. Beside hidden states and logits, the output of every Dense is compared with that of
the module its weight went to: a key bias, for one, cannot be seen in any hidden state, because
softmax ignores what it adds to all scores of a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.planning.plan import TablePlan
from converter.proof.difference import DenseDifferences, Difference, compare
from converter.proof.golden import is_published
from converter.proof.reference.layers import Inputs, Outputs
from converter.proof.reference.settings import EXACT, expressible_settings, source_settings
from converter.proof.source import run_source, source_input_spec
from converter.proof.spool import Named, Spool, spooled
from converter.proof.target import run_target
from converter.tables.check import EMBEDDINGS, OUTPUTS

SEED = 20201022  # any fixed number: the same check every time
# How far the cast of --dtype may move an output: models that work in the dtype stay far below
ROUNDING = {"float16": 0.1, "bfloat16": 0.8, "float32": 1e-3}
PREDICTED = 24  # positions that XLNet's query stream is run on; it predicts every second one
KNOWN = 0.05  # how far what Transformers cannot express may move the output it is known for


@dataclass(frozen=True)
class MeasuredDifference:
    """What Transformers cannot express: the difference GluonNLP's own setting would make."""

    text: str
    setting: str
    source: float
    target: float
    difference: Difference


@dataclass(frozen=True)
class Parity:
    """`differences` are judged against `atol`, `scaled` as they are.

    The rest is measured and stated.

    `rounding`: what the cast of `--dtype` does to the outputs (empty without a cast).
    `unproven`: logits of the class that the reference does not give: nothing is shown of them.
    `published`: the published model this one is compared with, and `is_published` the answer
    (None: the table has no golden).
    """

    passed: bool
    atol: float
    seed: int
    batch: int
    valid_lengths: tuple[int, ...]
    differences: tuple[Difference, ...]
    known_differences: tuple[MeasuredDifference, ...]
    rounding: tuple[Difference, ...]
    published: str | None
    is_published: bool | None
    problems: tuple[str, ...]
    unproven: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """`passed`; `weak`: nothing differs, and the comparison shows too little; or `FAILED`."""
        weak = [d.verdict(self.atol) for d in self.differences].count("weak")
        return "passed" if self.passed else "weak" if weak == len(self.problems) else "FAILED"


@dataclass(frozen=True)
class SourceSide:
    """What GluonNLP's arithmetic gives for the inputs of the check, before the target is loaded.

    `dense`: what each Dense gave, by the structural name of its weight. Both it and the reference
    are in the spool, and read when they are asked for.
    `problems`: what is wrong already, whatever the target gives.
    """

    inputs: Inputs
    reference: Outputs
    dense: Mapping[str, np.ndarray]
    known_differences: tuple[MeasuredDifference, ...]
    rounding: tuple[Difference, ...]
    problems: tuple[str, ...]


def run_source_side(
    plan: TablePlan, nonfinite: bool = False, spool: Spool | None = None
) -> SourceSide:
    """The reference, and the differences that are on the source's side alone.

    `nonfinite`: the weights hold NaN or infinity. `spool`: where the outputs wait for the target's,
    and which the caller closes; by default among the system's temporary files.
    """
    inputs = _inputs(plan)
    spool = spool or Spool()
    dense = Named(spool, "dense")
    reference = spooled(run_source(plan, inputs, dense=dense), spool)
    rounding: tuple[Difference, ...] = ()
    if any(step.casts for step in plan.steps):
        uncast = run_source(plan, inputs, cast=False)
        rounding = tuple(compare(uncast, reference, inputs, nonfinite))
    problems = [*_too_much_rounding(plan, rounding)]
    if plan.exported:
        moved = DenseDifferences(dense, inputs, nonfinite)
        whole = run_source(plan, inputs, exported=True, dense=moved)
        problems += _needed(whole, reference, compare(whole, reference, inputs, nonfinite, moved))
    known, more = _known_differences(plan, reference, inputs, nonfinite)
    return SourceSide(inputs, reference, dense, tuple(known), rounding, (*problems, *more))


def check_parity(
    plan: TablePlan, source: SourceSide, model: Any, atol: float, nonfinite: bool = False
) -> Parity:
    """Run the target on the same ids and compare; `model` comes from `target_model`.

    `nonfinite`: the weights hold NaN or infinity, so both sides may give them too.
    """
    dense = DenseDifferences(source.dense, source.inputs, nonfinite)
    outputs = run_target(plan, model, source.inputs, dense)
    differences = tuple(compare(source.reference, outputs, source.inputs, nonfinite, dense))
    problems = [*source.problems, *model.loading_problems, *_one_sided(source.reference, outputs)]
    problems += [problem for d in differences if (problem := d.problem(atol))]
    golden = plan.table.golden
    return Parity(
        passed=not problems,
        atol=atol,
        seed=SEED,
        batch=len(source.inputs.input_ids),
        valid_lengths=tuple(int(n) for n in source.inputs.valid_length),
        differences=differences,
        known_differences=source.known_differences,
        rounding=source.rounding,
        published=golden.of if golden else None,
        is_published=is_published(golden, model) if golden else None,
        problems=tuple(problems),
        unproven=outputs.unproven,
    )


def _inputs(plan: TablePlan) -> Inputs:
    spec = source_input_spec(plan)
    length = min(spec.length, spec.max_length or spec.length)
    lengths = _lengths(length)[: spec.batch]
    random = np.random.default_rng(SEED)
    words = np.arange(plan.config["vocab_size"])
    if any(step.operation == "pad" for step in plan.steps if step.source):
        # So that the target counts its positions itself: told which, it would hide a wrong offset
        words = words[words != plan.config.get("pad_token_id")]
    ids = random.choice(words, (len(lengths), length))
    types = random.integers(0, spec.token_types, ids.shape) if spec.token_types else None
    predicted = None
    if spec.query_stream:
        predicted = np.arange(min(length, PREDICTED)) % 2 == np.ones((len(ids), 1))
    if not spec.decoder:
        return Inputs(ids, lengths, types, predicted=predicted)
    # Of another length than the encoder's, so that no output of one can pass for one of the other.
    decoder_length = max(1, 3 * length // 4)
    decoder_lengths = np.roll(_lengths(decoder_length)[: spec.batch], 1)
    decoder_ids = random.choice(words, (len(lengths), decoder_length))
    return Inputs(ids, lengths, types, decoder_ids, decoder_lengths)


def _lengths(length: int) -> np.ndarray:
    return np.array([length, max(1, 2 * length // 3), max(1, length // 3), 1])


def _one_sided(reference: Outputs, outputs: Outputs) -> Iterator[str]:
    """An output that one side lacks was compared with nothing: that is no proof.

    Not so `pooled`: its Dense is among the projections, and what is made of it in the logits.
    Transformers keeps it inside `RobertaForSequenceClassification`, for one.
    """
    for ours, theirs in zip(_states(reference), _states(outputs), strict=True):
        if len(ours) != len(theirs):
            yield f"the source has {len(ours) - 1} layers, the target {len(theirs) - 1}"
    for name in OUTPUTS:
        here, there = name in reference.named, name in outputs.named
        if here != there and name != "pooled":
            yield f"{name}: {'the source' if here else 'the target'} alone gives it"


def _states(outputs: Outputs) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    return outputs.hidden_states, outputs.decoder_states


def _too_much_rounding(plan: TablePlan, rounding: Sequence[Difference]) -> Iterator[str]:
    for found in rounding:
        bound = ROUNDING[plan.dtype]
        if not found.scaled <= bound:
            others = " or ".join(name for name in ROUNDING if name != plan.dtype)
            yield (
                f"rounding to {plan.dtype} moves {found.output} by {found.max_abs_diff:.3g}, more "
                f"than {bound:g}: choose --dtype {others}, or keep"
            )


def _needed(whole: Outputs, reference: Outputs, differences: Iterable[Difference]) -> Iterator[str]:
    """What GluonNLP computes otherwise without the tensors that no target has a place for."""
    changed = [d.output for d in differences if d.max_abs_diff != 0]
    if [*map(len, _states(whole))] != [*map(len, _states(reference))]:
        changed.append("the number of layers")
    if changed:
        yield f"the exported tensors change {', '.join(changed)}: they are needed in the model"


def _known_differences(
    plan: TablePlan,
    reference: Outputs,
    inputs: Inputs,
    nonfinite: bool,
) -> tuple[list[MeasuredDifference], list[str]]:
    """What is measured; and what is too much to be known: nothing before the output may move."""
    measured, problems = [], []
    own, expressible = source_settings(plan), expressible_settings(plan)
    for known in plan.table.known_differences:
        name, output = known.setting, known.output
        if output not in {EMBEDDINGS, *reference.named} or own[name] == expressible[name]:
            continue
        original = run_source(plan, inputs, settings={name: own[name]})
        found = {d.output: d for d in compare(original, reference, inputs, nonfinite)}
        of = found[output]
        if of.max_abs_diff == 0:  # not in this model: MobileBERT's no_norm has no epsilon
            continue
        measured.append(MeasuredDifference(known.text, name, own[name], expressible[name], of))
        before = (
            [] if output == EMBEDDINGS else [d for d in found if "layer" in d or d == EMBEDDINGS]
        )
        if moved := [d for d in before if found[d].max_abs_diff != 0]:
            problems.append(f"the known difference in {output} moves {', '.join(moved)} too")
        if name not in EXACT and not of.scaled <= KNOWN:
            problems.append(
                f"the known difference {name} moves {output} by {of.max_abs_diff:.3g}, more than "
                f"{KNOWN:g}: Transformers cannot express this model"
            )
    return measured, problems
