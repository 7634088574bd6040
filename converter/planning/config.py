"""The fields of config.json: what table, heads, shapes, known model and user say of them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from converter.planning.match import Match
from converter.planning.model_yml import ModelConfig
from converter.tables.table import Version

# Fields of any Transformers config that make a tuple of the model's output, or a longer one
RETURNS = frozenset(
    {"return_dict", "use_return_dict", "torchscript", "output_hidden_states", "output_attentions"}
)


def read_config(
    chosen: Match,
    overrides: Mapping[str, Any],
    version: Version | None,
    told: ModelConfig | None = None,
    force: bool = False,
) -> tuple[dict[str, Any], list[str]]:
    """config.json's fields from table, version, heads, shapes, known model, `told` and user.

    What comes later wins; `told` is `model.yml`, which the user contradicts only by `force`.
    """
    table = chosen.table
    config: dict[str, Any] = dict.fromkeys(table.unset)
    config |= {**table.config, **(version.config if version else {})}
    for head in chosen.heads:
        config |= head.config
    for head in chosen.absent:
        config |= head.absent.config if head.absent else {}
    config |= chosen.sizes
    if chosen.known:
        config |= chosen.known.config
    fields = {*config, *table.required}
    stated, problems = read_statements(chosen, told)
    problems += [*_contradictions(chosen, overrides), *_misspelt(overrides, fields)]
    config |= stated
    if told and not force:
        for name in sorted(
            name for name in stated.keys() & overrides if overrides[name] != stated[name]
        ):
            problems.append(
                f"--config {name}={overrides[name]!r}: {told.file} says {stated[name]!r}; leave it "
                "out, or add --force-config if you know better"
            )
    config |= overrides
    config |= chosen.sizes  # an override that disagrees is a problem already: it makes no second
    problems += _beyond_vocabulary(config, overrides)
    for name in sorted(config.keys() & RETURNS):
        problems.append(
            f"the config field {name} is not a choice: it changes what the model returns, which "
            "the proof compares; leave it out, and give it where you load or call the model"
        )
    for name, needed in table.required.items():
        if name not in config:
            problems.append(_lacking(chosen, name))
        elif needed.divides in config and not _divides(config[name], config[needed.divides]):
            whole = f"{needed.divides} = {config[needed.divides]}"
            problems.append(f"{name} = {config[name]!r} does not divide {whole}")
        elif needed.multiple_of in config and not _divides(
            config[needed.multiple_of], config[name]
        ):
            part = f"{needed.multiple_of} = {config[needed.multiple_of]}"
            problems.append(f"{name} = {config[name]!r} is no multiple of {part}")
    return config, problems


def _beyond_vocabulary(config: dict[str, Any], overrides: Mapping[str, Any]) -> Iterator[str]:
    """Special ids that are no word's become null: with them `generate` fails, or never ends."""
    words = range(config.get("vocab_size", 2**31))
    for name, value in config.items():
        if name.endswith("_token_id") and type(value) is int and value not in words:
            if name in overrides:
                yield f"--config {name}={value}: the vocabulary has the ids 0 to {words.stop - 1}"
            config[name] = None


def _lacking(chosen: Match, name: str) -> str:
    table = chosen.table
    known = ", ".join(k.name for k in table.known)
    where = f", and these are not the sizes of a known model ({known})" if known else ""
    if chosen.known:
        where = f", and {chosen.known.name}, whose sizes these are, can have several"
    if any(statement.config == name for statement in table.model_yml.values()):
        return (
            f"the file does not store {name}{where}; GluonNLP wrote it into model.yml: give that "
            f"file with --model-config FILE, or say it with --config {name}=VALUE"
        )
    return (
        f"the file does not store {name}{where}; whoever trained the model knows it: give it with "
        f"--config {name}=N"
    )


