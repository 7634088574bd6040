"""The target side: the Transformers class, empty or with the written weights, and its run."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConvertError
from converter.planning.plan import TablePlan
from converter.proof.reference.layers import Inputs, Outputs


def import_class(name: str) -> Any:
    """`transformers`, with the class and all that it needs imported.

    That makes a million objects and no garbage: Python does not look for it meanwhile, which
    saves a tenth of the time. Raises `ConvertError` when there is no torch, no Transformers or no
    such class.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401
        import transformers

        target_class(transformers, name)
    except ImportError as error:
        raise ConvertError(
            "the proof needs torch and transformers (pip install torch transformers); "
            "--no-verify converts without proof"
        ) from error
    finally:
        if collecting:
            gc.enable()
    return transformers


@contextmanager
def quiet_transformers(name: str) -> Iterator[Any]:
    """The class `name` of Transformers, without progress bars and advice; see `import_class`."""
    transformers = import_class(name)
    logging: Any = transformers.utils.logging  # untyped in Transformers
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield target_class(transformers, name)
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def target_class(transformers: Any, name: str) -> Any:
    """A class by its name. Raises `ConvertError` when this Transformers has no such class."""
    found = getattr(transformers, name, None)
    if found is None:
        raise ConvertError(f"Transformers {transformers.__version__} has no class {name}")
    return found


@contextmanager
def target_model(plan: TablePlan, directory: Path) -> Iterator[Any]:
    """The model as a user loads it, in float32 arithmetic, ready to run.

    Yields the module; `model.loading_problems` lists tensors that `from_pretrained` found
    missing, unexpected or of another shape.
    """
    import torch

    with quiet_transformers(plan.transformers_class) as cls, torch.inference_mode():
        loaded = cls.from_pretrained(
            directory,
            local_files_only=True,
            output_loading_info=True,
            **plan.target.init,
        )
        model, info = loaded
        model.float().eval()  # Transformers 4 and 5 differ in the dtype they load by default
        model.loading_problems = [
            f"{kind.removesuffix('_keys')}: {key}"
            for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
            for key in sorted(map(str, info.get(kind, ())))
        ]
        yield model


def run_target(plan: TablePlan, model: Any, inputs: Inputs) -> Outputs:
    """The Transformers model on the same inputs, its outputs under GluonNLP's words."""
    import torch

    seen: dict[str, np.ndarray] = {}
    pooled: dict[str, np.ndarray] = {}
    with ExitStack() as hooks:
        for step in plan.steps:
            if step.source and step.target.endswith(".weight"):
                module = model.get_submodule(step.target.removesuffix(".weight"))
                hooks.enter_context(_Recorded(module, seen, step.target))
        pooler = getattr(
            model.base_model, "pooler_activation", None
        )  # ALBERT's tanh is a module of its own
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
            result = model(**tensors, output_hidden_states=True, return_dict=True)
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
    if inputs.predicted is not None:
        named["query_stream"] = _query_stream(model, tensors, inputs.predicted)
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


def _query_stream(model: Any, tensors: Mapping[str, Any], predicted: np.ndarray) -> np.ndarray:
    """XLNet at every position of the beginning, where nobody sees the predicted words."""
    import torch

    batch, length = predicted.shape
    hidden = torch.from_numpy(predicted).float()[:, None].expand(batch, length, length)
    own = torch.eye(length).expand(batch, length, length)
    begin = {name: tensor[:, :length] for name, tensor in tensors.items()}
    result = model.base_model(**begin, perm_mask=hidden, target_mapping=own, return_dict=True)
    found: np.ndarray = result.last_hidden_state.numpy()
    return found


def _dense_outputs(
    plan: TablePlan, seen: Mapping[str, np.ndarray], shape: tuple[int, ...]
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


def _positions(plan: TablePlan, inputs: Inputs) -> dict[str, np.ndarray]:
    """`position_ids` as GluonNLP counts them, where the target would count otherwise.

    A target whose positions begin with rows that `pad` made (RoBERTa's) counts words that are not
    the padding; GluonNLP counts all. The two differ when the padding is among the words.
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
