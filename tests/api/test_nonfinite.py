"""A Bort with NaN or infinite weights: refused by name, or converted with an honest proof."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import converter
from converter.errors import NonfiniteError, ParityError
from tests.cli.test_main import invoke
from tests.faults.making import CONFIG, bort_arrays, names_in, swapped_table, write_params

EMBEDDING = "word_embed.0.weight"
QUERY = "encoder.transformer_cells.0.attention_cell.proj_query.weight"
LAST = "encoder.transformer_cells.0.ffn.layer_norm.beta"


def damaged(path: Path, name: str, value: float) -> Path:
    """A Bort with two values of one tensor replaced."""
    arrays = bort_arrays()
    arrays[name].reshape(-1)[:2] = value
    return write_params(path, arrays)


@pytest.mark.parametrize("verify", [False, True])
def test_refused_by_name_and_count(verify: bool, tmp_path: Path) -> None:
    path = damaged(tmp_path / "a.params", QUERY, np.nan)
    with pytest.raises(NonfiniteError, match="--allow-nonfinite") as caught:
        converter.convert(path, tmp_path / "out", family="bort", config=CONFIG, verify=verify)
    assert caught.value.problems == (f"{QUERY}: 2 NaN, 0 infinite",)
    assert names_in(tmp_path) == ["a.params"]


@pytest.mark.parametrize("dtype", ["keep", "bfloat16"])
@pytest.mark.parametrize(("name", "value"), [(EMBEDDING, -np.inf), (LAST, np.nan), (LAST, np.inf)])
def test_allowed_it_passes_and_says_what_parity_does_not_show(
    name: str, value: float, dtype: str, tmp_path: Path
) -> None:
    path, out = damaged(tmp_path / "a.params", name, value), tmp_path / "out"
    args = [
        "--src",
        path,
        "--dst",
        out,
        "--family",
        "bort",
        "--config",
        "num_attention_heads=4",
        "--dtype",
        dtype,
    ]
    result = invoke(*map(str, args), "--allow-nonfinite")
    assert (result.exit_code, result.stderr) == (0, "")
    count = "2 NaN, 0 infinite" if np.isnan(value) else "0 NaN, 2 infinite"
    assert f"{name}: {count}" in result.stdout
    shown = name != EMBEDDING  # of the embedding only rows are damaged that are not looked up
    stated = "values are NaN or infinite, alike on both sides: parity shows nothing about them"
    assert (stated in result.stdout) == shown
    assert "nan" not in result.stdout
    report = converter.verify(path, out)
    assert report.proof is not None
    assert report.proof.parity is not None
    assert [*report.nonfinite] == [name]
    assert any(d.nonfinite for d in report.proof.parity.differences) == shown
    assert invoke("verify", "--src", path, "--dst", out, "--quiet").exit_code == 0


@pytest.mark.parametrize("name", [QUERY, "encoder.layer_norm.beta"])
def test_an_output_without_a_finite_value_has_not_passed(name: str, tmp_path: Path) -> None:
    """What is NaN everywhere on both sides was compared with nothing."""
    path = damaged(tmp_path / "a.params", name, np.nan)
    args = ["--src", str(path), "--dst", str(tmp_path / "out"), "--allow-nonfinite"]
    result = invoke(*args, "--family", "bort", "--config", "num_attention_heads=4")
    assert result.exit_code == 3
    assert "layer 1: no value is finite, so nothing was compared" in result.stdout
    assert names_in(tmp_path) == ["a.params"]


def test_infinity_that_the_two_sides_treat_differently_is_3(tmp_path: Path) -> None:
    """The softmax of GluonNLP sees masked places as -1e18, that of Transformers as lower."""
    path = damaged(tmp_path / "a.params", QUERY, np.inf)
    args = ["--src", str(path), "--dst", str(tmp_path / "out"), "--allow-nonfinite"]
    args += ["--family", "bort", "--config", "num_attention_heads=4"]
    result = invoke(*args)
    assert result.exit_code == 3
    assert "layer 1 is NaN or infinite on one side alone" in result.stdout
    assert invoke(*args, "--no-verify").exit_code == 0
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert f"- Not finite in the source: `{QUERY}` (0 NaN, 2 infinite)" in card


def test_a_wrong_table_is_still_seen_where_values_are_finite(tmp_path: Path) -> None:
    path = damaged(tmp_path / "a.params", EMBEDDING, np.nan)
    table = swapped_table(tmp_path / "swapped.toml")
    with pytest.raises(ParityError) as caught:
        converter.convert(path, tmp_path / "out", table=table, config=CONFIG, allow_nonfinite=True)
    assert caught.value.report.proof.parity.problems


def test_allowing_changes_nothing_for_finite_weights(tmp_path: Path) -> None:
    path = write_params(tmp_path / "a.params", bort_arrays())
    strict = converter.convert(path, tmp_path / "strict", family="bort", config=CONFIG)
    lenient = converter.convert(
        path, tmp_path / "lenient", family="bort", config=CONFIG, allow_nonfinite=True
    )
    assert lenient.to_json().pop("options")["allow_nonfinite"] is True
    assert replace(strict, options={}).to_json() == replace(lenient, options={}).to_json()
