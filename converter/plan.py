"""What will happen to one file: complete, and made before any weight is read."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from converter.errors import PlanError
from converter.fit import Fit, expand, fit
from converter.params import Index, TensorEntry
from converter.table import Table

DTYPES: Mapping[str, np.dtype | None] = {
    "keep": None,
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


@dataclass(frozen=True)
class Step:
    """One tensor of the target: `verb` on `source`, in `dtype`. No source: it is all zeros."""

    verb: str
    source: TensorEntry | None
    target: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the target's data in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def casts(self) -> bool:
        """Whether the dtype changes on the way."""
        return self.source is not None and self.source.dtype != self.dtype

    def cast(self, values: np.ndarray) -> np.ndarray:
        """The values in the step's dtype; silent, whatever is too large or not a number."""
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(self.dtype, copy=False)


@dataclass(frozen=True)
class Plan:
    """Everything that will happen to a file.

    `config` is what config.json will say; `overrides` is the part of it the user gave. `tied`
    pairs are (second name, first name): equal by assumption, checked when the bytes are read.
    """

    index: Index
    table: Table
    prefix: str
    heads: tuple[str, ...]
    known: str | None
    transformers_class: str
    init: Mapping[str, Any]
    outputs: Mapping[str, str]
    steps: tuple[Step, ...]
    tied: tuple[tuple[TensorEntry, TensorEntry], ...]
    dropped: Mapping[str, str]
    config: Mapping[str, Any]
    overrides: Mapping[str, Any]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Size of all target data in bytes."""
        return sum(step.nbytes for step in self.steps)


def make_plan(
    index: Index, tables: Sequence[Table], overrides: Mapping[str, Any], dtype: str = "keep"
) -> Plan:
    """Choose among `tables` the one that fits `index`, and settle every tensor and config field.

    `overrides` are config fields by Transformers' own names; `dtype` is a key of `DTYPES`.
    Raises `PlanError` with every problem at once; the choice is never a guess.
    """
    chosen = _choose(index, tables)
    config, problems = _config(chosen, overrides)
    problems = [*chosen.problems, *problems, *_not_floating(chosen)]
    steps: list[Step] = []
    if not problems:
        steps, problems = _steps(chosen, config, dtype)
    if problems or chosen.target is None:
        raise PlanError(f"{index.path} cannot be converted as {chosen.table.name}:", problems)
    known = chosen.known
    if known and any(known.config.get(key, value) != value for key, value in overrides.items()):
        known = None
    return Plan(
        index=index,
        table=chosen.table,
        prefix=chosen.prefix,
        heads=tuple(head.name for head in chosen.heads),
        known=known.name if known else None,
        transformers_class=chosen.target.transformers_class,
        init=chosen.target.init,
        outputs=chosen.target.outputs,
        steps=tuple(steps),
        tied=chosen.tied,
        dropped=chosen.dropped,
        config=_written(config, chosen.target.transformers_class, steps),
        overrides=dict(overrides),
        dtype=dtype,
    )


def _choose(index: Index, tables: Sequence[Table]) -> Fit:
    fits = [fit(index, table) for table in tables]
    whole = [f for f in fits if not f.problems]
    candidates = whole if len(whole) <= 1 else [f for f in whole if f.known] or whole
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise PlanError(
            f"{index.path} fits more than one family; choose with --family:",
            [f"{f.table.name}: {f.table.title}" for f in candidates],
        )
    closest = max(fits, key=lambda f: (f.accounted, -len(f.problems)))
    if closest.accounted == 0:
        begin = ", ".join([*index.tensors][:4])
        raise PlanError(
            f"{index.path} is of no family here ({', '.join(table.name for table in tables)}): "
            "not one of its names is known. A table of your own is given with --table:",
            [f"its tensors begin: {begin or 'there are none'}"],
        )
    return closest


def _config(chosen: Fit, overrides: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """config.json's fields from table, heads, shapes, known model and user, in this order."""
    table = chosen.table
    config: dict[str, Any] = dict(table.config)
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


def _not_floating(chosen: Fit) -> Iterator[str]:
    for match in chosen.matches:
        dtype, storage = match.source.dtype, match.source.storage
        if storage != "dense":
            yield (
                f"{match.source.name} holds no array: save the model again once it has one"
                if storage == "none"
                else f"{match.source.name} is {storage} (sparse): save it densely with "
                "`array.tostype('default')`"
            )
        elif dtype.kind != "f" and dtype != ml_dtypes.bfloat16:
            yield f"wrong dtype: {match.source.name} is {dtype.name}; weights are floating point"


def _steps(chosen: Fit, config: Mapping[str, Any], dtype: str) -> tuple[list[Step], list[str]]:
    """The steps of a fit without problems; problems are zeros of a size that nothing tells."""
    wanted = DTYPES[dtype]
    strip = chosen.target.strip if chosen.target else ""
    sizes = chosen.table.sizes

    def shape_of(pattern: str) -> tuple[int, ...]:
        return tuple(config[s] if isinstance(s, str) else s for s in sizes[pattern])

    steps = [
        Step(
            match.verb,
            match.source,
            match.target.removeprefix(strip),
            wanted or match.source.dtype,
            shape_of(match.pattern),
        )
        for match in chosen.matches
    ]
    usual = wanted or _usual_dtype(steps)
    problems = []
    for pattern in chosen.table.zeros:
        unknown = [s for s in sizes[pattern] if isinstance(s, str) and not _is_size(config.get(s))]
        problems += [f"{pattern}: {name} = {config.get(name)!r} is no size" for name in unknown]
        if not unknown:
            for target, _ in expand(pattern, chosen.layers):
                steps.append(
                    Step("zeros", None, target.removeprefix(strip), usual, shape_of(pattern))
                )
    return steps, problems


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


def _usual_dtype(steps: Sequence[Step]) -> np.dtype:
    """The dtype most of the bytes have."""
    count: Counter[np.dtype] = Counter()
    for step in steps:
        count[step.dtype] += step.nbytes
    return count.most_common(1)[0][0]


def _written(
    config: Mapping[str, Any], transformers_class: str, steps: Sequence[Step]
) -> dict[str, Any]:
    """The fields as Transformers itself writes them: labels for `num_labels`, the dtype's name."""
    written = {"architectures": [transformers_class], "dtype": _usual_dtype(steps).name, **config}
    labels = written.pop("num_labels", None)
    if labels is not None:
        names = written.setdefault("id2label", {str(n): f"LABEL_{n}" for n in range(labels)})
        written.setdefault("label2id", {name: int(n) for n, name in names.items()})
        if labels == 1:  # as BertForSequenceClassification itself decides
            written.setdefault("problem_type", "regression")
    return written
