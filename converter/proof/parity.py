"""Question 3: GluonNLP's arithmetic on the source against Transformers on the target.

Random ids over the whole vocabulary, several lengths with padding, layer by layer, on valid
positions. Beside hidden states and logits, the output of every Dense is compared with that of
the module its weight went to: a key bias, for one, cannot be seen in any hidden state, because
softmax ignores what it adds to all scores of a query.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from converter.planning.plan import Plan
from converter.proof.reference.layers import Inputs, Outputs
from converter.proof.reference.settings import expressible_settings, source_settings
from converter.proof.source import run_source, source_input_spec
from converter.proof.target import run_target
from converter.tables.check import DECODER_EMBEDDINGS, EMBEDDINGS, OUTPUTS
from converter.tables.table import Golden

SEED = 20201022  # any fixed number: the same check every time
DENSE_OUTPUTS = "projections"
# float32 has 7 digits: where trained models have values in the hundreds and more (GPT-2's residual,
# the keys of a MiniLM), two correct sums differ by more. Larger values count in this measure.
RELATIVE_ABOVE = 10.0


@dataclass(frozen=True)
class Difference:
    """The largest absolute difference of one output, and the largest value of the reference.

    `scaled`: the largest difference where it is divided by the largest value of its position, in
    tens, if that is more than 10; this is what is judged.
    `nonfinite` of the `values` that were compared are NaN, or the same infinity, on both sides.
    """

    output: str
    max_abs_diff: float
    max_abs_value: float
    scaled: float
    nonfinite: int = 0
    values: int = 0


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
        is_published=_is_published(golden, model) if golden else None,
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


def compare(
    first: Outputs, second: Outputs, inputs: Inputs, nonfinite: bool = False
) -> Iterator[Difference]:
    """Differences on valid positions: embeddings, each layer, every Dense, pooled, logits."""
    valid, decoder_valid = inputs.valid(), inputs.decoder_valid()
    for number, (a, b) in enumerate(zip(first.hidden_states, second.hidden_states, strict=True)):
        yield difference(f"layer {number}" if number else EMBEDDINGS, a, b, valid, nonfinite)
    last = valid if decoder_valid is None else decoder_valid  # of what comes out at the end
    for number, (a, b) in enumerate(zip(first.decoder_states, second.decoder_states, strict=True)):
        name = f"decoder layer {number}" if number else DECODER_EMBEDDINGS
        yield difference(name, a, b, last, nonfinite)
    dense_outputs = [
        difference(
            DENSE_OUTPUTS,
            tap,
            second.dense_outputs[name],
            last if tap.shape[:2] == last.shape else valid,
            nonfinite,
        )
        for name, tap in first.dense_outputs.items()
        if name in second.dense_outputs
    ]
    if dense_outputs:
        worst = max(dense_outputs, key=lambda d: (np.isnan(d.scaled), d.scaled, d.max_abs_diff))
        counts = {
            name: sum(getattr(tap, name) for tap in dense_outputs)
            for name in ("nonfinite", "values")
        }
        yield replace(worst, **counts)
    for output in OUTPUTS:
        if output in first.named and output in second.named:
            yield difference(output, first.named[output], second.named[output], last, nonfinite)


def difference(
    output: str, a: np.ndarray, b: np.ndarray, valid: np.ndarray, nonfinite: bool = False
) -> Difference:
    """The largest |a - b| on valid positions: NaN when a side has one, infinite for two shapes.

    With `nonfinite`, values that are NaN on both sides, or the same infinity, are counted and
    left out: they show no difference, and no more than that.
    """
    if a.shape != b.shape:
        return Difference(output, float("inf"), float(np.abs(a).max()), float("inf"))
    if (a.ndim == 3 and a.shape[:2] == valid.shape) or "length" in OUTPUTS.get(output, ()):
        a, b = a[valid], b[valid]
    left_out = 0
    if nonfinite:
        alike = ~np.isfinite(a) & ((a == b) | (np.isnan(a) & np.isnan(b)))
        a, b = (np.where(alike, 0, x) for x in (a, b))
        left_out = int(alike.sum())
    gaps, sizes = np.abs(a - b), np.abs(a)
    scale = np.maximum(1, sizes.max(-1, keepdims=True, initial=0) / np.float32(RELATIVE_ABOVE))
    gap, largest, scaled = (float(x.max(initial=0)) for x in (gaps, sizes, gaps / scale))
    return Difference(output, gap, largest, scaled, left_out, a.size)


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


def _is_published(golden: Golden, model: Any) -> bool:
    """Whether the model, rounded as the published one was, gives the published numbers.

    Rounds the model in place, which costs no memory: nothing else may run on it afterwards.
    """
    import torch

    config = model.config
    if golden.shape[-1] != config.hidden_size or max(golden.input_ids) >= config.vocab_size:
        return False
    if len(golden.input_ids) > config.max_position_embeddings:
        return False
    dtype = getattr(torch, golden.weights)
    with ExitStack() as hooks:
        for module in model.base_model.modules():
            if isinstance(module, torch.nn.Embedding):  # most of the weights: its rows will do
                hooks.enter_context(_rounded_output(module, dtype))
                continue
            for parameter in module.parameters(recurse=False):
                parameter.copy_(parameter.to(dtype))
        result = model.base_model(torch.tensor([golden.input_ids]))
    begin = result.last_hidden_state[0, 0, : len(golden.begin)].numpy()
    return bool(np.abs(begin - np.array(golden.begin)).max() <= golden.atol)


@contextmanager
def _rounded_output(module: Any, dtype: Any) -> Iterator[None]:
    """What `module` gives is rounded to `dtype` while the context lasts."""
    hook = module.register_forward_hook(lambda _module, _inputs, output: output.to(dtype).float())
    try:
        yield
    finally:
        hook.remove()
