"""What we write of GluonNLP master's models loads in Transformers 4 and 5, whole, and is right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import converter
from tests import zoo_master
from tests.live.test_transformers import ROOT, loaded

pytestmark = pytest.mark.live

CONVERTED = [n for n in zoo_master.NAMES if zoo_master.MANIFEST[n]["transformers_class"]]
AUTO = {
    "GPT2LMHeadModel": "AutoModelForCausalLM",
    "BartForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "T5ForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "XLMRobertaForMaskedLM": "AutoModelForMaskedLM",
    "RobertaForMaskedLM": "AutoModelForMaskedLM",
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    found = []
    for name in CONVERTED:
        stated = zoo_master.MANIFEST[name]
        report = converter.convert(
            zoo_master.source(name),
            folder / name,
            family=stated["family"],
            config=stated["config"],
        )
        found.append(
            {
                "directory": str(folder / name),
                "auto": AUTO.get(report.plan.transformers_class, "AutoModel"),
                "init": dict(report.plan.target.init),
                "golden": str(zoo_master.golden(name)),
                **({"first_position": 2} if "oberta" in report.plan.transformers_class else {}),
            }
        )
    (folder / "cases.json").write_text(json.dumps(found))
    return folder


@pytest.mark.parametrize("major", ["4", "5"])
def test_loads_whole_and_gives_the_recorded_states(
    major: str, cases: Path, request: pytest.FixtureRequest
) -> None:
    python = sys.executable if major == "5" else request.getfixturevalue("transformers_4")
    results = loaded(python, cases)
    assert len(results) == len(CONVERTED)
    for result in results:
        assert result["transformers"].startswith(f"{major}.")
        assert result["problems"] == [], result
        assert result["difference"] <= 1e-5, result


# Names, each of a conversion; what is printed is whether the proof passed, and by which version
PROVEN = """
import sys
from pathlib import Path
import transformers
import converter
from tests import zoo_master

for name in sys.argv[2:]:
    stated = zoo_master.MANIFEST[name]
    report = converter.convert(
        zoo_master.source(name), Path(sys.argv[1], name),
        family=stated["family"], config=stated["config"], jobs=1,
    )
    print(name, report.passed, transformers.__version__)
"""


def test_the_proof_passes_with_transformers_4(transformers_4: Path, tmp_path: Path) -> None:
    names = ["bart_untied", "mt5", "t5", "gpt2_lm"]
    command = [str(transformers_4), "-W", "error", "-c", PROVEN, str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in said] == [[name, "True"] for name in names]
    assert all(version.startswith("4.") for *_, version in said)
