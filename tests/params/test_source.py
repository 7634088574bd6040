"""A directory as source: the one file of parameters in it, whatever library wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.errors import ParamsError
from converter.params.source import find_params


def folder(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"")
    return place


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["model.params", "model.yml", "vocab.json"], "model.params"),
        (["saved_model/net.params", "predictor.pkl"], "saved_model/net.params"),
        (["params.best", "params.00012", "vocab.src.0.json", "config"], "params.best"),
        (["model_algo-1"], "model_algo-1"),
        (["model_algo-1", "model_best.params", "hyperparams.json"], "model_best.params"),
        (["model_algo_1-0000.params", "model_algo_1-symbol.json"], "model_algo_1-0000.params"),
        (["prediction_net-0000.params", "type.txt"], "prediction_net-0000.params"),
        (["model.tar.gz"], "model.tar.gz"),
    ],
)
def test_the_file_of_a_library_is_found(names: list[str], found: str, tmp_path: Path) -> None:
    assert find_params(folder(tmp_path, *names)) == tmp_path / found


def test_a_file_is_itself(tmp_path: Path) -> None:
    assert find_params(tmp_path / "nothing here") == tmp_path / "nothing here"


def test_none_and_several_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"without a \.params file.*; in it: nothing"):
        find_params(tmp_path)
    folder(tmp_path, "config", "a.txt")
    with pytest.raises(ParamsError, match=r"without a \.params file.*; in it: a\.txt, config"):
        find_params(tmp_path)
    folder(tmp_path, *(f"image-classification-{n:04}.params" for n in range(20)))
    with pytest.raises(ParamsError, match=r"several .*-0000\.params, .*-0009\.params, and 10 more"):
        find_params(tmp_path)
