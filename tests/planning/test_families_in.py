"""Which families' tables are tried on a file, told from its names alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converter
from converter.errors import NoFamilyError
from converter.planning.file import OF_A_HEAD, families_in, plan_file
from converter.planning.scopes import has_layer, spelled
from converter.report.inspection import inspection_lines
from converter.tables.load import family_names, load_family

RESNET = [f"resnetv10_stage{s}_conv{c}_weight" for s in range(4) for c in range(6)]
LINEAR = [f"features.{i}.weight" for i in range(20)]


def test_only_tables_whose_layers_may_be_in_a_file_are_tried() -> None:
    names = [*LINEAR, "arg:encoder.transformer_cells.0.proj.weight", "net.word_embed.0.weight"]
    tried = families_in(names)
    assert {"bort", "bert", "roberta"} <= {*tried}
    assert not {"t5_1x", "gpt2", "bert_1x"} & {*tried}


@pytest.mark.parametrize("names", [RESNET, LINEAR, [*RESNET, *LINEAR]])
def test_none_is_tried_on_a_file_without_a_layer_of_any(names: list[str]) -> None:
    assert families_in(names) == []


@pytest.mark.parametrize(
    "names",
    [
        [*LINEAR, "arg:mine_bertencoder0_transformer0_proj_weight"],
        [*LINEAR, "encoder.transformer_cells.0.proj.weight", "gpt2model0_self_attn11_qkv_weight"],
        LINEAR[:OF_A_HEAD],
        [],
    ],
    ids=["a layer in scopes", "a layer in scopes and another", "no more than a head has", "none"],
)
def test_all_are_tried_where_names_do_not_tell(names: list[str]) -> None:
    assert families_in(names) == family_names()


@pytest.mark.parametrize("family", family_names())
def test_every_layer_of_every_table_is_seen_in_scopes(family: str) -> None:
    table = load_family(family)
    layers = [spelled(row.source) for row in table.rows if "{" in row.source]
    for name in layers:
        for spelling in name.spellings if name else ():
            assert has_layer(spelling.name("mine_model0_", 11, 11))


@pytest.mark.parametrize("family", family_names())
def test_no_head_has_more_tensors_than_are_looked_for(family: str) -> None:
    for head in load_family(family).heads:
        assert len([*head.sources()]) <= OF_A_HEAD


def test_convert_and_inspect_say_so(tmp_path: Path) -> None:
    src = tmp_path / "resnet.npz"
    arrays: dict[str, Any] = {name: np.zeros(3, np.float32) for name in RESNET}
    np.savez(src, **arrays)
    told = "of no family here: it has no layer of any of them"
    found = converter.inspect(src)
    assert told in [*inspection_lines(found.index, found.fits)]
    with pytest.raises(NoFamilyError, match=told) as refused:
        plan_file(src)
    assert any("bort-convert export" in problem for problem in refused.value.problems)
