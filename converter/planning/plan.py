"""What will happen to one file: complete, and made before any weight is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes

from converter.errors import PlanError
from converter.params import Index, TensorEntry
from converter.planning.config import read_config, written_config
from converter.planning.match import Fit, fit
from converter.planning.model_yml import ModelConfig, read_model_config
from converter.planning.scopes import may_be
from converter.planning.steps import Step, steps_of, usual_dtype
from converter.tables.table import Table, Version
from converter.tables.unsupported import refused
from converter.tokenizer import Prepared

LAST_OF_0 = 10  # GluonNLP 0.10 is the last of 0.x
BESIDE = "not_converted.safetensors"  # what the target has no place for, under its own names


@dataclass(frozen=True)
class Plan:
    """Everything that will happen to a file.

    `config` is what config.json will say; `overrides` is the part of it the user gave. `tied`
    pairs are (second name, first name): equal by assumption, checked when the bytes are read.
    `zero` are left out as all zeros, by the same assumption. `exported` are written beside the
    model under their own names, for the reason that `export_reason` gives. `gluonnlp` is the
    version that the user gave; `version` what the table says about it; `named_by` the one that the
    names tell, a key of `converter.planning.scopes.VERSIONS`. Without a `tokenizer`,
    `no_tokenizer` says why.
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
    exported: tuple[TensorEntry, ...]
    export_reason: str
    dropped: Mapping[str, str]
    zero: tuple[TensorEntry, ...]
    config: Mapping[str, Any]
    overrides: Mapping[str, Any]
    dtype: str
    gluonnlp: str | None = None
    version: Version | None = None
    named_by: str | None = None
    model_config: ModelConfig | None = None
    part: str | None = None
    tokenizer: Prepared | None = None
    no_tokenizer: str = ""

    @property
    def nbytes(self) -> int:
        """Size of all target data in bytes."""
        return sum(step.nbytes for step in self.steps)

    def rows(self) -> Iterator[tuple[Step, ...]]:
        """The steps that come of the same sources by the same verb, together, in order."""
        together: dict[Any, list[Step]] = {}
        for step in self.steps:
            if step.sources:
                key = step.verb, *(source.name for source in step.sources)
                together.setdefault(key, []).append(step)
        for steps in together.values():
            yield tuple(sorted(steps, key=lambda step: step.part))

    def warnings(self) -> Iterator[str]:
        """What the file cannot tell and the user did not say."""
        if self.gluonnlp is None:
            for version in self.table.versions:
                if version.text and may_be(self.named_by, version.versions):
                    yield version.text


def make_plan(
    index: Index,
    tables: Sequence[Table],
    overrides: Mapping[str, Any],
    dtype: str = "keep",
    gluonnlp: str | None = None,
    model_config: Path | ModelConfig | None = None,
    part: str | None = None,
) -> Plan:
    """Choose among `tables` the one that fits `index`, and settle every tensor and config field.

    `overrides` are config fields by Transformers' own names; `dtype` is a key of `DTYPES`;
    `gluonnlp` is the version of GluonNLP that the model was trained under, such as `"0.9"`;
    `model_config` the model's `model.yml`, read when the table says what stands in it; `part` the
    model to convert of a file with several.
    Raises `PlanError` with every problem at once; the choice is never a guess.
    """
    gluonnlp = _release(gluonnlp) if gluonnlp else None
    parts = {one.name for table in tables for one in table.parts}
    if part and part not in parts:
        there = ", ".join(sorted(parts)) or "none"
        raise PlanError(f"there is no part {part!r}:", [f"there are: {there}"])
    chosen = _choose(index, tables, overrides, part)
    version = chosen.table.version(gluonnlp)
    if not chosen.table.model_config:
        model_config = None
    if isinstance(model_config, Path):
        model_config = read_model_config(model_config)
    config, problems = read_config(chosen, overrides, version, model_config)
    problems = [*chosen.problems, *problems, *_not_floating(chosen)]
    steps: list[Step] = []
    if not problems:
        steps, problems = steps_of(chosen, config, dtype, version)
    if part and chosen.part != part:
        problems = [f"--part {part}: the file is one {chosen.table.name} model: leave it out"]
    if problems or chosen.target is None:
        raise PlanError(f"{index.path} cannot be converted as {chosen.table.name}:", problems)
    known = chosen.known
    if known and any(config[key] != value for key, value in known.config.items()):
        known = None
    return Plan(
        index=chosen.index,
        table=chosen.table,
        prefix=chosen.prefix,
        heads=tuple(head.name for head in chosen.heads),
        known=known.name if known else None,
        transformers_class=chosen.target.transformers_class,
        init=chosen.target.init,
        outputs=chosen.target.outputs,
        steps=tuple(steps),
        tied=chosen.tied,
        exported=chosen.exported,
        export_reason=chosen.export_reason,
        dropped=chosen.dropped,
        zero=chosen.zero,
        config=written_config(config, chosen.target.transformers_class, usual_dtype(steps).name),
        overrides=dict(overrides),
        dtype=dtype,
        gluonnlp=gluonnlp,
        version=version,
        model_config=model_config,
        part=chosen.part,
        named_by=chosen.version,
    )


