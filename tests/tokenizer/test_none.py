"""A directory without a vocabulary: every text fails loudly, and the model loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import converter
from tests import borts, zoo
from tests.faults.making import arguments, environment
from tests.tokenizer.bort import OPTIONS, convert, invoke
from tests.tokenizer.conftest import source  # noqa: F401  (a fixture)
from tests.versions import TRANSFORMERS

ASKED = """
import sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
for ask in (AutoTokenizer.from_pretrained, lambda d: pipeline("text-classification", d)("Hello")):
    try:
        print("answered", ask(sys.argv[1]))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, converted without a vocabulary."""
    out = tmp_path_factory.mktemp("none") / "out"
    heads = borts.heads("bort_classifier")
    converter.convert(
        borts.source("bort_classifier"), out, family="bort", config=heads, verify=False
    )
    return out


def refused(python: str | Path, out: Path) -> str:
    """What was said to each question, none of which was answered."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", ASKED, out],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "answered" not in done.stdout, done.stdout
    assert done.stdout.count("Error: ") == 2
    return done.stdout


OF_4 = "NoVocabularyWasConverted_RunBortConvertTokenizer does not exist"


def test_transformers_refuses_every_text(out: Path) -> None:
    """5 made a tokenizer of five tokens, and `pipeline` answered the same for every text."""
    said = "Couldn't instantiate the backend tokenizer" if TRANSFORMERS > 4 else OF_4
    assert said in refused(sys.executable, out)


@pytest.mark.live
def test_transformers_4_refuses_every_text(out: Path, transformers_4: Path) -> None:
    assert refused(transformers_4, out).count(OF_4) == 2


def test_a_tokenizer_takes_its_place(source: Path, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "out"
    assert convert(source, out).passed
    assert "NoVocabulary" in (out / "tokenizer_config.json").read_text()
    assert converter.verify(source, out).passed
    converter.convert(source, out, family="bort", config={"num_attention_heads": 4}, force=True)
    converter.add_tokenizer(out, **OPTIONS)
    config = json.loads((out / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert converter.verify(source, out).passed


def test_a_tokenizer_of_the_users_own_is_no_change_of_ours(
    source: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    convert(source, out)
    (out / "tokenizer_config.json").write_text("{}")
    (out / "tokenizer.json").write_text("{}")
    assert converter.verify(source, out).passed


def test_the_last_lines_are_a_warning_and_the_command(tmp_path: Path) -> None:
    result = invoke(*arguments("bort_backbone", tmp_path / "out", "--no-verify"))
    *_, wrote, none, warning, last = result.stdout.splitlines()
    assert wrote == f"wrote {tmp_path / 'out'}"
    assert none.startswith("no tokenizer: no vocabulary")
    assert warning.startswith("warning: no text becomes ids, and AutoTokenizer says so, until you")
    assert last == f"  bort-convert tokenizer --vocab FILE --merges FILE --dst {tmp_path}/out"


def test_a_public_tokenizer_is_named_for_its_size_alone(tmp_path: Path) -> None:
    """'gpt2 has the same vocabulary' was said of a GPT-2 of 97 words."""
    plan = zoo.plan_of("scripts/gpt2")
    rule = plan.table.tokenizer
    assert rule is not None
    assert rule.public_names(50257) == ["gpt2"]
    assert rule.public_names(plan.config["vocab_size"]) == []
    told = dict(plan.overrides)
    converter.convert(plan.index.path, tmp_path / "out", config=told, verify=False)
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "same vocabulary" not in card
    assert "`gpt2` has as many tokens" not in card
