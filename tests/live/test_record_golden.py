"""`bort-convert record-golden`'s script on every fixture, in the environments that its users have.

What it records is what GluonNLP's own code recorded, on the same ids; and of every family, with
ids of its own, what `verify --golden` takes.
"""

from __future__ import annotations

import ast
import functools
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converter
from converter.cli.recording import FOLDER, recorder
from converter.tables.load import family_names
from tests.cli.test_main import invoke
from tests.conftest import ROOT
from tools.figures import FIXTURES, choice_of, manifests

ATOL = 1e-5
SEVERAL = {"electra_pretrain": ("discriminator", "generator")}
FOLDERS = ("zoo", "zoo_1x", "zoo_1x_master", "autogluon")
# Which fixtures are recorded again where: the classes of some are in one environment alone
ENVIRONMENTS = {
    "mxnet_original": ("bort", "0.8.3", "scripts", "zoo_1x_master"),
    "mxnet_09": ("0.9.2",),
    "mxnet_latest": ("0.10.0", "scripts", "zoo_1x_master"),
    "mxnet_1x": ("zoo_1x", "autogluon"),
}


def options_of(family: str, about: Mapping[str, Any], folder: str) -> list[str]:
    """What the user of such a file has to say; where there is a model.yml, nothing."""
    said = []
    if folder != "zoo_1x":
        heads = about.get("encoder_heads", about.get("num_heads"))
        said += ["--num-heads", str(heads)] if heads and family != "xlnet" else []
        said += ["--decoder-heads", str(about["decoder_heads"])] if "decoder_heads" in about else []
        if family in ("gpt2", "gpt2_1x", "xlnet", "bert_1x", "albert_1x"):
            said += ["--activation", about["activation"]]
        if family == "albert_1x":
            said += ["--num-layers", str(about["num_layers"])]
        if family == "mobilebert_1x":
            said += ["--normalization", about["normalization"]]
    return ["--family", family, *said]


def fixtures_of(kind: str) -> list[tuple[Path, Path, list[str]]]:
    """(file, golden, options) of every fixture of a kind: a version, or a folder."""
    found = []
    for folder in (".", *FOLDERS):
        manifest = json.loads((FIXTURES / folder / "manifest.json").read_text("utf-8"))
        for name, stated in manifest.items():
            own = name.partition("/")[0] if folder == "zoo" else folder
            if {".": "bort"}.get(own, own) != kind or not stated.get("family", "bort"):
                continue
            if kind == "bort" and stated["mxnet"] != "1.5.0":
                continue  # the others have the same weights
            source = FIXTURES / folder / f"{name}.params"
            for part in SEVERAL.get(name.partition("/")[0], ("",)):
                golden = source.with_name(f"{part or source.stem}.golden.npz")
                with np.load(golden) as file:
                    about = json.loads(str(file["about"]))
                options = options_of(stated.get("family", "bort"), about, folder)
                prefix = {"autogluon": "text_backbone."}.get(folder, f"{part}." if part else "")
                found.append((source, golden, options + ["--prefix", prefix] * bool(prefix)))
    return found


def record(python: Path, runs: list[list[str]], folder: Path) -> list[str | None]:
    (folder / "runs.json").write_text(json.dumps(runs))
    (folder / "record_golden.py").write_text(recorder(), "utf-8")
    command = [str(python), "-W", "ignore", "tests/mxnet/record_again.py"]
    command.append(str(folder / "runs.json"))
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    said: list[str | None] = json.loads(done.stdout.splitlines()[-1])
    return said


def meant(arrays: Mapping[str, np.ndarray], word: str) -> np.ndarray:
    """The values of an output at positions that are no padding."""
    values = arrays[word]
    side = "decoder_" if word == "decoder_states" else ""
    if word == "lm_logits" and "decoder_ids" in arrays:
        side = "decoder_"
    ids, lengths = arrays[f"{side or 'input_'}ids"], arrays[f"{side}valid_length"]
    there = np.arange(ids.shape[1]) < lengths[:, None]
    if word.endswith("_states"):
        return values[:, there]
    return values[there] if values.shape[:2] == ids.shape else values


FAMILIES = {  # one fixture each, and where it is recorded
    family: (fixture, stated)
    for fixture, stated in reversed([*manifests()])
    if "autogluon" not in str(fixture)
    for family in [stated["family"]]
}


def environment_of(stated: Mapping[str, Any]) -> str:
    if "autogluon_contrib_nlp" in stated:
        return "mxnet_1x"
    return {"0.8.3": "mxnet_original", "0.9.2": "mxnet_09"}.get(stated["gluonnlp"], "mxnet_latest")


