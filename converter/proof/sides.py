"""The two sides of parity, each run on the same ids: GluonNLP's arithmetic and Transformers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from converter.errors import ConvertError
from converter.params import Weights as Stored
from converter.planning.plan import Plan
from converter.proof.reference.layers import Inputs, InputSpec, Outputs, Weights
from converter.proof.reference.settings import (
    expressible_settings,
    reference_of,
    source_settings,
)


def run_source(
    plan: Plan,
    inputs: Inputs,
    *,
    cast: bool = True,
    settings: Mapping[str, Any] | None = None,
    kept: dict[str, np.ndarray] | None = None,
) -> Outputs:
    """GluonNLP's arithmetic on the source's tensors, as they are or cast as the plan casts.

    `settings` replaces some of `expressible_settings`. `kept` is a place for the largest tensor
    (the word embedding), so that another run on the same plan need not read it again.
    """
    chosen = {**source_settings(plan), **expressible_settings(plan), **(settings or {})}
    with _forward_pass(plan) as reference, Stored(plan.index) as stored:
        params = _SourceTensors(plan, stored, cast, {} if kept is None else kept)
        outputs: Outputs = reference.forward(Weights(params, plan.match.prefix), inputs, **chosen)
    return outputs


def source_input_spec(plan: Plan) -> InputSpec:
    """What inputs the source takes, from its tensors; not from our tables."""
    with _forward_pass(plan) as reference, Stored(plan.index) as stored:
        params = _SourceTensors(plan, stored, False, {})
        spec: InputSpec = reference.input_spec(Weights(params, plan.match.prefix))
    return spec


@contextmanager
def _forward_pass(plan: Plan) -> Iterator[Any]:
    """The module of the reference that the table names; its failures say what they mean."""
    try:
        name = reference_of(plan).forward
        yield importlib.import_module(f"converter.proof.reference.{name}")
    except (KeyError, ValueError, IndexError) as error:  # a user's table for another reference
        raise ConvertError(
            f"{plan.index.path}: the reference {plan.table.reference!r} cannot run on its tensors "
            f"({type(error).__name__}: {error}); without it nothing is proven: --no-verify converts"
        ) from error


class _SourceTensors(Mapping[str, np.ndarray]):
    """The source's tensors by structural name, read when asked for; cast as the plan casts.

    Without the exported ones: the target has no place for what GluonNLP makes of them.
    Not mapped into memory: a source that is cut short meanwhile is an error then, not a crash.
    """

    def __init__(self, plan: Plan, stored: Stored, cast: bool, kept: dict[str, np.ndarray]) -> None:
        exported = {entry.name for entry in plan.match.exported}
        self._tensors = {n: e for n, e in plan.index.tensors.items() if e.name not in exported}
        self._stored, self._kept = stored, kept
        self._largest = max((e.dense_nbytes for e in self._tensors.values()), default=0)
        self._casts = {s.source.name: s for s in plan.steps if cast and s.source and s.casts}

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._tensors[name]
        array = self._kept.get(name)
        if array is None:
            array = self._stored.whole(entry)
            if entry.dense_nbytes == self._largest:
                self._kept[name] = array
        step = self._casts.get(entry.name)
        return step.cast(array) if step else array

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def run_target(plan: Plan, model: Any, inputs: Inputs) -> Outputs:
    """The Transformers model on the same inputs, its outputs under GluonNLP's words."""
    import torch

    seen: dict[str, np.ndarray] = {}
    pooled: dict[str, np.ndarray] = {}
    with ExitStack() as hooks:
        for step in plan.steps:
            if step.source and step.target.endswith(".weight"):
                module = model.get_submodule(step.target.removesuffix(".weight"))
                hooks.enter_context(_Recorded(module, seen, step.target))
        pooler = getattr(model.base_model, "pooler_activation", None)  # ALBERT's tanh stands apart
        pooler = pooler or getattr(model.base_model, "pooler", None)
        if pooler is not None:
            hooks.enter_context(_Recorded(pooler, pooled, "pooled"))
        arrays = {"input_ids": inputs.input_ids, "attention_mask": inputs.valid()}
        if inputs.token_types is not None:
            arrays["token_type_ids"] = inputs.token_types
        decoder_valid = inputs.decoder_valid()
        if inputs.decoder_ids is not None and decoder_valid is not None:
            arrays |= {
                "decoder_input_ids": inputs.decoder_ids,
                "decoder_attention_mask": decoder_valid,
            }
        arrays |= _positions(plan, inputs)
        tensors = {name: torch.from_numpy(a.astype(np.int64)) for name, a in arrays.items()}
        try:
            result = model(**tensors, output_hidden_states=True)
        except Exception as error:  # Transformers states no errors: a config may break it anywhere
            raise ConvertError(
                f"{plan.transformers_class} cannot run with this config; look at what --config "
                f"gives: {type(error).__name__}: {error}"
            ) from error
    named = {
        ours: result[theirs].numpy()
        for theirs, ours in plan.target.outputs.items()
        if theirs in result
    }
    if inputs.decoder_ids is None:
        states, decoder_states = result.hidden_states, tuple[Any, ...]()
    else:
        states, decoder_states = result.encoder_hidden_states, result.decoder_hidden_states
    return Outputs(
        tuple(state.numpy() for state in states),
        _dense_outputs(plan, seen, inputs.input_ids.shape),
        {**pooled, **named},
        tuple(state.numpy() for state in decoder_states),
        tuple(name for name in result if "logits" in name and name not in plan.target.outputs),
    )


def _dense_outputs(
    plan: Plan, seen: Mapping[str, np.ndarray], shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """What the modules gave, by the structural name of the source's weight.

    Several modules whose weights are rows of one Dense (`split`) give its output together.
    """
    keys = {entry.name: key for key, entry in plan.index.tensors.items()}
    dense_outputs = {}
    for steps in plan.rows():
        parts = (
            steps if steps[0].operation == "split" else steps[:1]
        )  # others: the same several times
        found = [_batch_first(seen[s.target], shape) for s in parts if s.target in seen]
        if len(found) == len(parts):
            shapes = {tap.shape[:-1] for tap in found}  # several: no Dense gives such an output
            tap = np.concatenate(found, axis=-1) if len(shapes) == 1 else found[0]
            dense_outputs[keys[steps[0].sources[0].name]] = tap
    return dense_outputs


def _positions(plan: Plan, inputs: Inputs) -> dict[str, np.ndarray]:
    """`position_ids` as GluonNLP counts them, where the target would count otherwise.

    A target whose positions begin with rows that `pad` made (RoBERTa's) counts words that are not
    the padding; GluonNLP counts all. The two differ when the padding stands among the words.
    """
    padded = [step.number for step in plan.steps if step.operation == "pad"]
    ids, padding = inputs.input_ids, plan.config.get("pad_token_id")
    if inputs.decoder_ids is not None:  # BART counts all, as GluonNLP does
        return {}
    if not padded or not (inputs.valid() & (ids == padding)).any():
        return {}
    return {"position_ids": np.broadcast_to(np.arange(ids.shape[1]) + padded[0], ids.shape)}


def _batch_first(tap: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(batch, length, …), also of a model that has it the other way inside (XLNet)."""
    return tap.swapaxes(0, 1) if tap.shape[:2] == shape[::-1] != shape else tap


class _Recorded:
    """Keep what a module gives, as NumPy, while the context lasts."""

    def __init__(self, module: Any, into: dict[str, np.ndarray], name: str) -> None:
        self._handle = module.register_forward_hook(
            lambda _module, _inputs, output: into.update({name: output.numpy()})
        )

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._handle.remove()