def _release(told: str) -> str:
    """A release of GluonNLP as tables write it. Raises `PlanError` for what is none."""
    parts = told.removeprefix("v").split(".")
    numbers = [int(p) for p in parts if p.isascii() and p.isdigit() and len(p) < 3]
    if (
        len(numbers) != len(parts)
        or len(parts) not in (2, 3)
        or not (0, 1) <= (*numbers[:2],) < (2,)
    ):
        raise PlanError(f"there is no GluonNLP {told!r}:", ["give a release, such as 0.8 or 0.9.2"])
    if numbers[0] == 0 and numbers[1] > LAST_OF_0:
        raise PlanError(f"there is no GluonNLP {told!r}:", [f"the last of 0.x is 0.{LAST_OF_0}"])
    return ".".join(map(str, numbers))


def _choose(
    index: Index, tables: Sequence[Table], overrides: Mapping[str, Any], part: str | None
) -> Fit:
    fits = [fit(index, table, overrides, part) for table in tables]
    whole = [f for f in fits if not f.problems]
    candidates = whole if len(whole) <= 1 else [f for f in whole if f.known] or whole
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise PlanError(
            f"{index.path} fits more than one family; choose with --family:",
            [f"{f.table.name}: {f.table.title}" for f in candidates],
        )
    if known := refused(index):
        raise PlanError(f"{index.path} cannot be converted:", [str(known)])
    closest = max(fits, key=lambda f: (f.undecided, f.accounted, -len(f.problems)))
    if closest.undecided:
        raise PlanError(
            f"{index.path}: its names can be read in more than one way:", closest.problems
        )
    if closest.accounted == 0:
        begin = ", ".join([*index.tensors][:4])
        raise PlanError(
            f"{index.path} is of no family here ({', '.join(table.name for table in tables)}): "
            "not one of its names is known. A table of your own is given with --table:",
            [f"its tensors begin: {begin or 'there are none'}"],
        )
    return closest


def _not_floating(chosen: Fit) -> Iterator[str]:
    exported = {entry.name for entry in chosen.exported}
    sources = (match.source for match in chosen.matches)
    for source in (*sources, *chosen.zero, *chosen.exported):
        dtype, storage = source.dtype, source.storage
        if storage != "dense":
            yield (
                f"{source.name} holds no array: save the model again once it has one"
                if storage == "none"
                else f"{source.name} is {storage} (sparse): save it densely with "
                "`array.tostype('default')`"
            )
        elif source.name not in exported and dtype.kind != "f" and dtype != ml_dtypes.bfloat16:
            yield f"wrong dtype: {source.name} is {dtype.name}; weights are floating point"