def read_statements(chosen: Match, told: ModelConfig | None) -> tuple[dict[str, Any], list[str]]:
    """The config fields that `model.yml` tells beside the shapes, and what in it cannot be."""
    if told is None:
        return {}, []
    fields: dict[str, Any] = {}
    problems = []
    heads = {head.name for head in chosen.heads}
    for key, raw in told.values.items():
        statement = chosen.table.model_yml.get(key)
        place = f"{told.file}: {key} = {raw!r}"
        if statement is None:
            problems.append(f"{place}: the table {chosen.table.name} does not know what that means")
        elif statement.only is not None and raw != statement.only:
            problems.append(f"{place}: only {statement.only!r} can be converted")
        elif statement.models and raw not in statement.models:
            there = ", ".join(statement.models)
            problems.append(f"{place}: {chosen.table.name} has no such model; there are: {there}")
        elif statement.values and raw not in statement.values:
            there = ", ".join(map(str, statement.values))
            problems.append(f"{place}: Transformers has no counterpart; there is one for {there}")
        elif statement.models:
            for name, value in statement.models[raw].items():
                for line in _disagreements(chosen, name, value, value):
                    problems.append(f"{place}, so {name} = {value!r}{line}")
            fields |= statement.models[raw]
        elif statement.config:
            value = statement.values.get(raw, raw) if statement.values else raw
            if statement.scaled_by in heads:
                value = _scaled(value, told.values.get(statement.scale, 1))
            if statement.plus and type(value) is int:
                value += statement.plus
            problems += [
                f"{place}{line}" for line in _disagreements(chosen, statement.config, value, raw)
            ]
            fields[statement.config] = value
    return {k: value for k, value in fields.items() if k not in chosen.sizes}, problems


def _scaled(value: Any, scale: Any) -> Any:
    """As `get_generator_cfg` has it (`models/electra.py`): Python's round of the product."""
    numbers = type(value) in (int, float) and type(scale) in (int, float)
    return round(value * scale) if numbers and math.isfinite(value * scale) else value


def _divides(part: Any, whole: Any) -> bool:
    return _is_size(part) and _is_size(whole) and whole % part == 0


def _contradictions(chosen: Match, overrides: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(overrides.keys() & {"architectures", "dtype", "model_type", "torch_dtype"}):
        yield f"--config {name} is not a choice: the table, the heads and --dtype settle it"
    if "label2id" in overrides:
        yield "--config label2id is not a choice: id2label settles it"
    for name, value in sorted(overrides.items()):
        for line in _disagreements(chosen, name, value, value):
            yield f"--config {name}={value!r}{line}"
    if "id2label" in overrides:
        labels, count = overrides["id2label"], chosen.sizes.get("num_labels", 0)
        if isinstance(labels, dict) and len(labels) != count:
            given = f"{len(labels)} label{'s' * (len(labels) != 1)} given"
            yield (
                f"--config id2label (or --labels): {given}, and the head of the file has {count}"
                if count
                else f"--config id2label (or --labels): {given}, and the file has no head with any"
            )
        elif not _are_labels(labels, count):
            yield (
                f'--config id2label: expected {{"0": "…", …}} with {count} different labels, '
                f"not {labels!r}"
            )


def _disagreements(chosen: Match, name: str, value: Any, said: Any) -> Iterator[str]:
    """What is wrong with a value for a field, from a colon on; what was said for it is `said`."""
    table = chosen.table
    if name in chosen.sizes:
        if not _is_size(value) or value != chosen.sizes[name]:
            meant = "" if value == said else f", not {value!r}"
            yield f": the file's shapes say {chosen.sizes[name]}{meant}"
    elif name in table.config:
        if not _is_like(table.config[name], value):
            yield f": a value like {table.config[name]!r} is expected"
    elif name in table.size_names() | {*table.layers.values(), "num_labels"}:
        yield ": no tensor of this file has it"


def _is_like(usual: Any, value: Any) -> bool:
    """Whether `value` is of the kind of the table's own (an integer is a number too)."""
    if isinstance(usual, float):
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is type(usual)


def _are_labels(labels: Any, count: int) -> bool:
    return (
        isinstance(labels, dict)
        and len(labels) == count
        and {*labels} == {str(number) for number in range(count)}
        and all(isinstance(label, str) for label in labels.values())
        and len({*labels.values()}) == count
    )


def _misspelt(overrides: Mapping[str, Any], fields: set[str]) -> Iterator[str]:
    for name in sorted(overrides.keys() - fields):
        close = difflib.get_close_matches(name, fields, n=1, cutoff=0.85)
        if close:
            yield f"--config {name}: did you mean {close[0]}?"


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


def written_config(
    config: Mapping[str, Any], transformers_class: str, dtype: str
) -> dict[str, Any]:
    """The fields as Transformers itself writes them: labels for `num_labels`, the dtype's name.

    Sizes that begin with `_` are the table's own and no fields.
    """
    known = {name: value for name, value in config.items() if not name.startswith("_")}
    written = {"architectures": [transformers_class], "dtype": dtype, **known}
    labels = written.pop("num_labels", None)
    if labels is not None:
        names = written.setdefault("id2label", {str(n): f"LABEL_{n}" for n in range(labels)})
        written.setdefault("label2id", {name: int(n) for n, name in names.items()})
        if labels == 1:  # as BertForSequenceClassification itself decides
            written.setdefault("problem_type", "regression")
    return written
