"""Each example runs, as its user would run it."""

from __future__ import annotations

import json
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import converter
import tools.run
from converter.cli.recording import recorder
from tests import borts
from tests.cli.test_main import invoke

EXAMPLES = Path(__file__).parents[2] / "examples"
jobs_of = runpy.run_path(str(EXAMPLES / "migrate_folder.py"))["jobs_of"]
NAMES = ("bort_backbone", "bort_classifier")


def run(
    python: str | Path, script: str | Path, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    command = [str(python), str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


CSV = """file,destination,family,config
{0},out/deep/a,bort,num_attention_heads=4
page.params,out/none/b,,
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "page.params").write_text("<html>Access denied, try again later</html>")
    path = tmp_path / "list.csv"
    path.write_text(CSV.format(borts.source(NAMES[0])))
    return path


def migrated(path: Path) -> dict[str, str]:
    found = json.loads(path.read_text())
    return {Path(one["destination"]).name: one["state"] for one in found}


def test_migrate_folder_goes_on_after_a_failure_and_where_it_stopped(
    manifest: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    done = run(sys.executable, "migrate_folder.py", manifest, "--jobs", "2", "--report", report)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "1 of 2 migrated"
    assert migrated(report) == {"a": "converted", "b": "failed"}
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["deep"]  # no empty folder
    told = {Path(one["destination"]).name: one for one in json.loads(report.read_text())}
    assert told["a"]["report"]["proof"]
    assert "not an MXNet .params file" in told["b"]["word"]

    weights = tmp_path / "out" / "deep" / "a" / "model.safetensors"
    run(sys.executable, "migrate_folder.py", manifest, "--report", report)
    assert migrated(report) == {"a": "was there", "b": "failed"}
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    run(sys.executable, "migrate_folder.py", manifest, "--report", report)
    assert migrated(report) == {"a": "failed", "b": "failed"}  # there, and not what was proven


def test_migrate_folder_takes_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    (folder / "deep").mkdir(parents=True)
    for name, place in zip(NAMES, (folder, folder / "deep"), strict=True):
        shutil.copy(borts.source(name), place)
    assert [(j.file.stem, j.destination) for j in jobs_of(folder, tmp_path / "out")] == [
        ("bort_backbone", tmp_path / "out" / "bort_backbone"),
        ("bort_classifier", tmp_path / "out" / "deep" / "bort_classifier"),
    ]
    assert jobs_of(folder)[1].destination == folder / "deep" / "bort_classifier"


TOML = """
[defaults]
family = "bert"
gluonnlp_version = "0.8"
[[model]]
file = "a.params"
destination = "a"
config = { num_attention_heads = 4, hidden_act = "relu" }
no_verify = true
[[model]]
file = "b.params"
destination = "b"
family = "bort"
backbone = false
strip_prefix = ["arg:", "aux:"]
"""


def test_a_manifest_in_toml_gives_each_model_its_options(tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    path.write_text(TOML)
    a, b = jobs_of(path)
    assert a.file == tmp_path / "a.params"
    assert [*a.arguments] == shlex.split(
        "--family bert --gluonnlp-version 0.8 --config num_attention_heads=4 "
        "--config hidden_act=relu --no-verify"
    )
    assert [*b.arguments] == shlex.split(
        "--family bort --gluonnlp-version 0.8 --strip-prefix arg: --strip-prefix aux:"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,destination\na.params,out\nb.params,out\n", "more than one row goes to"),
        ("file,destination\na.params,\n", "row 1: destination missing"),
        ("file,destination\na.params,out,bert\n", "row 1: has more cells"),
        ("file,destination\n", "no row in it"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(
    text: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    done = run(sys.executable, "migrate_folder.py", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert problem in done.stderr


def test_make_run_ends_with_a_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_process(command: list[str], check: bool) -> None:
        assert check
        if "-c" in command:
            exec(command[-1], {})
        else:
            result = invoke(*command[3:])
            assert result.exit_code == 0, result.stderr
            print(result.stdout)

    monkeypatch.setattr("tools.run.subprocess.run", in_process)
    monkeypatch.chdir(EXAMPLES.parent)
    for _ in range(2):  # it may be run again
        tools.run.main(tmp_path / "run")
        *_, prediction = capsys.readouterr().out.splitlines()
        assert prediction == " dog"


@pytest.mark.live
@pytest.mark.parametrize("environment", ["mxnet_original", "mxnet_latest"])
@pytest.mark.parametrize("name", ["bort_decoder", "bort_regression", "bort_float16"])
def test_record_golden_in_the_old_environment(
    name: str, environment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    python = request.getfixturevalue(environment)
    golden = tmp_path / "golden.npz"
    options = ["--num-heads", "4", "--seed", "9", "--length", "7"]
    script = tmp_path / "any_name.py"
    script.write_text(recorder(), "utf-8")
    done = run(python, script, borts.source(name), golden, *options)
    assert done.returncode == 0, done.stderr
    with np.load(golden) as file:
        assert file["input_ids"].shape == (3, 7)
    converter.convert(borts.source(name), tmp_path / "out", family="bort", config=borts.heads(name))
    report = converter.verify(borts.source(name), tmp_path / "out", golden=golden, atol=1e-5)
    assert report.passed
