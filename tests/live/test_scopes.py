"""Name-scope and exported files, fresh from real MXNet: other counters, prefixes of one's own."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import converter
from converter.errors import PlanError
from tests import borts, scopes

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
NAMES = ("bort_decoder", "bort_classifier", "bort_classifier_no_dropout")
PREFIXES = {
    "usual": [],
    "later": ["-", "-", "-", "3"],
    "own": ["my_", "my_enc_", "clf_"],
    "like_layers": ["bert_", "bert_transformer0_", "bert_encoder0_"],
}


def run(python: Path, *arguments: str | Path) -> None:
    command = [str(python), "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def pythons(mxnet_original: Path, mxnet_09: Path, mxnet_latest: Path) -> dict[str, Path]:
    return {"0.8.3": mxnet_original, "0.9.2": mxnet_09, "0.10.0": mxnet_latest}


@pytest.fixture(scope="module")
def made(
    pythons: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of what a version writes with each of PREFIXES, in one process."""

    @functools.cache
    def folder_of(version: str) -> Path:
        folder = tmp_path_factory.mktemp("made")
        runs = [[str(folder / name), *given] for name, given in PREFIXES.items()]
        (folder / "runs.json").write_text(json.dumps(runs))
        script = "fixtures/scopes/make_borts.py"
        run(pythons[version], "tests/mxnet/run_many.py", script, folder / "runs.json")
        return folder

    return folder_of


@pytest.fixture(scope="module")
def structural(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the files with structural names become."""
    folder = tmp_path_factory.mktemp("structural")
    for name in NAMES:
        heads = borts.heads(name)
        converter.convert(borts.source(name), folder / name, family="bort", config=heads)
    return folder


@pytest.mark.parametrize("version", ["0.8.3", "0.10.0"])
@pytest.mark.parametrize("prefixes", PREFIXES)
def test_fresh_files_become_what_the_structural_ones_do(
    prefixes: str, version: str, made: Callable[[str], Path], structural: Path, tmp_path: Path
) -> None:
    for name in NAMES:
        heads, usual = borts.heads(name), structural / name
        for end in ("", "-0000"):
            source = made(version) / prefixes / f"{name}{end}.params"
            written = tmp_path / f"{name}{end} of another scheme"
            # Behind a prefix of one's own it may be another network of two Dense
            asked = prefixes in ("own", "like_layers") and "classifier" in name
            if asked:
                with pytest.raises(PlanError, match="is no class of GluonNLP's"):
                    converter.convert(source, written, family="bort", config=heads)
            head = "sequence-classification" if asked else None
            report = converter.convert(
                source, written, family="bort", config=heads, head=head, atol=1e-5
            )
            assert report.plan.match.version == ("0.8" if version == "0.8.3" else "0.9")
            arrays = [load_file(folder / "model.safetensors") for folder in (usual, written)]
            assert arrays[0].keys() == arrays[1].keys()
            assert all((array == arrays[1][key]).all() for key, array in arrays[0].items())
            golden = borts.golden(name)
            assert converter.verify(source, written, golden=golden, atol=1e-4).passed


@pytest.mark.parametrize("version", ["0.8.3", "0.9.2", "0.10.0"])
def test_the_recorded_names_are_what_gluonnlp_gives(
    version: str, pythons: dict[str, Path], tmp_path: Path
) -> None:
    """All but GPT-2's and XLNet's, whose code is in no package."""
    script = shutil.copy(ROOT / "fixtures" / "scopes" / "make_scopes.py", tmp_path)
    run(pythons[version], script)
    made = json.loads((tmp_path / f"gluonnlp-{version}.json").read_text())["models"]
    recorded = scopes.RECORDED[version]
    packaged = {name for name in recorded if not name.startswith(("gpt2", "xlnet"))}
    assert made == {name: recorded[name] for name in packaged}


@pytest.mark.parametrize("version", ["0.8.3", "0.10.0"])
def test_the_recorded_files_are_what_mxnet_writes(
    version: str, made: Callable[[str], Path]
) -> None:
    kept, fresh = scopes.FOLDER / f"gluonnlp-{version}", made(version) / "usual"
    assert {path.name for path in kept.iterdir()} == {path.name for path in fresh.iterdir()}
    for path in kept.iterdir():
        assert path.read_bytes() == (fresh / path.name).read_bytes()


def test_what_people_bring_is_what_real_mxnet_makes(mxnet_latest: Path, tmp_path: Path) -> None:
    run(mxnet_latest, "fixtures/brought/make_brought.py", tmp_path)
    kept = ROOT / "fixtures" / "brought"
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    ours = [path.relative_to(kept) for path in kept.rglob("*") if path.is_file()]
    assert {*made} == {*ours} - {Path("make_brought.py")}
    for name in made:
        assert (tmp_path / name).read_bytes() == (kept / name).read_bytes(), name
