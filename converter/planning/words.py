"""The plan's tokenizer: from the files given, from those found, or from a written directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.errors import ConvertError, PlanError
from converter.planning.plan import Plan
from converter.tokenizer import Files, Prepared, find, places, prepare, recorded


def with_tokenizer(plan: Plan, files: Files, lower: bool | None = None) -> Plan:
    """The plan with a tokenizer of `files`, or, if none is given, of those that are found.

    lower: whether text is lower-cased; None: names and table tell
    Raises `VocabularyError` and `PlanError` for files that were given and do not suit the model.
    Files that were only found and do not suit it are left, and `plan.no_tokenizer` says why.
    """
    rule = plan.table.tokenizer
    if rule is None:
        if files.given():
            raise PlanError(
                f"{plan.table.origin} has no [tokenizer]:",
                [f"nothing can be made of {', '.join(map(str, files.given().values()))}"],
            )
        return replace(plan, no_tokenizer="the family's table has no [tokenizer]")
    if files.given():
        return _with(plan, prepare(rule, files, plan.config, plan.overrides, lower, plan.gluonnlp))
    source = plan.index.path.absolute()
    zoo = plan.known if rule.version else None  # only 1.x has a directory for each model
    found = find(source, rule, zoo)
    if not found.given():
        looked = " and ".join(map(str, places(source, zoo)))
        return replace(plan, no_tokenizer=f"no vocabulary with GluonNLP's name for it in {looked}")
    try:
        prepared = prepare(rule, found, plan.config, plan.overrides, lower, plan.gluonnlp)
    except ConvertError as error:
        return replace(plan, no_tokenizer=f"{error.headline} {'; '.join(error.problems)}".rstrip())
    return _with(plan, prepared)


def with_recorded(plan: Plan, record: Mapping[str, Any] | None, directory: Path) -> Plan:
    """The plan with the tokenizer that `directory` should have, going by its conversion.json."""
    rule = plan.table.tokenizer
    if record is None:
        return replace(plan, no_tokenizer="it was converted without one")
    if rule is None:
        raise ConvertError(f"{directory} has a tokenizer, and {plan.table.origin} no [tokenizer]")
    return _with(plan, recorded(rule, record, directory, plan.config))


def _with(plan: Plan, prepared: Prepared) -> Plan:
    return replace(plan, tokenizer=prepared, config={**plan.config, **prepared.ids})
