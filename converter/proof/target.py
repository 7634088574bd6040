"""The target side: the Transformers class, empty or with the written weights, and its run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConvertError
from converter.planning.plan import TablePlan
from converter.proof.mapped import streamed
from converter.proof.reference.layers import Inputs, Outputs, Place


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
            "the proof needs torch and transformers (pip install torch transformers), and they "
            f"cannot be imported: {error}; --no-verify converts without proof"
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
        model.eval()
        model.loading_problems = [
            f"{kind.removesuffix('_keys')}: {key}"
            for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
            for key in sorted(map(str, info.get(kind, ())))
        ]
        with streamed(model, directory):  # Transformers 4 and 5 differ in the dtype they load
            yield model


def run_target(plan: TablePlan, model: Any, inputs: Inputs, dense: Place | None = None) -> Outputs:
    """The Transformers model on the same inputs, its outputs under GluonNLP's words.

    `dense` gets what the modules give, by the structural name of the source's weight.
    """
    import torch

    pooled: dict[str, np.ndarray] = {}
    with ExitStack() as hooks:
        if dense is not None:
            hooks.enter_context(_dense_outputs(plan, model, dense, inputs.input_ids.shape))
        pooler = getattr(
            model.base_model, "pooler_activation", None
        )  # ALBERT's tanh is a module of its own
        pooler = pooler or getattr(model.base_model, "pooler", None)
        if pooler is not None:
            hooks.enter_context(_recorded(pooler, "pooled", pooled.__setitem__))
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
            result = model(**tensors, **_more(model), output_hidden_states=True, return_dict=True)
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
        {**pooled, **named},
        tuple(state.numpy() for state in decoder_states),
        tuple(name for name in result if "logits" in name and name not in plan.target.outputs),
    )


def _more(model: Any) -> dict[str, bool]:
    """No cache, which would keep all keys and values for a next word that nobody asks for."""
    return {"use_cache": False} if "use_cache" in signature(model.forward).parameters else {}


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


@contextmanager
def _dense_outputs(
    plan: TablePlan, model: Any, dense: Place, shape: tuple[int, ...]
) -> Iterator[None]:
    """Put what the modules give into `dense` while the context lasts, as soon as it is whole.

    Several modules whose weights are rows of one Dense (`split`) give its output together.
    """
    keys = {entry.name: key for key, entry in plan.index.tensors.items()}
    with ExitStack() as hooks:
        for steps in plan.rows():
            parts = steps if steps[0].operation == "split" else steps[:1]  # others: copies
            names = [step.target.removesuffix(".weight") for step in parts]
            if all(
                step.target == f"{name}.weight" for step, name in zip(parts, names, strict=True)
            ):
                put = _Together(names, keys[steps[0].sources[0].name], dense, shape)
                for name in names:
                    hooks.enter_context(_recorded(model.get_submodule(name), name, put))
        yield


class _Together:
    """Waits until all modules of one Dense gave their part."""

    def __init__(
        self, names: Sequence[str], key: str, dense: Place, shape: tuple[int, ...]
    ) -> None:
        self._names, self._key, self._dense, self._shape = names, key, dense, shape
        self._parts: dict[str, np.ndarray] = {}

    def __call__(self, name: str, tap: np.ndarray) -> None:
        self._parts[name] = _batch_first(tap, self._shape)
        if len(self._parts) == len(self._names):
            taps = [self._parts.pop(name) for name in self._names]
            shapes = {tap.shape[:-1] for tap in taps}  # several: no Dense gives such an output
            whole = len(shapes) == 1 < len(taps)
            self._dense[self._key] = np.concatenate(taps, axis=-1) if whole else taps[0]


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


@contextmanager
def _recorded(module: Any, name: str, put: Callable[[str, np.ndarray], None]) -> Iterator[None]:
    """Give what a module gives to `put`, as NumPy, while the context lasts."""
    hook = module.register_forward_hook(lambda _module, _inputs, out: put(name, out.numpy()))
    try:
        yield
    finally:
        hook.remove()
