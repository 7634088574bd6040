"""Hidden states recorded in someone's old environment, against the converted model.

The file is what the script of `bort-convert record-golden` writes: an `.npz` with `input_ids`
(batch, length), `valid_length` (batch,), `hidden_states` (layers, batch, length, units) and, where
the model has them, `token_types` (batch, length) and its other outputs by their words (`OUTPUTS` in
`converter/tables/check.py`). With a decoder: `decoder_ids`, `decoder_valid_length` and
`decoder_states` too, of the same dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConvertError
from converter.files.regular import check_regular
from converter.planning.plan import TablePlan
from converter.proof.difference import LOGARITHMS, Difference, compare
from converter.proof.reference.layers import Inputs, InputSpec, Outputs
from converter.proof.reference.settings import source_settings
from converter.proof.source import run_source, source_input_spec
from converter.proof.target import run_target
from converter.tables.check import DECODER_EMBEDDINGS, EMBEDDINGS, OUTPUTS
from converter.tables.table import Golden


@dataclass(frozen=True)
class GoldenCheck:
    """`differences` are judged against `atol`; `stated` are known differences, measured only.

    `recorded` is what the file says about where it was made.
    """

    passed: bool
    atol: float
    recorded: dict[str, Any]
    differences: tuple[Difference, ...]
    stated: tuple[Difference, ...]
    problems: tuple[str, ...]


def check_golden(plan: TablePlan, model: Any, path: Path, atol: float) -> GoldenCheck:
    """Run the converted model on the recorded ids. Raises `ConvertError` for a bad file.

    An output with a known difference (GluonNLP's setting, which Transformers lacks) is judged on
    GluonNLP's arithmetic with the recorded setting; its distance to Transformers is stated.
    """
    arrays, recorded = read_recording(path)
    inputs = _inputs(plan, path, arrays)
    target = run_target(plan, model, inputs)  # what its Denses give is not recorded
    golden = _outputs(path, arrays, target)
    own = {EMBEDDINGS, DECODER_EMBEDDINGS}
    raw = {d.output: d for d in compare(golden, target, inputs) if d.output not in own}
    limited: dict[str, Difference] = {}
    for known in plan.table.known_differences:
        if known.output in raw:
            setting = recorded.get(known.setting) or source_settings(plan)[known.setting]
            source = run_source(plan, inputs, settings={known.setting: setting})
            found = {d.output: d for d in compare(golden, source, inputs)}
            limited |= {
                n: d for n, d in found.items() if n.removeprefix(LOGARITHMS) == known.output
            }
    differences = tuple(limited.get(name, d) for name, d in raw.items())
    problems = [problem for d in differences if (problem := d.problem(atol, "the recorded one"))]
    if problems and any(step.casts for step in plan.steps):
        problems.append(
            "this directory was cast with --dtype, whose rounding counts here: compare the golden "
            "with a directory that was not"
        )
    stated = tuple(raw[name] for name in limited if not name.startswith(LOGARITHMS))
    return GoldenCheck(not problems, atol, recorded, differences, stated, tuple(problems))


def read_recording(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a recording, and what it says of itself. Raises `ConvertError`."""
    try:
        check_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if any(member.file_size > member.compress_size for member in archive.zip.infolist()):
                raise ValueError("it is compressed, and might unpack to any size")
            arrays = {name: archive[name] for name in archive.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("something in it is not an array")
        about = json.loads(str(arrays.pop("about", "{}")))
    except Exception as error:  # NumPy, zipfile and json state no errors for hostile bytes
        raise ConvertError(
            f"{path}: not a recorded golden: {error}. Make one with the script that bort-convert "
            "record-golden prints."
        ) from error
    return arrays, about if isinstance(about, dict) else {}


def _inputs(plan: TablePlan, path: Path, arrays: dict[str, np.ndarray]) -> Inputs:
    spec = source_input_spec(plan)
    _need(path, arrays, input_ids=2, valid_length=1, hidden_states=4)
    ids, lengths = _ids(plan, spec, path, arrays, "input_ids", "valid_length")
    types = arrays["token_types"].astype(np.int64) if "token_types" in arrays else None
    if (types is None) != (spec.token_types == 0):
        raise ConvertError(f"{path}: the golden and this model differ in having token types")
    if types is not None and not (
        types.shape == ids.shape and types.min() >= 0 and types.max() < spec.token_types
    ):
        raise ConvertError(f"{path}: token_types are outside this model's ({spec.token_types})")
    if not spec.decoder:
        return Inputs(ids, lengths, types)
    _need(path, arrays, decoder_ids=2, decoder_valid_length=1, decoder_states=4)
    decoder = _ids(plan, spec, path, arrays, "decoder_ids", "decoder_valid_length")
    if len(decoder[0]) != len(ids):
        raise ConvertError(f"{path}: decoder_ids {decoder[0].shape} do not suit {ids.shape} ids")
    return Inputs(ids, lengths, types, *decoder)


def _need(path: Path, arrays: dict[str, np.ndarray], **dimensions: int) -> None:
    for name, ndim in dimensions.items():
        if name not in arrays or arrays[name].ndim != ndim:
            raise ConvertError(f"{path}: the golden has no array {name!r} of {ndim} dimensions")


def _ids(
    plan: TablePlan,
    spec: InputSpec,
    path: Path,
    arrays: dict[str, np.ndarray],
    name: str,
    lengths_name: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and valid lengths. Raises `ConvertError` for what the model cannot be given."""
    ids, lengths = arrays[name].astype(np.int64), arrays[lengths_name].astype(np.int64)
    vocabulary = plan.config["vocab_size"]
    too_long = spec.max_length is not None and ids.shape[1] > spec.max_length
    if ids.size == 0 or len(ids) != len(lengths) or too_long:
        raise ConvertError(f"{path}: {name} {ids.shape} do not suit this model or {lengths_name}")
    if (
        ids.min() < 0
        or ids.max() >= vocabulary
        or lengths.min() < 1
        or lengths.max() > ids.shape[1]
    ):
        raise ConvertError(f"{path}: ids or lengths are outside this model's ({vocabulary} words)")
    return ids, lengths


def _outputs(path: Path, arrays: dict[str, np.ndarray], target: Outputs) -> Outputs:
    """The recorded outputs; GluonNLP records no embeddings, so the model's own come first."""
    states = (target.hidden_states[0], *arrays["hidden_states"])
    named = {name: arrays[name] for name in OUTPUTS if name in arrays}
    decoder_states: tuple[np.ndarray, ...] = ()
    if target.decoder_states:
        decoder_states = (target.decoder_states[0], *arrays["decoder_states"])
    golden = Outputs(states, named, decoder_states)
    for name in ("hidden_states", "decoder_states"):
        recorded, own = getattr(golden, name), getattr(target, name)
        if [s.shape for s in recorded] != [s.shape for s in own]:
            raise ConvertError(f"{path}: recorded {name} {arrays[name].shape} are another model's")
    for name, value in named.items():
        if name in target.named and value.shape != target.named[name].shape:
            raise ConvertError(f"{path}: recorded {name} {value.shape} are another model's")
    return golden


def is_published(golden: Golden, model: Any) -> bool:
    """Whether the model, rounded as the published one was, gives the published numbers.

    The weights of a module are rounded while it runs.
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
            elif any(weight is not None for weight in module._parameters.values()):
                hooks.enter_context(_rounded_weights(module, dtype))
        result = model.base_model(torch.tensor([golden.input_ids]), return_dict=True)
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


@contextmanager
def _rounded_weights(module: Any, dtype: Any) -> Iterator[None]:
    """The weights of `module` are rounded to `dtype` while it runs, and then as they were."""
    import torch

    own: dict[str, Any] = {}

    def before(_module: Any, _inputs: Any) -> None:
        own.update({name: w for name, w in module._parameters.items() if w is not None})
        for name, weight in own.items():
            rounded = weight.to(dtype).float()
            module._parameters[name] = torch.nn.Parameter(rounded, requires_grad=False)

    def behind(_module: Any, _inputs: Any, _output: Any) -> None:
        module._parameters.update(own)
        own.clear()

    hooks = [  # the last to come, and the first to go: others see the weights as they were
        module.register_forward_pre_hook(before),
        module.register_forward_hook(behind, prepend=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
