"""Rows and blocks of a table of words are those of the whole, whatever the container."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import converter
from converter.params import Weights, read_index
from converter.proof import source
from converter.proof.reference import layers as nn
from tests import borts

NAME = "word_embed.0.weight"
ROWS, UNITS = 61, 7


def written(kind: str, folder: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(3).normal(size=(ROWS, UNITS)).astype(np.float32)
    path = folder / f"model.{kind}"
    if kind == "npz":
        np.savez_compressed(path, **{NAME: values})  # type: ignore[arg-type]
    elif kind == "fortran.npz":
        np.savez(path, **{NAME: np.asfortranarray(values)})  # type: ignore[arg-type]
    elif kind == "swapped.npz":
        np.savez(path, **{NAME: values.astype(">f4")})  # type: ignore[arg-type]
    else:
        converter.save_params(path, {NAME: values}, force=True)
        if kind == "params.gz":
            path.write_bytes(gzip.compress(path.read_bytes()))
    return path, values


@pytest.mark.parametrize("block", [1, 3 * UNITS * 4, 2**24])
@pytest.mark.parametrize("kind", ["params", "params.gz", "npz", "fortran.npz", "swapped.npz"])
def test_rows_and_blocks(
    kind: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "BLOCK", block)
    path, values = written(kind, tmp_path)
    index = read_index(path)
    plan = borts.plan_of("bort_decoder")
    ids = np.array([[60, 0, 5], [5, 5, 33]])
    data = np.random.default_rng(4).normal(size=(2, 3, UNITS)).astype(np.float32)
    valid = np.array([[True, True, False], [True, False, False]])
    with Weights(index) as stored:
        tensors = source._SourceTensors(plan, stored, cast=False)
        tensors._tensors = dict(index.tensors)
        table = nn.Weights(tensors).table("absent", NAME)
        assert table.units == UNITS
        assert np.array_equal(table.rows(ids), values[ids])
        blocks = [part.copy() for part in tensors.blocks(NAME)]
        assert np.array_equal(np.concatenate(blocks), values)
        assert len(blocks) == {1: ROWS, 3 * UNITS * 4: 21, 2**24: 1}[block]
        np.testing.assert_allclose(table.scores(data), data @ values.T, rtol=1e-5, atol=1e-5)
        some = table.valid_scores(data, valid, np.arange(ROWS, dtype=np.float32))
        np.testing.assert_allclose(
            some[valid], (data @ values.T + np.arange(ROWS))[valid], rtol=1e-5, atol=1e-5
        )
        assert not some[~valid].any()
        for wrong in (-1, ROWS):
            with pytest.raises(IndexError):
                table.rows(np.array([0, wrong]))
