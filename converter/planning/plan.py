"""What will happen to the file of a family: complete, and made before any weight is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes

from converter.errors import NoFamilyError, PlanError
from converter.params import Index, TensorEntry
from converter.planning.assumptions import assumptions, of_tokenizer
from converter.planning.backbones import backbone_lines, find_backbones, head_line
from converter.planning.base import Plan
from converter.planning.config import read_config, read_statements, written_config
from converter.planning.match import Choice, Match, match_table
from converter.planning.model_yml import ModelConfig, read_model_config
from converter.planning.refusals import foreign_headline, foreign_ways, is_foreign, known_as
from converter.planning.scopes import may_be
from converter.planning.steps import Step, steps_of, widest_dtype
from converter.planning.vocabulary import TokenizerSource
from converter.tables.table import Table, Target, Version
from converter.tokenizer import TokenizerSpec

LAST_OF_0 = 10  # GluonNLP 0.10 is the last of 0.x


@dataclass(frozen=True, kw_only=True, repr=False)
class TablePlan(Plan):
    """A plan that a family's table makes: how it matches the file, and what follows.

    The keys of `index` are structural names. `config` is what config.json will say; `overrides` is
    the part of it the user gave, `assumed` what no tensor tells and nobody gave. `known` is the
    published model whose sizes these are, where the config is its own too. `gluonnlp` is the
    version that the user gave; `version` what the table says about it. Without a `tokenizer`,
    `no_tokenizer` says why. `head`: what the user said that a Dense on top is for.
    """

    match: Match
    known: str | None
    config: Mapping[str, Any]
    overrides: Mapping[str, Any]
    gluonnlp: str | None = None
    version: Version | None = None
    model_config: ModelConfig | None = None
    tokenizer: TokenizerSpec | None = None
    no_tokenizer: str = ""
    head: str | None = None

    @property
    def table(self) -> Table:
        """The family's table."""
        return self.match.table

    @property
    def target(self) -> Target:
        """Which class is written; a match without one makes no plan."""
        assert self.match.target is not None
        return self.match.target

    @property
    def transformers_class(self) -> str:
        """The name of the class that is written."""
        return self.target.transformers_class

    @property
    def read_as(self) -> str | None:
        """The class of GluonNLP that the names were taken for, where nobody said it."""
        return None if self.head else self.match.read_as

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of the heads that the file has."""
        return tuple(head.name for head in self.match.heads)

    def beside(self) -> Mapping[str, Any]:
        """What Transformers needs to know."""
        return {"config.json": self.config}

    def untied(self, second: TensorEntry, first: TensorEntry) -> str:
        """How the table takes tensors that are not tied, if it does: with a row for one of them."""
        keys = [key for key, entry in self.index.tensors.items() if entry in (second, first)]
        tied = {head.name: {*head.sources()} for head in self.table.heads}
        for head in self.table.heads:
            own = {*head.sources()} - tied.get(head.instead_of, set())
            if head.instead_of and any(key.endswith(source) for key in keys for source in own):
                settings = " ".join(f"--config {k}={json.dumps(v)}" for k, v in head.config.items())
                return f"; {settings} converts it so"
        return ", and the target class cannot hold it"

    def warnings(self) -> Iterator[str]:
        """What the file cannot tell and the user did not say."""
        if self.gluonnlp is None:
            for version in self.table.versions:
                if version.text and may_be(self.match.version, version.versions):
                    yield version.text


def make_plan(
    index: Index,
    tables: Sequence[Table],
    overrides: Mapping[str, Any],
    dtype: str = "keep",
    gluonnlp: str | None = None,
    model_config: Path | ModelConfig | None = None,
    part: str | None = None,
    tokenizer: TokenizerSource | None = None,
    force_config: bool = False,
    head: str | None = None,
    backbone: bool = False,
    prefix: str | None = None,
) -> TablePlan:
    """Choose among `tables` the one that fits `index`, and settle every tensor and config field.

    `overrides` are config fields by Transformers' own names; `dtype` is a key of `DTYPES`;
    `gluonnlp` is the version of GluonNLP that the model was trained under, such as `"0.9"`;
    `model_config` the model's `model.yml`, read when the table says what its keys mean; `part` the
    model to convert of a file with several; `tokenizer` says where one is to come from, and without
    it none is planned; `force_config`: `overrides` may contradict `model_config`;
    `head` is what a Dense on top is for, where no name tells; `backbone`: the model alone is meant,
    whose names begin with `prefix`, and the rest of the file is set aside.
    Raises `PlanError` with every problem at once, `NoFamilyError` where no table fits; the choice
    is never a guess.
    """
    gluonnlp = _release(gluonnlp) if gluonnlp else None
    uses = {one.use for table in tables for one in table.heads if one.use}
    if head and head not in uses:
        there = ", ".join(sorted(uses)) or "none"
        raise PlanError(f"there is no head {head!r}:", [f"there are: {there}"])
    parts = {one.name for table in tables for one in table.parts}
    if part and part not in parts:
        there = ", ".join(sorted(parts)) or "none"
        raise PlanError(f"there is no part {part!r}:", [f"there are: {there}"])
    backbone = backbone or prefix is not None
    chosen = _choose(index, tables, Choice(overrides, part, head, backbone, prefix))
    version = chosen.table.version(gluonnlp)
    if not chosen.table.model_yml:
        model_config = None
    if isinstance(model_config, Path):
        model_config = read_model_config(model_config)
    config, problems = read_config(chosen, overrides, version, model_config, force_config)
    if head and not any(one.use == head for one in chosen.heads):
        found = ", ".join(one.name for one in chosen.heads) or "no head"
        of = f", as {chosen.read_as} has it" if chosen.read_as else ""
        problems.append(
            f"--head {head}: the names of the file say {found}{of}: leave it out, or convert the "
            "model alone with --backbone"
        )
    problems = [*chosen.problems, *problems, *_not_floating(chosen)]
    steps: list[Step] = []
    if not problems:
        steps, problems = steps_of(chosen, config, dtype, version)
    if part and chosen.part != part:
        problems = [f"--part {part}: the file is one {chosen.table.name} model: leave it out"]
    if problems or chosen.target is None:
        kind = NoFamilyError if chosen.problems else PlanError
        raise kind(f"{index.path} cannot be converted as {chosen.table.name}:", problems)
    known = chosen.known
    if known and any(config[key] != value for key, value in known.config.items()):
        known = None
    written = written_config(config, chosen.target.transformers_class, widest_dtype(steps).name)
    spec, why = None, ""
    if tokenizer is not None:
        name = known.name if known else None
        spec, why = tokenizer.choose(chosen, written, overrides, gluonnlp, name)
    ids = spec.ids if spec else {}  # the vocabulary tells these
    written |= ids
    given = frozenset({*overrides, *read_statements(chosen, model_config)[0]})
    assumed = assumptions(chosen, config, version, given, gluonnlp)
    return TablePlan(
        name=chosen.table.name,
        index=chosen.index,
        match=chosen,
        known=known.name if known else None,
        steps=tuple(steps),
        tied=chosen.tied,
        zero=chosen.zero,
        exported=chosen.exported,
        dropped=chosen.dropped,
        config=written,
        overrides=dict(overrides),
        dtype=dtype,
        gluonnlp=gluonnlp,
        version=version,
        model_config=model_config,
        assumed=(*(a for a in assumed if a.field not in ids), *of_tokenizer(spec)),
        tokenizer=spec,
        no_tokenizer=why,
        head=head,
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


def _choose(index: Index, tables: Sequence[Table], choice: Choice) -> Match:
    overrides = choice.config
    fits = [match_table(index, table, choice) for table in tables]
    whole = [f for f in fits if not f.problems]
    candidates = whole if len(whole) <= 1 else [f for f in whole if f.known] or whole
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        # What each of them asks for too, so that it is one stop; known models are named apart
        also = [
            {line.rpartition("; ")[2] for line in read_config(f, overrides, None)[1]}
            for f in candidates
        ]
        asked = sorted(set.intersection(*also))
        raise PlanError(
            f"{index.path} fits more than one family; choose with --family:",
            [*(f"{f.table.name}: {f.table.title}" for f in candidates), *asked],
        )
    if known := known_as(index, tables):
        raise NoFamilyError(f"{index.path} cannot be converted:", known, known[0])
    if not fits:
        raise NoFamilyError(f"{index.path} is {foreign_headline()}.", [*foreign_ways(index)])
    closest = max(fits, key=lambda f: (f.undecided, f.accounted, -len(f.problems)))
    models = [] if closest.part else find_backbones(index, tables, choice)
    if not models and choice.prefix is not None:
        models = find_backbones(index, tables, replace(choice, prefix=None))
    within = [*backbone_lines(models)]
    if closest.undecided:
        raise PlanError(
            f"{index.path}: its names can be read in more than one way:",
            [*closest.problems, *within],
        )
    if within:
        if choice.use and not choice.backbone:
            within.append(f"--head {choice.use}: what is around the model is no such head alone")
        elif not choice.backbone:
            within += head_line(index, [model.fit.table for model in models], choice)
        raise NoFamilyError(
            f"{index.path} is a network of one's own. Add one of these options: the model in it is "
            "converted, and the rest written beside it, under its own names:",
            within,
            "a network of one's own; --backbone converts the model in it for Transformers",
        )
    if is_foreign(closest, several=len(tables) > 1):
        raise NoFamilyError(f"{index.path} is {foreign_headline(closest)}.", [*foreign_ways(index)])
    return closest


def _not_floating(chosen: Match) -> Iterator[str]:
    exported = {entry.name for entry in chosen.exported}
    sources = (match.source for match in chosen.rows)
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
