"""What docs/ci.md promises: the action, the hook, the workflow, its commands and exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import converter
from tests.borts import heads, source

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and their MXNet files, under the names of the page."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "models").mkdir()
    for model, name in {"bort": "bort_decoder", "sst2": "bort_classifier"}.items():
        shutil.copy(source(name), folder / "models" / f"{model}.params")
        config = heads(name)
        converter.convert(source(name), folder / "models" / model, family="bort", config=config)
    return folder


def run(command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        check=False,
    )


def action(folder: Path, models: str) -> subprocess.CompletedProcess[str]:
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    (install,) = [step for step in steps if step.get("name") == "Install"]
    assert install["run"].endswith('[proof]"'), "to verify is to prove"
    (step,) = [step for step in steps if step.get("name") == "Verify"]
    assert step["env"] == {
        "MODELS": "${{ inputs.models }}",
        "OPTIONS": "${{ inputs.options }}",
    }
    return run(step["run"], folder, MODELS=models, OPTIONS="--atol 1e-4")


def models_of_the_page() -> str:
    job = yaml.safe_load(next(block for block in blocks("yaml") if "jobs:" in block))
    step = job["jobs"]["verify"]["steps"][1]["with"]
    assert step.keys() <= yaml.safe_load((ROOT / "action.yml").read_text())["inputs"].keys()
    models = step["models"]
    assert isinstance(models, str)
    return models


def test_the_action_passes_on_a_relabelled_model_and_fails_on_a_flipped_bit(
    repository: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(repository, tmp_path / "repository"))
    path = folder / "models" / "sst2" / "config.json"
    config = json.loads(path.read_text())
    config["id2label"]["0"] = "bad"
    config["label2id"] = {name: int(key) for key, name in config["id2label"].items()}
    path.write_text(json.dumps(config))
    (relabelled,) = (line for line in models_of_the_page().splitlines() if "sst2" in line)
    done = action(folder, relabelled)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "edited in config.json: id2label, label2id" in done.stdout

    weights = folder / "models" / "bort" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    done = action(folder, models_of_the_page())
    assert done.returncode == 3
    assert (
        "::error::models/bort is not proven to be models/bort.params (exit code 3)" in done.stdout
    )
    assert "::group::models/sst2" in done.stdout  # asked all the same


def test_a_line_of_the_action_that_is_no_pair_is_refused(tmp_path: Path) -> None:
    assert action(tmp_path, "alone.params\n").returncode == 2
    assert action(tmp_path, "a.params a more\n").returncode == 2
    assert action(tmp_path, "\n").returncode == 0


def test_the_hook_runs_the_command(repository: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    used = yaml.safe_load(next(block for block in blocks("yaml") if "repos:" in block))
    (said,) = used["repos"][0]["hooks"]
    assert said["id"] == hook["id"]
    done = run(f"{hook['entry']} {' '.join(said['args'])}", repository)
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "bort.params", "config.json", "out/conversion.json"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "README.md")


def test_the_commands_of_the_page_run(repository: Path, tmp_path: Path) -> None:
    for model in ("bort", "sst2"):
        shutil.copy(repository / "models" / f"{model}.params", tmp_path)
    shutil.copytree(repository / "models" / "bort", tmp_path / "out")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "list.csv").write_text(blocks("csv")[0])
    commands = [
        line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()
    ]
    assert len(commands) == 3
    for command in commands:
        done = run(command, tmp_path)
        assert done.returncode == 0, done.stderr
    report: list[dict[str, Any]] = json.loads((tmp_path / "migrated.json").read_text())
    assert [one["state"] for one in report] == ["converted"] * 2
    for key in report[0]:
        assert f"`{key}`" in PAGE


def test_the_line_for_the_shell_completes(tmp_path: Path) -> None:
    """It is evaluated by a bash, which then has a completion of the command."""
    page = (ROOT / "docs" / "command.md").read_text("utf-8")
    (line,) = (block.strip() for block in blocks("sh", page))
    done = run(f"{line}\ncomplete -p bort-convert", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "bort-convert" in done.stdout


def test_the_workflow_calls_what_is_there() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    called = [step["run"] for step in steps if "run" in step]
    for target in (word for run in called for word in re.findall(r"^make (\w+)", run)):
        assert f"\n{target}:" in makefile
    for path in (word for run in called for word in re.findall(r"-c (\S+\.txt)", run)):
        assert (ROOT / path).is_file()
