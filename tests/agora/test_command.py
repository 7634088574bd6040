"""The command on a converted Bort: each method, whole, killed and resumed; and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoModel

from agora.bort import Borts
from agora.cli import main, main_agora
from agora.errors import AgoraError
from benchmarks.agora import grammar
from tests.agora.commands import (
    LABELS,
    PATIENCE,
    arguments,
    invoke,
    kill_in_the_middle,
    started,
)

TFIDF = {"teacher": "tfidf"}


def same(one: Path, other: Path) -> None:
    """Byte for byte."""
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    assert {"model.safetensors", "tokenizer.json", "config.json", "agora.json"} <= {*names}
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("method", ["finetune", "pseudo-label", "agora"])
def test_each_method_killed_and_resumed_is_byte_equal(
    place: Path, tmp_path: Path, method: str
) -> None:
    options: dict[str, Any] = dict(method=method, seeds="0,1", epochs=1)
    if method == "finetune":
        options["teacher"] = None
    if method == "pseudo-label":
        options |= {"unlabelled": place / "unlabelled.jsonl"}
    whole = invoke(*arguments(place, tmp_path / "whole", **options))
    assert whole.exit_code == 0, whole.output
    given = arguments(place, tmp_path / "killed", **options)
    kill_in_the_middle(tmp_path / "killed", given, 2)
    resumed = invoke(*given)
    assert resumed.stdout.splitlines()[:-1] == whole.stdout.splitlines()[:-1]
    assert not (tmp_path / "killed.agora").exists()
    same(tmp_path / "whole", tmp_path / "killed")
    shown, report = whole.stderr, whole.stdout
    assert "cost: at most" in shown
    rounds = {"finetune": 1, "pseudo-label": 2, "agora": 4}[method]
    lines = [line.split() for line in shown.splitlines() if "lr=" in line]
    assert [line[0] for line in lines if line[1] == "all"] == [str(i) for i in range(rounds)]
    students = {"finetune": 4, "pseudo-label": 8, "agora": 10}[method]
    assert sum("/" in line[1] for line in lines) == students
    assert "majority class" in report
    assert "gap" in report
    for name in ("control: grid search", "\nteacher  ", " here"):
        assert (name in report) == (method != "finetune")
    found = json.loads((tmp_path / "whole" / "agora.json").read_text())
    assert found["students"] == students
    assert found["control_cost"] == 4 * (3 * 30 + 30 + 30)  # one epoch, and dev once more
    assert set(found["test"][method]) == {"accuracy", "macro-F1", "Matthews"}
    if method == "agora":
        assert "filled in by the MLM head of" in shown
        assert "the teacher is sure" in shown


def test_what_comes_out_predicts(place: Path, tmp_path: Path) -> None:
    """The whole command, as a process; the directory by itself gives the student's own logits."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out = tmp_path / "out"
    given = arguments(place, out, method="finetune", teacher=None, epochs=1)
    with started(*given) as process:
        shown, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "Loading weights" not in err  # a local model is no news
    assert "newly initialized" not in err
    assert "wrote" in shown
    model = AutoModelForSequenceClassification.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert model.config.id2label == {0: "neg", 1: "pos"}
    text = grammar.sample(1, 99).points[0]
    student = Borts("", LABELS).load(out)
    inputs = tokenizer(text, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    assert tokenizer.decode(inputs["input_ids"][0]) == f"<s> {text} </s>"
    logits = model.eval()(**inputs).logits
    assert student.probabilities([text])[0] == pytest.approx(logits.softmax(-1)[0].tolist())


def test_no_text_is_in_what_is_written_but_with_keep_texts(place: Path, tmp_path: Path) -> None:
    """And without --test no score of any kind."""
    train = [json.loads(line)["text"] for line in (place / "train.jsonl").read_text().splitlines()]
    few: dict[str, Any] = dict(test=None, lr="1e-3", epochs=1, method="finetune", teacher=None)
    for kept in (None, True):
        out = tmp_path / f"out-{kept}"
        result = invoke(*arguments(place, out, keep_texts=kept, **few))
        assert result.exit_code == 0, result.output
        assert "no score is shown" in result.stdout
        assert "0." not in result.stdout.replace("lr=0.001", "").replace("warmup=0.1", "").replace(
            "wd=0.0", ""
        )
        written = (out / "agora.json").read_text()
        assert (train[0] in written) == bool(kept)
        found = json.loads(written)
        assert found["trace"]["train"]["points"] == len(train)
        assert not {"test", "selected_at", "gap"} & set(found)


def test_agora_that_does_not_help_is_said_to(place: Path, tmp_path: Path) -> None:
    """Students that learn nothing: the control is as good. The teacher is better, which is said."""
    headless = tmp_path / "headless"
    shutil.copytree(place / "bort", headless)
    AutoModel.from_pretrained(headless).save_pretrained(headless)
    result = invoke(*arguments(place, tmp_path / "out", lr="1e-9,2e-9", epochs=1, model=headless))
    assert result.exit_code == 0, result.output
    assert "Agora did not help here: +0.000, 0 texts won, 0 lost" in result.stdout
    assert "The teacher itself is better than the student" in result.stdout
    assert "one word dropped, or two exchanged" in result.stderr


GOOD = (
    '{"text": "the film was good", "label": "pos"}\n{"text": "the plot was bad", "label": "neg"}\n'
)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("dev.jsonl", "", "is empty"),
        ("dev.csv", "", "is empty"),
        ("dev.csv", "text,label\n", "has no rows"),
        ("dev.jsonl", '{"words": "a", "label": 1}\n', "has the columns label, words"),
        ("dev.jsonl", '{"text": "a", "label": null}\n', "row 1: the label None is missing"),
        ("dev.jsonl", GOOD + '{"text": "a"}\n', "row 3: the label None is missing"),
        ("dev.csv", "text,label\na,pos\nb,\n", "row 2: the label '' is missing"),
        ("dev.csv", "text,label\na,pos\nb\n", "row 2: the label None is missing"),
        ("dev.csv", "text,label\na,pos,more\n", "row 1: it is no object, or has more fields"),
        ("dev.csv", 'text,label\n"a,pos\n', "cannot be read"),
        ("dev.jsonl", '["a"]\n', "row 1: it is no object"),
        ("dev.jsonl", '{"text": " ", "label": "pos"}\n', "row 1: a text is missing or empty"),
        ("dev.jsonl", '{"text": "a", "label": "odd"}\n', "dev has the label 'odd', which train"),
        ("dev.jsonl", GOOD, "2 items are in train and in dev"),
        ("dev.jsonl", GOOD.replace("the ", "the  "), "2 items are in train and in dev"),
        ("dev.csv", "\ufefftext,label\n the  film was\u00a0good,pos\n", "1 items are in train and"),
        ("dev.jsonl", '{"text_a": "a", "text_b": "b", "label": "pos"}\n', "pairs are mixed"),
        ("dev.jsonl", "{not json\n", "cannot be read"),
        ("dev.txt", "a", "neither .jsonl nor .csv"),
    ],
)
def test_bad_data_is_an_error_before_training(
    place: Path, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / name).write_text(content, "utf-8")
    options = dict(train=tmp_path / "train.jsonl", dev=tmp_path / name)
    result = invoke(*arguments(place, tmp_path / "out", **options))
    assert isinstance(result.exception, AgoraError)
    assert said in str(result.exception)
    assert not (tmp_path / "out.agora").exists()


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("lr", ["nan", "-1", "0", "inf", "a", "1e-4,1e-4"]),
        ("wd", ["-1", "nan"]),
        ("epochs", ["0", "1.5"]),
        ("warmup", ["1.5", "-0.1", "nan"]),
        ("batch", ["2.5", "0"]),
        ("seeds", ["-1", "0.5"]),
        ("budget", ["0", "-1"]),
        ("patience", ["0"]),
    ],
)
def test_numbers_that_mean_nothing_are_wrong_usage(
    place: Path, tmp_path: Path, option: str, values: list[str]
) -> None:
    for value in values:
        result = invoke(*arguments(place, tmp_path / "out", **{option: value}))
        assert result.exit_code == 2, (value, result.output)
        assert f"--{option}" in result.output
        assert not (tmp_path / "out.agora").exists()


