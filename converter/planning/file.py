"""The plan of a file: with the tables to try, and the `model.yml` that stands beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from converter.errors import ConvertError, PlanError
from converter.params import read_index
from converter.params.source import find_params
from converter.planning.model_yml import ModelConfig, find_model_config
from converter.planning.plan import Plan, make_plan
from converter.planning.steps import DTYPES
from converter.planning.vocabulary import TokenizerSource
from converter.tables.load import family_names, load_family, load_table
from converter.tables.table import Table
from converter.tokenizer import Files

PathLike = str | os.PathLike[str]


def plan_file(
    src: PathLike,
    *,
    family: str | None = None,
    table: PathLike | None = None,
    config: Mapping[str, Any] | None = None,
    dtype: str = "keep",
    gluonnlp_version: str | None = None,
    model_config: PathLike | ModelConfig | None = None,
    part: str | None = None,
    vocab: PathLike | None = None,
    merges: PathLike | None = None,
    sentencepiece: PathLike | None = None,
    lower: bool | None = None,
) -> Plan:
    """What `convert` would do with `src`, without reading a weight or writing anything.

    Arguments and errors as for `convert`.
    """
    check_dtype(dtype)
    params = find_params(src)
    given = (None if path is None else Path(path) for path in (vocab, merges, sentencepiece))
    return planned(
        params,
        tables_of(family, table),
        config or {},
        dtype,
        gluonnlp_version,
        model_config,
        part,
        TokenizerSource(Files(*given), lower),
    )


def planned(
    params: Path,
    tables: Sequence[Table],
    config: Mapping[str, Any],
    dtype: str,
    gluonnlp_version: str | None,
    model_config: PathLike | ModelConfig | None,
    part: str | None,
    tokenizer: TokenizerSource,
) -> Plan:
    """The plan, with the `model.yml` that is given or stands beside `params`."""
    told = Path(model_config) if isinstance(model_config, (str, os.PathLike)) else model_config
    found = told or find_model_config(params)
    made = make_plan(
        read_index(params), tables, config, dtype, gluonnlp_version, found, part, tokenizer
    )
    if told and made.model_config is None:
        raise PlanError(
            f"{params} cannot be converted as {made.table.name}:",
            [f"its models have no model.yml: leave out --model-config {model_config}"],
        )
    return made


def check_dtype(dtype: str) -> None:
    """Raise `ConvertError` for what is no key of `DTYPES`."""
    if dtype not in DTYPES:
        raise ConvertError(f"there is no dtype {dtype!r}; there are: {', '.join(DTYPES)}")


def tables_of(family: str | None, table: PathLike | None) -> Sequence[Table]:
    """The tables to try: a user's own, a family's, or all. Raises `TableError`, `PlanError`."""
    if family is not None and table is not None:
        raise PlanError("family and table exclude each other:", ["give one of them"])
    if table is not None:
        return [load_table(table)]
    return [load_family(name) for name in ([family] if family else family_names())]
