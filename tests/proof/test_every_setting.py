"""Every field of a config, wrong once: the proof fails, or the field is listed as assumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.params import read_index
from converter.planning.plan import TablePlan, make_plan
from converter.proof.proof import prove
from converter.proof.reference.settings import REFERENCES
from converter.tables.table import Table
from converter.writing.model import write_model
from tests.proof.test_settings import FIXTURES


def _others(value: object) -> list[Any]:
    """Values that are not this one, of its kind; far enough away to be a mistake."""
    match value:
        case bool():
            return [not value]
        case str():
            words = ("gelu", "gelu_new", "relu", "no_norm", "layer_norm", "absolute")
            return [w for w in words if w != value] if value in words else [f"{value}x"]
        case int():
            return [value + 1, value * 2 + 1]
        case float():
            return [1e-2 if value < 1e-3 else value + 0.5]  # an epsilon; a probability
    raise AssertionError(value)


def _defaults(plan: TablePlan) -> dict[str, Any]:
    """What Transformers' class has in places where the plan says nothing."""
    import transformers

    fields = getattr(transformers, plan.transformers_class).config_class().to_dict()
    kinds = (bool, str, int, float)
    return {k: v for k, v in fields.items() if k not in plan.config and isinstance(v, kinds)}


def _mutants(family: str, plan: TablePlan) -> Iterator[tuple[str, Any, Table]]:
    for field, value in {**_defaults(plan), **plan.table.config}.items():
        for other in _others(value):
            changed = {**plan.table.config, field: other}
            yield field, other, dataclasses.replace(plan.table, config=changed)


def _is_right(plan: TablePlan, mutant: TablePlan, field: str) -> bool:
    """Whether the wrong value never reached config.json: something better than the table told."""
    return bool(mutant.config.get(field) == plan.config.get(field))


@pytest.mark.exhaustive
@pytest.mark.parametrize("family", FIXTURES)
def test_every_wrong_setting_fails_or_is_listed_as_assumed(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One wrong value at a time in the table's [config], also of fields that it does not have.

    Those of the reference must fail.
    """
    make, name = FIXTURES[family]
    plan = make(name)
    given = {*plan.overrides} | {*(plan.model_config.values if plan.model_config else ())}
    own = {s.config for s in REFERENCES[plan.table.reference].settings.values() if s.value}
    tried = failed = listed = settled = 0
    for number, (field, other, table) in enumerate(_mutants(family, plan)):
        tried += 1
        try:
            mutant = make_plan(
                read_index(plan.index.path),
                [table],
                plan.overrides,
                gluonnlp=plan.gluonnlp,
                model_config=plan.model_config,
            )
        except converter.ConvertError:
            failed += 1
            continue
        if _is_right(plan, mutant, field):
            settled += 1
            continue
        out = tmp_path / str(number)
        out.mkdir()
        write_model(mutant, out)
        try:
            passed = prove(mutant, out).passed
        except converter.ConvertError:
            passed = False
        if not passed:
            failed += 1
            continue
        assert field in {assumed.field for assumed in mutant.assumed} | given, (field, other)
        assert field not in own - {""}, f"{field} = {other!r} bends no reference and must fail"
        listed += 1
    with capsys.disabled():
        print(
            f"\n{family}: {tried} wrong values, {failed} failed, {listed} listed as assumed, "
            f"{settled} told by something better"
        )
    assert tried == failed + listed + settled
    assert failed