def test_options_that_cannot_be(place: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.skops").write_bytes(b"no archive")
    (tmp_path / "pairs.csv").write_text("text_a,text_b\na,b\n")
    for options, said in (
        (dict(teacher=None), "the one needs the other"),
        (dict(method="finetune"), "the one needs the other"),
        (dict(method="pseudo-label"), "needs --unlabelled"),
        (dict(model=place), "has no config.json"),
        (dict(out=place), "exists"),
        (dict(unlabelled=tmp_path / "pairs.csv"), "single texts and pairs are mixed: --unlabelled"),
        (dict(budget=100), "--budget 100 is less than the first round costs"),
        (dict(teacher=tmp_path / "empty"), "has no config.json"),
        (dict(teacher=tmp_path / "nowhere"), "has no config.json"),
        (dict(teacher=place / "many.jsonl"), "put it into --train"),
        (dict(teacher=tmp_path / "no.skops"), "cannot be read as a classifier"),
        (dict(teacher="tfidf"), "needs --teacher-data"),
        (dict(teacher_data=place / "many.jsonl"), "is for --teacher tfidf"),
        (dict(TFIDF, teacher_data=place / "test.jsonl"), "items are in --teacher-data and in test"),
    ):
        more: dict[str, Any] = dict(options)
        result = invoke(*arguments(place, more.pop("out", tmp_path / "out"), **more))
        assert isinstance(result.exception, AgoraError), (said, result.output)
        assert said in str(result.exception)
    assert not (tmp_path / "out.agora").exists()


def test_a_teacher_that_cannot_be_read_or_knows_other_labels(place: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(place / "teacher", broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    from skops.io import dump  # here, as below: it takes seconds, and every worker collects

    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    dump(pipeline.fit(["good", "bad"], ["yes", "no"]), tmp_path / "other.skops")
    dump(make_pipeline(TfidfVectorizer(tokenizer=grammar.truth)), tmp_path / "unsafe.skops")
    for path, said in (
        (broken, "cannot be read as a classifier"),
        (tmp_path / "other.skops", "knows the labels ('no', 'yes'), train has ('neg', 'pos')"),
        (tmp_path / "unsafe.skops", "types that skops does not trust"),
    ):
        result = invoke(*arguments(place, tmp_path / "out", teacher=path))
        assert isinstance(result.exception, AgoraError), result.output
        assert said in str(result.exception)


def test_a_pipeline_teaches_from_a_file_as_when_it_is_fitted(place: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (place / "many.jsonl").read_text().splitlines()]
    from skops.io import dump

    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0, max_iter=1000))
    pipeline.fit([row["text"] for row in rows], [row["label"] for row in rows])
    dump(pipeline, tmp_path / "teacher.skops")
    few: dict[str, Any] = dict(
        method="pseudo-label", unlabelled=place / "unlabelled.jsonl", lr="1e-3", epochs=1
    )
    of_file = dict(few, teacher=tmp_path / "teacher.skops")
    fitted = dict(few, **TFIDF, teacher_data=place / "many.jsonl")
    for name, options in (("file", of_file), ("fitted", fitted)):
        result = invoke(*arguments(place, tmp_path / name, **options))
        assert result.exit_code == 0, result.output
    same(tmp_path / "file", tmp_path / "fitted")


def test_unlabelled_texts_are_taus_pool(place: Path, tmp_path: Path) -> None:
    pool = place / "unlabelled.jsonl"
    options: dict[str, Any] = dict(unlabelled=pool, epochs=1, keep_texts=True)
    result = invoke(*arguments(place, tmp_path / "out", **options))
    assert result.exit_code == 0, result.output
    assert "tau: the nearest texts of --unlabelled" in result.stderr
    points = json.loads((tmp_path / "out" / "agora.json").read_text())["texts"][0]
    texts = {json.loads(line)["text"] for line in pool.read_text().splitlines()}
    assert points[30:]
    assert {*points[30:]} <= texts


def test_a_csv_with_a_byte_order_mark_is_read(place: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(
        "text,label\nsome good film,pos\nbad plot,neg\n", "utf-8-sig"
    )
    options: dict[str, Any] = dict(train=tmp_path / "train.csv", lr="1e-3", epochs=1)
    result = invoke(*arguments(place, tmp_path / "out", method="finetune", teacher=None, **options))
    assert result.exit_code == 0, result.output


def test_errors_are_text_and_an_exit_code(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(place, place)
    monkeypatch.setattr(sys, "argv", ["bort-finetune", *given])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: {place} exists")
    place_of = given.index("--method")
    monkeypatch.setattr(sys, "argv", ["bort-agora", *given[:place_of], *given[place_of + 2 :]])
    with pytest.raises(SystemExit):
        main_agora()
    assert capsys.readouterr().err.startswith(f"error: {place} exists")
    monkeypatch.setitem(sys.modules, "agora.job", None)
    with pytest.raises(SystemExit):
        main()
    assert "pip install 'bort-convert[agora]'" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="elsewhere Ctrl-C is no signal of a group")
def test_ctrl_c_ends_the_command_and_its_workers_in_a_line(place: Path, tmp_path: Path) -> None:
    """What is done stays, and the same command goes on from there."""
    out = tmp_path / "out"
    few: dict[str, Any] = dict(method="finetune", teacher=None, workers=2, seeds="0,1,2,3")
    with started(*arguments(place, out, epochs=40, patience=40, **few)) as process:
        while not [*(tmp_path / "out.agora").glob("*/*/outcome.json")]:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert err.endswith("\nstopped: the same command goes on from what is done\n")
    assert "Traceback" not in err
    assert not out.exists()
    assert [*(tmp_path / "out.agora").glob("*/*/outcome.json")]


def test_a_student_that_fails_is_named_with_its_step(place: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = dict(method="finetune", teacher=None, lr="1e30", warmup="0")
    result = invoke(*arguments(place, tmp_path / "out", **options))
    assert isinstance(result.exception, AgoraError)
    assert "at step" in str(result.exception)


def test_pairs(place: Path, tmp_path: Path) -> None:
    """Pairs of texts, from CSV; the teacher is fitted on pairs too."""
    rng = np.random.default_rng(0)
    for name, n in (("train", 16), ("dev", 10), ("test", 8), ("known", 60)):
        rows = []
        for i in range(n):
            a, b = (grammar.sentence(rng) for _ in range(2))
            same = grammar.truth(a) == grammar.truth(b)
            rows.append(f"{a} and {name[0]}{i},{b},{same}")
        (tmp_path / f"{name}.csv").write_text("\n".join(["text_a,text_b,label", *rows]) + "\n")
    more = {name: tmp_path / f"{name}.csv" for name in ("train", "dev", "test")}
    options: dict[str, Any] = dict(
        TFIDF, teacher_data=tmp_path / "known.csv", lr="1e-3", epochs=1, no_gate=True
    )
    result = invoke(*arguments(place, tmp_path / "out", **more, **options))
    assert result.exit_code == 0, result.output
    assert "one word filled in by the MLM head of" in result.stderr
    written = json.loads((tmp_path / "out" / "config.json").read_text())["id2label"]
    assert written == {"0": "False", "1": "True"}
