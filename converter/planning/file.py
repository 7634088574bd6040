"""The plan of a file: with the tables to try, and the `model.yml` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from converter.errors import PlanError
from converter.params import read_index
from converter.params.source import find_params
from converter.planning.model_yml import ModelConfig, find_model_config
from converter.planning.options import PLAN, Options, PathLike, Takes
from converter.planning.plan import TablePlan, make_plan
from converter.planning.vocabulary import TokenizerSource
from converter.tables.load import family_names, load_family, load_table
from converter.tables.table import Table
from converter.tokenizer import Files


@Takes(Options, PLAN)
def plan_file(src: PathLike, options: Options) -> TablePlan:
    """What `convert` would do with `src`, without reading a weight or writing anything.

    Raises as `convert` does. The options:
    """
    return plan_of(find_params(src), options)


def plan_of(
    params: Path,
    options: Options,
    tokenizer: TokenizerSource | None = None,
    recorded: ModelConfig | None = None,
) -> TablePlan:
    """The plan, with the `model.yml` that is given, was recorded, or is beside `params`.

    The tokenizer is made of the files that `options` name, or comes from another source.
    """
    given = options.model_config
    told = recorded if given is None else Path(given)
    made = make_plan(
        read_index(params),
        tables_of(options.family, options.table),
        options.config or {},
        options.dtype,
        options.gluonnlp_version,
        told or find_model_config(params),
        options.part,
        tokenizer or TokenizerSource(files_of(options), options.lower),
        options.force_config,
        options.head,
        options.backbone,
        options.prefix,
    )
    if told and made.model_config is None:
        raise PlanError(
            f"{params} cannot be converted as {made.table.name}:",
            [f"its models have no model.yml: leave out --model-config {given or ''}".rstrip()],
        )
    return made


def files_of(options: Options) -> Files:
    """The files of a tokenizer that the user gave."""
    given = (options.vocab, options.merges, options.sentencepiece)
    return Files(*(None if path is None else Path(path) for path in given))


def tables_of(family: str | None, table: PathLike | None) -> Sequence[Table]:
    """The tables to try: a user's own, a family's, or all. Raises `TableError`."""
    if table is not None:
        return [load_table(table)]
    return [load_family(name) for name in ([family] if family else family_names())]
