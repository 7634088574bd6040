"""Question 3: GluonNLP's arithmetic on the source against Transformers on the target.

Random ids over the whole vocabulary, several lengths with padding, layer by layer, on valid
positions. Beside hidden states and logits, the output of every Dense is compared with that of
the module its weight went to: a key bias, for one, cannot be seen in any hidden state, because
softmax ignores what it adds to all scores of a query.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.planning.plan import Plan
from converter.proof.difference import DENSE_OUTPUTS, Difference, compare
from converter.proof.golden import is_published
from converter.proof.reference.layers import Inputs, Outputs
from converter.proof.reference.settings import expressible_settings, source_settings
from converter.proof.source import run_source, source_input_spec
from converter.proof.target import run_target
from converter.tables.check import EMBEDDINGS, OUTPUTS

SEED = 20201022  # any fixed number: the same check every time


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


@dataclass(frozen=True)
class SourceSide:
    """What GluonNLP's arithmetic gives for the inputs of the check, before the target is loaded."""

    inputs: Inputs
    reference: Outputs
    known_differences: tuple[MeasuredDifference, ...]
    rounding: tuple[Difference, ...]


def run_source_side(plan: Plan) -> SourceSide:
    """The reference, and the differences that are on the source's side alone."""
    inputs = _inputs(plan)
    kept: dict[str, np.ndarray] = {}
    reference = run_source(plan, inputs, kept=kept)
    rounding: tuple[Difference, ...] = ()
    if any(step.casts for step in plan.steps):
        uncast = run_source(plan, inputs, cast=False, kept=kept)
        rounding = tuple(d for d in compare(uncast, reference, inputs) if d.output != DENSE_OUTPUTS)
    known = tuple(_known_differences(plan, reference, inputs, kept))
    return SourceSide(inputs, reference, known, rounding)


def check_parity(
    plan: Plan, source: SourceSide, model: Any, atol: float, nonfinite: bool = False
) -> Parity:
    """Run the target on the same ids and compare; `model` comes from `target_model`.

    `nonfinite`: the weights hold NaN or infinity, so both sides may give them too.
    """
    outputs = run_target(plan, model, source.inputs)
    differences = tuple(compare(source.reference, outputs, source.inputs, nonfinite))
    problems = [*model.loading_problems, *_one_sided(source.reference, outputs)]
    for difference in differences:
        if not difference.scaled <= atol:  # NaN fails too
            problems.append(
                f"{difference.output} is NaN or infinite on one side alone: GluonNLP and "
                "Transformers need not treat such numbers alike; --no-verify converts without proof"
                if nonfinite and not np.isfinite(difference.max_abs_diff)
                else f"{difference.output} differs by {difference.max_abs_diff:.3g}, "
                f"more than {atol:g} allows"
            )
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


def _inputs(plan: Plan) -> Inputs:
    spec = source_input_spec(plan)
    length = min(spec.length, spec.max_length or spec.length)
    lengths = _lengths(length)[: spec.batch]
    random = np.random.default_rng(SEED)
    words = np.arange(plan.config["vocab_size"])
    left_out = [plan.config.get(field, -1) for field in plan.table.untested]
    if any(step.operation == "pad" for step in plan.steps if step.source):
        # So that the target counts its positions itself: told which, it would hide a wrong offset
        left_out.append(plan.config.get("pad_token_id", -1))
    words = np.setdiff1d(words, left_out)
    ids = random.choice(words, (len(lengths), length))
    types = random.integers(0, spec.token_types, ids.shape) if spec.token_types else None
    if not spec.decoder:
        return Inputs(ids, lengths, types)
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
    for name in OUTPUTS:
        here, there = name in reference.named, name in outputs.named
        if here != there and name != "pooled":
            yield f"{name}: {'the source' if here else 'the target'} alone gives it"


def _known_differences(
    plan: Plan, reference: Outputs, inputs: Inputs, kept: dict[str, np.ndarray]
) -> Iterator[MeasuredDifference]:
    own, expressible = source_settings(plan), expressible_settings(plan)
    for known in plan.table.known_differences:
        name, output = known.setting, known.output
        if output not in {EMBEDDINGS, *reference.named} or own[name] == expressible[name]:
            continue
        original = run_source(plan, inputs, settings={name: own[name]}, kept=kept)
        found = {d.output: d for d in compare(original, reference, inputs)}[output]
        if found.max_abs_diff == 0:  # not in this model: MobileBERT's no_norm has no epsilon
            continue
        yield MeasuredDifference(known.text, name, own[name], expressible[name], found)
