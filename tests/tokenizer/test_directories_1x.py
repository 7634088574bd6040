"""Model directories of GluonNLP 1.x: `--src` and `--dst` bring the model with its tokenizer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.planning.file import plan_file
from converter.tables.load import family_names, load_family
from tests.report.cards import run_example
from tests.tokenizer import directories_1x as directories
from tests.tokenizer.bort import invoke
from tests.versions import TRANSFORMERS

ROOT = Path(__file__).parents[2]
NAMES = directories.SOURCES


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for name in NAMES:
        directories.made(name, folder)
    return folder


@pytest.fixture(scope="module")
def converted(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every directory, by the command."""
    folder = tmp_path_factory.mktemp("converted")
    for name in NAMES:
        more = ["--family", directories.FAMILIES[name]] if name in directories.FAMILIES else []
        result = invoke("--src", sources / name, "--dst", folder / name, *more)
        assert result.exit_code == 0, result.output
        for file in ("vocab", "merges", "sentencepiece"):
            path = directories.recorded(folder / name)["tokenizer"]["files"].get(file)
            took = f"took {sources / name / str(path)}, found beside the file\n"
            assert path is None or took in result.stdout
    return folder


def test_every_family_of_1x_is_here(converted: Path) -> None:
    families = {directories.recorded(converted / name)["family"] for name in NAMES}
    assert families == {name for name in family_names() if "_1x" in name}
    assert all(load_family(name).tokenizer for name in families)


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_needs_no_option(name: str, sources: Path, converted: Path) -> None:
    record = directories.recorded(converted / name)
    made, proof = record["tokenizer"], record["proof"]["tokens"]
    assert made["tokens"] == directories.tokens(name)
    assert proof["problems"] == []
    assert proof["own"] > 60  # a piece that begins no word is none of its own
    config = json.loads((converted / name / "config.json").read_text("utf-8"))
    assert config.items() >= made["ids"].items()
    assert config["vocab_size"] == directories.rows(name)
    assert made["lower"] is {
        **dict.fromkeys(NAMES, False),
        **dict.fromkeys(("fairseq_roberta", "fairseq_roberta_master", "fairseq_bart", "gpt2")),
        **dict.fromkeys(("google_en_uncased_bert", "google_electra"), True),
        **dict.fromkeys(("google_mobilebert", "google_albert"), True),
    }[name]  # fmt: skip
    assert converter.verify(sources / name, converted / name).passed
    card = (converted / name / "README.md").read_text("utf-8")
    assert f"\n# {name}\n" in card
    assert run_example(converted / name), "the card's lines print what the model makes of text"


@pytest.fixture(scope="module", params=[pytest.param("4", marks=pytest.mark.live), "own"])
def through(request: pytest.FixtureRequest, converted: Path) -> Mapping[str, Any]:
    """Text through tokenizer and model of every directory."""
    own = request.param == "own"
    python = sys.executable if own else request.getfixturevalue("transformers_4")
    out = converted / f"transformers-{request.param}.json"
    script = Path(__file__).with_name("text_through_model.py")
    arguments = [f"{name}:{main_class}" for name, (_, main_class) in NAMES.items()]
    command = [str(python), "-W", "error", str(script), str(converted), str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(out.read_text("utf-8"))
    assert found["transformers"].startswith(f"{TRANSFORMERS if own else 4}.")
    return found["models"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", NAMES)
def test_text_goes_through_tokenizer_and_model(
    name: str, converted: Path, through: Mapping[str, Any]
) -> None:
    found, ids = through[name], directories.recorded(converted / name)["tokenizer"]["ids"]
    start, end = (ids.get(f"{role}_token_id") for role in ("cls", "sep"))
    texts = found["batch"] + found["pair"]
    if name == "gpt2":
        assert len(texts) == 2  # without a token to pad with there is one text and one pair
    elif "t5" in name:
        assert found["pair"][0].count(ids["eos_token_id"]) == 2
    else:
        assert {text[0] for text in texts} == {start}
        assert found["pair"][0].count(end) == 2  # one after each text: no second in between
    if name != "gpt2":
        assert found["batch"][1][-1] == ids["pad_token_id"]
    assert found.get("start") == {"fairseq_bart": "</s>"}.get(
        name, "<pad>" if "t5" in name else None
    )
    assert ("generated" in found) == (name in ("fairseq_bart", "gpt2", "google_t5"))
    assert found["missing"] == []


def test_a_vocabulary_that_does_not_tell_its_case_leaves_the_model_alone(
    sources: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(sources / "google_en_cased_bert", tmp_path / "mine"))
    result = invoke("--src", folder, "--dst", tmp_path / "out")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if "tokenizer" in line]
    assert "tells whether text is lower-cased (" in lines[0]
    assert lines[0].endswith("give --lower or --no-lower")
    assert not (tmp_path / "out" / "tokenizer.json").exists()
    again = invoke("--src", folder, "--dst", tmp_path / "out", "--force", "--no-lower")
    assert again.exit_code == 0, again.output
    assert directories.recorded(tmp_path / "out")["tokenizer"]["lower"] is False


def test_a_tokenizer_added_later_is_the_one_converted_with(
    sources: Path, converted: Path, tmp_path: Path
) -> None:
    name, out = "google_albert", tmp_path / "out"
    bare = shutil.copytree(sources / name, tmp_path / "bare")
    files = {"vocab": bare / "vocab.json", "sentencepiece": bare / "spm.model"}
    given = [f"--{o}={shutil.move(path, tmp_path)}" for o, path in files.items()]
    assert invoke("--src", bare, "--dst", out).exit_code == 0
    assert not (out / "tokenizer.json").exists()
    result = invoke("tokenizer", "--dst", out, *given)
    assert result.exit_code == 0, result.output
    for file in ("tokenizer.json", "tokenizer_config.json", "config.json", "spiece.model"):
        assert (out / file).read_bytes() == (converted / name / file).read_bytes()
    records = [directories.recorded(folder) for folder in (out, converted / name)]
    found = [record["tokenizer"].pop("found") for record in records]
    assert found == [None, "found beside the file"]
    for key in ("tokenizer", "config", "model_config"):
        assert records[0][key] == records[1][key]
    assert converter.verify(bare, out).passed


def test_the_zoos_vocabularies_tell_their_case(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`vocab-c1defaaa.json` is the cased one wherever it lies; a name of another content is not."""
    folder = Path(shutil.copytree(sources / "google_en_cased_bert", tmp_path / "mine"))
    vocab = (folder / "vocab.json").rename(folder / "vocab-c1defaaa.json")
    plan = plan_file(folder)
    assert plan.tokenizer is None
    assert plan.no_tokenizer.startswith("no vocabulary with GluonNLP's name")
    monkeypatch.setattr("converter.tokenizer.discover._is_named", lambda path: path == vocab)
    found = plan_file(folder).tokenizer
    assert found is not None
    assert found.lower is False


@pytest.mark.parametrize(("rows", "suits"), [(599, False), (600, True), (727, True), (728, False)])
def test_t5_has_rows_to_spare(rows: int, suits: bool) -> None:
    """The embedding may have up to 127 rows more than there are tokens, and never fewer."""
    from converter.tokenizer import make_spec
    from tests.tokenizer import cases, cases_1x

    rule, files = cases.rule_of("t5_1x"), cases_1x.files("google_t5")
    if suits:
        make_spec(rule, files, {"vocab_size": rows}, {})
        return
    with pytest.raises(converter.PlanError, match=f"600 tokens and the embedding {rows} rows"):
        make_spec(rule, files, {"vocab_size": rows}, {})
