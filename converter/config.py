"""The fields of config.json: what table, heads, shapes, known model and user say of them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from converter.fit import Fit
from converter.table import Version


def read_config(
    chosen: Fit, overrides: Mapping[str, Any], version: Version | None
) -> tuple[dict[str, Any], list[str]]:
    """config.json's fields from table, version, heads, shapes, known model and user, in order."""
    table = chosen.table
    config: dict[str, Any] = {**table.config, **(version.config if version else {})}
    for head in chosen.heads:
        config |= head.config
    config |= chosen.sizes
    if chosen.known:
        config |= chosen.known.config
    fields = {*config, *table.needed}
    problems = [*_contradictions(chosen, overrides), *_misspelt(overrides, fields)]
    config |= overrides
    config |= chosen.sizes  # an override that disagrees is a problem already: it makes no second
    known = ", ".join(k.name for k in table.known)
    for name, whole in table.needed.items():
        if name not in config:
            problems.append(
                f"{name} stands in no tensor, and these are not the sizes of a known model "
                f"({known}); whoever trained the model knows it: give it with --config {name}=N"
            )
        elif whole in config and not _divides(config[name], config[whole]):
            problems.append(f"{name} = {config[name]!r} does not divide {whole} = {config[whole]}")
    return config, problems


def _divides(part: Any, whole: Any) -> bool:
    return _is_size(part) and _is_size(whole) and whole % part == 0


def _contradictions(chosen: Fit, overrides: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(overrides.keys() & {"architectures", "dtype", "model_type", "torch_dtype"}):
        yield f"--config {name} is not a choice: the table, the heads and --dtype settle it"
    if "label2id" in overrides:
        yield "--config label2id is not a choice: id2label settles it"
    table = chosen.table
    told = table.size_names() | {*table.layers.values(), "num_labels"}
    for name, value in sorted(overrides.items()):
        if name in chosen.sizes:
            if not _is_size(value) or value != chosen.sizes[name]:
                yield f"--config {name}={value!r}: the file's shapes say {chosen.sizes[name]}"
        elif name in table.config:
            if not _is_like(table.config[name], value):
                yield f"--config {name}={value!r}: a value like {table.config[name]!r} is expected"
        elif name in told:
            yield f"--config {name}: no tensor of this file has it"
    if "id2label" in overrides:
        labels, count = overrides["id2label"], chosen.sizes.get("num_labels", 0)
        if not _are_labels(labels, count):
            yield (
                f'--config id2label: expected {{"0": "…", …}} with {count} different labels, '
                f"not {labels!r}"
            )


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
    """The fields as Transformers itself writes them: labels for `num_labels`, the dtype's name."""
    written = {"architectures": [transformers_class], "dtype": dtype, **config}
    labels = written.pop("num_labels", None)
    if labels is not None:
        names = written.setdefault("id2label", {str(n): f"LABEL_{n}" for n in range(labels)})
        written.setdefault("label2id", {name: int(n) for n, name in names.items()})
        if labels == 1:  # as BertForSequenceClassification itself decides
            written.setdefault("problem_type", "regression")
    return written
