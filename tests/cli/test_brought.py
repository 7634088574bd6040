"""What people bring and no table converts: named for what it is, in few lines, with what works.

Every command that a refusal names is typed as it stands there, and has to succeed.
"""

from __future__ import annotations

import re
import shlex
import tarfile
from pathlib import Path
from typing import Any

import pytest

from converter.params import load_params, read_index
from converter.tables.load import family_names
from tests import zoo_master
from tests.brought import FOLDER, there
from tests.cli.test_main import invoke
from tests.exported import assert_equal

LINES = 15  # of a refusal
SOCKEYE_2, IMAGES = "a Sockeye 2 or 3.0 translation model", "it sees images"
INT8, SERIES = "quantised to int8", "it forecasts time series"
UNKNOWN = "of no family here: not one of its names is known"
NO_LAYER = "of no family here: it has no layer of any of them"
FOREIGN = {  # refused whole, and exported
    "int8/classifier-0000.params": INT8,
    "cases/clf010_int8-0000.params": INT8,
    "head/classifier-0009.params": "the head of GluonNLP's BERTClassifier alone",
    "head_structural/head.params": "the head classifier of bert alone",
    "cases/electric.ckp-0009.params": "the head of GluonNLP's BERTClassifier alone",
    "sockeye_1/params.best": "a Sockeye 1 translation model",
    "sockeye_1": "a Sockeye 1 translation model",
    "sockeye_2/params.best": SOCKEYE_2,
    "cases/sockeye_params.best": SOCKEYE_2,
    "gluonts/prediction_net-0000.params": f"the network of a GluonTS predictor: {SERIES}",
    "gluonts/renamed.params": f"the network of a GluonTS predictor: {SERIES}",
    "gluonts/exported-0000.params": f"the network of a GluonTS estimator: {SERIES}",
    "sagemaker_images": f"SageMaker's built-in image classification: {IMAGES}",
    "sagemaker_objects": f"SageMaker's built-in object detection: {IMAGES}",
    "sagemaker_linear": "one of SageMaker's built-in algorithms",
    "sagemaker_kmeans": "one of SageMaker's built-in algorithms",
    "sagemaker_pca/model_algo-1": "SageMaker's built-in PCA: it is no network",
    "cnn/cnn-0019.params": "of no family here: 1 of its 7 names",
    "cases/cnn-0019.params": "of no family here: 1 of its 7 names",
    "lstm/sentiment.params": NO_LAYER,
    "cases/sentiment_lstm_collect.params": NO_LAYER,
    "lstm/standard_lstm_lm.params": UNKNOWN,
    "cases/standard_lstm_lm.params": UNKNOWN,
    "own_parameter/structural.params": UNKNOWN,
    "own_parameter/scopes.params": UNKNOWN,
}
TEXTS = {  # no parameters
    "block_save/net-model.json": "what MXNet's Block.save writes beside the weights",
    "cases/blocksave-model.json": "what MXNet's Block.save writes beside the weights",
    "cases/text_errors/cloudflare.params": "  | error code: 1003",
    "cases/text_errors/github404.params": "  | 404: Not Found",
    "cases/text_errors/hub.params": "  | Entry not found",
}
# What its author knows of a file that is asked about, and the class that it becomes
HEADS = {"--config": "num_attention_heads=4"}
TAGGER = HEADS | {"--head": "token-classification"}
ASKED: dict[str, tuple[dict[str, str], str]] = {
    "block_save/net-model.params": (
        {"--config": "num_attention_heads=2"},
        "BertForSequenceClassification",
    ),
    "cases/v071_question_answering-0000.params": (HEADS, "BertForQuestionAnswering"),
    "cases/ner_pooler_collect.params": (TAGGER, "BertForTokenClassification"),
    "cases/ner_pooler.params": (HEADS, "BertModel"),
    "cases/mixed_fp16.params": (HEADS, "Bert"),
    "cases/own.params": (HEADS, "BertModel"),
    "cases/own_collect.params": (HEADS, "Bert"),
    "cases/mlp_head.params": (HEADS, "BertModel"),
    "cases/icsl_plain.params": (HEADS, "BertModel"),
    "cases/bare_dense.params": (HEADS, "Bert"),
    "cases/bert_bilstm_crf.params": (HEADS, "BertModel"),
    "cases/kogpt2_base.params": (
        {"--config": "n_head=4", "--config=": "activation_function=gelu"},
        "GPT2LMHeadModel",
    ),
    "cases/ag0015_text": (HEADS, ""),
    "cases/kobert_dir": (HEADS, "BertForSequenceClassification"),
    "cases/sm_kobert.tar.gz": (HEADS, "BertForSequenceClassification"),
}


def refusal(result: Any) -> list[str]:
    """The lines of a refusal, which are few and no traceback."""
    assert result.exit_code == 1, (result.stdout, result.stderr)
    lines: list[str] = result.stderr.rstrip("\n").split("\n")
    assert len(lines) <= LINES, result.stderr
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in result.stderr
    return lines


