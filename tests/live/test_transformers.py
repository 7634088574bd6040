"""What we write loads in Transformers 4 and 5, without a warning or a newly initialised tensor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import converter
from tests import borts

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
AUTO = {
    "BertForMaskedLM": "AutoModelForMaskedLM",
    "BertForSequenceClassification": "AutoModelForSequenceClassification",
    "BertModel": "AutoModel",
}
# Every fixture as a file, and one in shards: a name for the directory, the fixture, the limit.
CASES: list[tuple[str, str, int | str]] = [(name, name, "5GB") for name in borts.NAMES]
CASES.append(("shards", "bort_decoder", 20_000))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fixture converted, and loaded by its own class and by AutoModel."""
    folder = tmp_path_factory.mktemp("converted")
    found = []
    for label, name, size in CASES:
        report = converter.convert(
            borts.source(name),
            folder / label,
            family="bort",
            config=borts.heads(name),
            max_shard_size=size,
        )
        assert len(report.files) == 1 if size == "5GB" else len(report.files) > 2
        own = AUTO[report.plan.transformers_class]
        # Only the classifier's file has a pooler; AutoModel would start a random one without this.
        pooler = (
            {}
            if "pooler" in "".join(s.target for s in report.plan.steps)
            else {"add_pooling_layer": False}
        )
        for auto, init in ((own, report.plan.target.init), ("AutoModel", pooler)):
            found.append(
                {
                    "directory": str(folder / label),
                    "auto": auto,
                    "init": dict(init),
                    "golden": str(borts.golden(name)),
                }
            )
    (folder / "cases.json").write_text(json.dumps(found))
    return folder


def loaded(python: str | Path, cases: Path) -> list[dict[str, Any]]:
    script = str(Path(__file__).with_name("load_with_transformers.py"))
    command = [str(python), "-W", "error", script, str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("newly initialized", "MISSING", "MISMATCH"):
        assert word not in done.stderr, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("major", ["4", "5"])
def test_loads_whole_and_gives_the_recorded_states(
    major: str, cases: Path, request: pytest.FixtureRequest
) -> None:
    python = sys.executable if major == "5" else request.getfixturevalue("transformers_4")
    results = loaded(python, cases)
    assert len(results) == 2 * len(CASES)
    for result in results:
        assert result["transformers"].startswith(f"{major}.")
        # A backbone's own names are found below a head's prefix: those of the head are left over.
        problems = [
            p
            for p in result["problems"]
            if result["class"] != "BertModel" or not p.startswith("unexpected_keys: c")
        ]
        assert problems == [], result
        assert result["difference"] <= 1e-5, result


def test_the_command_itself_works_with_transformers_4(transformers_4: Path, tmp_path: Path) -> None:
    command = [
        *(str(transformers_4), "-W", "error", "-m", "converter"),
        *("--src", str(borts.source("bort_decoder")), "--dst", str(tmp_path / "out")),
        *("--family", "bort", "--config", "num_attention_heads=4", "--json"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verified"] is True
    assert report["tool"]["transformers"].startswith("4.57")
