"""Models that have no equal in Transformers are refused with the reason; their tensors go out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import converter
from converter.errors import PlanError
from converter.params import load_params, read_index
from converter.tables.unsupported import refused
from tests import zoo, zoo_master
from tests.cli.test_main import invoke

REASONS = {
    "transformer_nmt": "Marian, which is nearest",
    "transformer_nmt_prenorm": "its layers add to what the attention gives the normed input",
}


@pytest.mark.parametrize("name", zoo_master.REFUSED)
@pytest.mark.parametrize("choice", [{}, {"family": "bart_1x"}])
def test_it_is_said_why(name: str, choice: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        converter.convert(zoo_master.source(name), tmp_path / "out", **choice)
    problem, way = caught.value.problems
    assert problem.startswith("TransformerModel of GluonNLP 1.x")
    assert REASONS[name] in problem
    assert way.endswith(f": bort-convert export {zoo_master.source(name)} out.safetensors")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", zoo_master.REFUSED)
def test_inspect_says_it_and_export_takes_the_tensors(name: str, tmp_path: Path) -> None:
    result = invoke("inspect", str(zoo_master.source(name)))
    assert result.exit_code == 0
    assert REASONS[name] in result.stdout
    converter.export(zoo_master.source(name), tmp_path / "out.safetensors")
    there, own = load_file(tmp_path / "out.safetensors"), load_params(zoo_master.source(name))
    assert there.keys() == own.keys()
    for key, array in own.items():
        np.testing.assert_array_equal(there[key], array)


def test_nothing_else_is_refused(tmp_path: Path) -> None:
    for module in (zoo, zoo_master):
        for name in module.NAMES:
            assert refused(read_index(module.source(name))) == []
    arrays = {**load_params(zoo_master.source("bart"))}
    arrays.pop("encoder.ln_data.gamma")
    converter.save_params(tmp_path / "a.params", arrays)
    with pytest.raises(PlanError, match=r"missing: encoder\.ln_data\.gamma"):
        converter.convert(tmp_path / "a.params", tmp_path / "out")