def typed(lines: list[str]) -> list[str]:
    """The command that a refusal names, as the shell takes it apart."""
    (line,) = (line for line in lines if "bort-convert export " in line)
    command = line.partition("bort-convert ")[2]
    return shlex.split(command)


@pytest.mark.parametrize(
    ("path", "said"), there(FOREIGN), ids=lambda v: v.name if isinstance(v, Path) else ""
)
def test_it_is_named_and_the_command_works(
    path: Path, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = invoke("--src", path, "--dst", tmp_path / "by_its_graph")
    if usual.exit_code == 0:  # the symbol is beside it
        (why,) = (line for line in usual.stdout.split("\n") if line.startswith("by its graph: "))
        assert said in why
    else:
        assert said in "\n".join(refusal(usual))
    lines = refusal(invoke("--src", path, "--dst", tmp_path / "out", "--as", "table"))
    assert said in "\n".join(lines)
    inspected = invoke("inspect", path)
    assert inspected.exit_code == 0
    before_the_graph = inspected.stdout.partition("\ndtypes: ")[2].partition("\n\n")[0]
    after = before_the_graph.split("\n")
    assert said in "\n".join(after)
    assert len(after) <= LINES
    monkeypatch.chdir(tmp_path)
    command, source, target, *more = typed(lines)
    done = invoke(command, source, target, *more)
    assert done.exit_code == 0, done.stderr
    assert_equal(tmp_path / target, load_params(source))


@pytest.mark.parametrize(
    ("path", "said"), there(TEXTS), ids=lambda v: v.name if isinstance(v, Path) else ""
)
def test_what_holds_no_parameters_is_named(path: Path, said: str, tmp_path: Path) -> None:
    for result in (
        invoke("--src", path, "--dst", tmp_path / "out"),
        invoke("inspect", path),
        invoke("export", path, tmp_path / "out.npz"),
    ):
        lines = refusal(result)
        assert said in "\n".join(lines)
        assert re.match("Fetch|Give|Run", lines[-1]), "what to do, last"


def told(lines: list[str], known: dict[str, str]) -> list[str]:
    """What somebody types next who reads the refusal and knows the model."""
    text = "\n".join(lines)
    families = re.findall(r"^  - (?:--family )?(\w+)(?= --|:)", text, re.M)
    families = [name for name in families if name in family_names()]
    more = [f"--family={name}" for name in families[:1]] if "--family" in text else []
    for option, value in known.items():
        name = value.partition("=")[0] if option.startswith("--config") else value
        if option.strip("=") in text and name in text:
            more += [option.strip("="), value]
    if "--head" not in more and "--backbone" in text:
        more.append("--backbone")
    return more


@pytest.mark.parametrize(
    ("path", "asked"), there(ASKED), ids=lambda v: v.name if isinstance(v, Path) else ""
)
def test_following_what_is_said_converts_it(
    path: Path, asked: tuple[dict[str, str], str], tmp_path: Path
) -> None:
    known, becomes = asked
    options: list[str] = []
    for _ in range(3):
        result = invoke("--src", path, "--dst", tmp_path / "out", *options)
        if result.exit_code == 0:
            break
        before = len(options)
        options += [word for word in told(refusal(result), known) if word not in options]
        assert len(options) > before, result.stderr
    assert result.exit_code == 0, result.stderr
    assert f"→ {becomes}" in result.stdout


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("sagemaker_images", "SageMaker's built-in image classification"),
        ("sagemaker_pca", "SageMaker's built-in PCA"),
        ("gluonts", None),
    ],
)
def test_it_is_named_in_the_archive_that_it_comes_in(
    folder: str, said: str | None, tmp_path: Path
) -> None:
    """SageMaker packs what an algorithm leaves as model.tar.gz; of several one is asked for."""
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member in sorted((FOLDER / folder).iterdir()):
            archive.add(member, member.name)
    lines = refusal(invoke("--src", tmp_path, "--dst", tmp_path / "out", "--as", "table"))
    if said is None:
        assert "holds 3 .params files" in lines[0]
        return
    assert said in "\n".join(lines)
    assert typed(lines)[1] == str(path)


def test_the_command_is_quoted_as_a_shell_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "a b;'c.params"
    path.write_bytes(zoo_master.source("transformer_nmt").read_bytes())
    lines = refusal(invoke("--src", path, "--dst", tmp_path / "out"))
    assert typed(lines) == ["export", str(path), "out.safetensors"]


def test_no_other_file_is_taken_for_one(tmp_path: Path) -> None:
    """A negative control: a file that fits a table is converted whatever it is called."""
    path = tmp_path / "params.best"
    path.write_bytes(zoo_master.source("bart").read_bytes())
    assert len(read_index(path).tensors) == len(read_index(zoo_master.source("bart")).tensors)
    result = invoke("inspect", path)
    assert "bart_1x: fits" in result.stdout
    assert "Sockeye" not in result.stdout