@pytest.fixture(scope="module")
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of all that an environment records: it imports MXNet once, for every test."""

    @functools.cache
    def folder_of(environment: str) -> Path:
        folder = tmp_path_factory.mktemp(environment)
        runs = [
            [str(source), str(folder / f"{kind}-{number}.npz"), "--inputs", str(golden), *options]
            for kind in ENVIRONMENTS[environment]
            for number, (source, golden, options) in enumerate(fixtures_of(kind))
        ]
        for family, (fixture, stated) in FAMILIES.items():
            if environment_of(stated) != environment:
                continue
            with np.load(fixture.with_suffix(".golden.npz")) as file:
                about = json.loads(str(file["about"]))
            options = options_of(family, about, fixture.relative_to(FIXTURES).parts[0])
            out = [str(fixture.with_suffix(".params")), str(folder / f"{family}.npz")]
            runs.append([*out, "--seed", "5", "--length", "9", *options])
        assert record(request.getfixturevalue(environment), runs, folder) == [None] * len(runs)
        return folder

    return folder_of


@pytest.mark.live
@pytest.mark.parametrize(
    ("environment", "kind"), [(e, kind) for e, kinds in ENVIRONMENTS.items() for kind in kinds]
)
def test_it_records_what_gluonnlps_own_code_did(
    environment: str, kind: str, recorded: Callable[[str], Path]
) -> None:
    """Of a family whose class is in no package, too: there it is put together of operators."""
    fixtures = fixtures_of(kind)
    assert fixtures
    for number, (_, golden, _) in enumerate(fixtures):
        made = recorded(environment) / f"{kind}-{number}.npz"
        with np.load(golden) as theirs, np.load(made) as ours:
            assert {*ours.files} == {*theirs.files}, golden
            for word in {*ours.files} - {"about"}:
                gap = np.abs(meant(ours, word) - meant(theirs, word)).max()
                assert gap <= ATOL, (golden, word)


def test_every_family_is_recorded() -> None:
    assert {*FAMILIES} == {*family_names()}
    text = recorder()
    (modules,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODULES"
    )
    assert {family for families in modules.values() for family in families} == {*family_names()}


@pytest.mark.live
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_what_it_records_is_what_verify_takes(
    family: str, recorded: Callable[[str], Path], tmp_path: Path
) -> None:
    fixture, stated = FAMILIES[family]
    source = fixture.with_suffix(".params")
    golden = Path(shutil.copy(recorded(environment_of(stated)) / f"{family}.npz", tmp_path))
    choice = choice_of(fixture, stated)
    converter.convert(source, tmp_path / "out", **choice)
    proof = converter.verify(source, tmp_path / "out", golden=golden, atol=ATOL).proof
    assert proof is not None
    assert proof.golden is not None
    assert proof.golden.recorded["family"] == family
    with np.load(golden) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["hidden_states"] = arrays["hidden_states"] * np.float32(1.01)
    np.savez(golden, **arrays)
    with pytest.raises(converter.ParityError):
        converter.verify(source, tmp_path / "out", golden=golden, atol=ATOL)


@pytest.mark.live
def test_what_is_not_told_is_asked_for(mxnet_latest: Path, tmp_path: Path) -> None:
    scripts, master = FIXTURES / "zoo" / "scripts", FIXTURES / "zoo_1x_master"
    bert, out = str(FIXTURES / "zoo" / "0.10.0" / "bert_full.params"), str(tmp_path / "g.npz")
    said = {
        "--num-heads N": [bert, out, "--family", "bert"],
        "give --num-heads --activation": [str(scripts / "gpt2.params"), out, "--family", "gpt2"],
        "0 names end in _final_ln.gamma": [bert, out, "--family", "gpt2", "--num-heads", "4"],
        "0 names end in encoder.position_weight": [
            *(str(master / "t5.params"), out, "--family", "bert", "--num-heads", "4"),
        ],
        "no name begins with 'bert.'": [bert, out, "--num-heads", "4", "--prefix", "bert."],
        "it is of another model": [
            *(bert, out, "--family", "bert", "--num-heads", "4"),
            *("--inputs", str(scripts / "gpt2.golden.npz")),
        ],
    }
    told = record(mxnet_latest, [*said.values()], tmp_path)
    for words, text in zip(said, told, strict=True):
        assert text is not None
        assert words in text, text


def sources() -> dict[str, str]:
    """The script, and the modules that stand in it as texts."""
    script = recorder()
    (texts,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(script).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SOURCES"
    )
    assert texts == {p.stem: p.read_text("utf-8") for p in FOLDER.glob("record_golden_*.py")}
    return {"record_golden": script, **texts}


def test_the_command_prints_the_script() -> None:
    assert invoke("record-golden").stdout == recorder()


@pytest.mark.parametrize("module", sources())
def test_it_is_python_3_6(module: str) -> None:
    """The old environments have it: no newer grammar, and no method of a newer library."""
    tree = ast.parse(sources()[module], feature_version=(3, 6))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imported = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names |= {alias.name for node in imported for alias in node.names}
    assert not names & {"removeprefix", "removesuffix", "cache", "dataclass", "is_relative_to"}
