"""docs/own-class.md: every command of it is run, and every line of Python, on files by MXNet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from converter.params import load_params
from tests import own, recordings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-class.md").read_text("utf-8")
ATOL = 1e-5
# The file of the page → which of the fixtures it is
FILES = {
    "tagger": ("0.10.0/bert_tagger", "structural"),
    "pair": ("0.10.0/bert_pair", "structural"),
    "pair_scopes": ("0.10.0/bert_pair", "scopes"),
    "crf": ("0.10.0/bert_crf", "structural"),
}
# What each directory must be: its recording
DIRECTORIES = {
    "out": own.golden("0.10.0/bert_tagger"),
    "query": own.golden("0.10.0/bert_pair"),
    "passage": own.golden("0.10.0/bert_pair", second=True),
    "second": own.golden("0.10.0/bert_pair", second=True),
    "crf": own.golden("0.10.0/bert_crf"),
    "tagger": own.golden("0.10.0/bert_tagger"),
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every command of the page was run, in its order; what it shows was printed."""
    folder = tmp_path_factory.mktemp("page")
    for name, fixture in FILES.items():
        shutil.copy(own.source(*fixture), folder / f"{name}.params")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    for block in blocks("console"):
        printed = ""
        for line in block.splitlines():
            if line.startswith("$ "):
                done = subprocess.run(
                    ["bash", "-c", line.removeprefix("$ ")],
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, (line, done.stderr)
                printed = done.stdout
            else:
                assert f"\n{line}\n" in f"\n{printed}", (line, printed)
    return folder


def test_what_the_commands_made_is_what_mxnet_computed(folder: Path) -> None:
    made = {path.name for path in folder.iterdir() if path.is_dir()}
    assert made == DIRECTORIES.keys()
    for name, golden in DIRECTORIES.items():
        arrays = recordings.arrays_of(golden)
        found = recordings.distances(recordings.outputs_of(folder / name, arrays), arrays)
        assert found, name
        assert max(found.values()) <= ATOL, (name, found)


def test_the_lines_are_those_of_the_card_and_give_what_mxnet_gave(folder: Path) -> None:
    _, load, put_back, _ = blocks("python")
    cards = [block.replace(str(folder / "out"), "out") for block in own.code_of(folder / "out")]
    assert [f"{block}\n" for block in cards] == [load, put_back]
    arrays = own.arrays_of(own.golden("0.10.0/bert_tagger"))
    outputs = own.run_card(folder / "out", own.inputs_of(arrays))
    assert len(outputs) == 3
    (*_, last) = outputs.values()
    assert gap(last, arrays["head.out"], arrays) <= ATOL
    for key, array in load_file(folder / "out" / "not_converted.safetensors").items():
        assert (array == load_params(folder / "tagger.params")[key]).all()


def test_the_lstm_gives_what_mxnet_gave(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(folder)
    arrays = own.arrays_of(own.golden("0.10.0/bert_crf"))
    known: dict[str, Any] = {"inputs": own.inputs_of(arrays)}
    with torch.no_grad():
        exec(blocks("python")[3], known)
    emissions = known["emissions"].numpy()
    assert gap(emissions, arrays["head.dense"], arrays) <= ATOL
    assert known["transitions"].shape == (4, 4)
    unmasked = known["dense"](known["lstm"](known["model"](**known["inputs"])[0])[0])
    assert gap(unmasked.detach().numpy(), arrays["head.dense"], arrays) > ATOL, "for nothing"


def test_what_the_report_says_of_a_head(folder: Path) -> None:
    assert "head token-classification" in (folder / "tagger" / "README.md").read_text("utf-8")
    tags = own.arrays_of(own.golden("0.10.0/bert_tagger"))
    outputs = recordings.outputs_of(folder / "tagger", tags)
    assert outputs["logits"].shape == tags["head.out"].shape


def gap(found: np.ndarray, recorded: np.ndarray, arrays: dict[str, np.ndarray]) -> float:
    """On valid positions."""
    valid = np.arange(arrays["input_ids"].shape[1]) < arrays["valid_length"][:, None]
    return float(np.abs(found - recorded)[valid].max())
