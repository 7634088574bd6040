"""A plan as plain data: what `--dry-run --json` prints and conversion.json repeats."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from converter.params import origin
from converter.params.nonfinite import Nonfinite
from converter.planning.base import MODULE_FILE, Plan
from converter.planning.plan import TablePlan
from converter.planning.scopes import VERSIONS
from converter.planning.steps import Step
from converter.tokenizer import tokenizer_json


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain data, by the way it goes."""
    if isinstance(plan, TablePlan):
        return _table_json(plan)
    from converter.planning.graph import GraphPlan  # a family's file needs none of it

    assert isinstance(plan, GraphPlan)
    return {
        "way": "graph",
        "why": plan.why,
        "symbol": {"file": plan.symbol, "sha256": plan.sha256},
        "module": {"file": MODULE_FILE, "class": "Model"},
        "inputs": [
            {
                "name": one.name,
                "argument": plan.emitted.inputs[one.name],
                "shape": one.spec.shape,
                "dtype": one.spec.dtype.name,
                "told": one.told,
            }
            for one in plan.inputs
        ],
        "outputs": plan.outputs,
        "cut": plan.cut,
        "dtype": plan.dtype,
        "assumed": [dataclasses.asdict(assumed) for assumed in plan.assumed],
        "tensors": [_step_json(step) for step in plan.steps],
        "dropped": dict(plan.dropped),
    }


def _table_json(plan: TablePlan) -> dict[str, Any]:
    return {
        "way": "table",
        "family": plan.table.name,
        "table_sha256": hashlib.sha256(plan.table.text.encode()).hexdigest(),
        "known": plan.known,
        "transformers_class": plan.transformers_class,
        "init": dict(plan.target.init),
        "heads": plan.heads,
        "read_as": plan.read_as,
        "prefix": plan.match.prefix,
        "naming": origin.naming(plan.index),
        "named_by": VERSIONS[plan.match.version] if plan.match.version else None,
        "dtype": plan.dtype,
        "gluonnlp_version": plan.gluonnlp,
        "config_overrides": dict(plan.overrides),
        "part": plan.match.part,
        "model_config": dataclasses.asdict(plan.model_config) if plan.model_config else None,
        "config": dict(plan.config),
        "assumed": [dataclasses.asdict(assumed) for assumed in plan.assumed],
        "tokenizer": tokenizer_json(plan.tokenizer) if plan.tokenizer else None,
        "tensors": [_step_json(step) for step in plan.steps],
        "tied": [{"source": second.name, "equals": first.name} for second, first in plan.tied],
        "exported": [entry.name for entry in plan.exported],
        "dropped": dict(plan.dropped),
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "source": step.source.name if step.source else None,
        **({"sources": [s.name for s in step.sources]} if len(step.sources) > 1 else {}),
        "operation": step.operation,
        "target": step.target,
        "source_dtype": step.source.dtype.name if step.source else None,
        "dtype": step.dtype.name,
        "shape": step.shape,
    }


def nonfinite_json(found: Mapping[str, Nonfinite]) -> dict[str, Any]:
    """Counts of NaN and infinity as plain data, in the same order whoever counted."""
    return {name: dataclasses.asdict(found[name]) for name in sorted(found)}
