"""The command on a converted Bort, whole, killed and resumed; and what it says of bad data."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agora import Split
from agora.bort import Borts
from agora.cli import command, main
from agora.data import numbered
from agora.errors import AgoraError
from agora.job import Job
from benchmarks.agora import grammar
from tests.agora.commands import LABELS, PATIENCE, arguments, invoke, started


def test_from_a_converted_bort_to_a_directory_that_predicts(place: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with started(*arguments(place, tmp_path / "whole", workers=2, mlm=place / "bort")) as whole:
        out, err = whole.communicate(timeout=PATIENCE)
    assert whole.returncode == 0, err
    assert "test    0." in out or "test    1." in out
    assert err.count("lr=") == 4  # a line a round

    state = tmp_path / "killed.agora"
    with started(*arguments(place, tmp_path / "killed", mlm=place / "bort")) as killed:
        while len(list(state.glob("*/*/outcome.json"))) < 6:
            assert killed.poll() is None, killed.communicate()[1]
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed").exists()
    with started(*arguments(place, tmp_path / "killed", mlm=place / "bort")) as again:
        resumed = again.communicate(timeout=PATIENCE)[0]
    assert resumed.splitlines()[:-1] == out.splitlines()[:-1]
    assert not state.exists()

    first, second = (
        json.loads((tmp_path / n / "agora.json").read_text()) for n in ("whole", "killed")
    )
    assert first == second
    for name in ("model.safetensors", "tokenizer.json", "config.json", "agora.svg"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "whole")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "whole")
    assert model.config.id2label == {0: "neg", 1: "pos"}
    test = grammar.sample(80, 3, [grammar.sample(30, 1, rich=False)])
    student = Borts("", LABELS).load(tmp_path / "whole")
    ids = student.inputs(test.points[:1])["input_ids"]
    logits = model.eval()(input_ids=ids).logits
    assert student.probabilities(test.points[:1])[0] == pytest.approx(
        logits.softmax(-1)[0].tolist()
    )
    assert tokenizer.decode(ids[0]) == f"<s> {test.points[0]} </s>"


def test_without_test_there_is_no_score(place: Path, tmp_path: Path) -> None:
    options = dict(test=None, teacher=place / "many.jsonl", lr="1e-3", warmup="0.1", epochs=1)
    result = invoke(*arguments(place, tmp_path / "out", **options))
    assert result.exit_code == 0, result.output
    assert "no score is shown" in result.output
    assert "knows no dev point" in result.output  # the gate could not be applied
    found = json.loads((tmp_path / "out" / "agora.json").read_text())
    assert not {"test_score", "selection_score", "gap"} & set(found)


def test_a_bad_teacher_is_refused(place: Path, tmp_path: Path) -> None:
    lies = numbered(grammar.sample(120, 4), LABELS)
    wrong = Split(lies.points, tuple(LABELS[1 - label] for label in lies.labels))
    dev = grammar.sample(30, 2, [grammar.sample(30, 1, rich=False)])
    wrong += Split(dev.points, tuple("pos" if y == "neg" else "neg" for y in dev.labels))
    unique = dict(zip(wrong.points, wrong.labels, strict=True))
    path = grammar.write(Split.of(unique, unique.values()), tmp_path / "lies.jsonl")
    result = invoke(*arguments(place, tmp_path / "out", teacher=path))
    assert isinstance(result.exception, AgoraError)
    assert "must be above 0.667" in str(result.exception)
    assert not (tmp_path / "out").exists()


GOOD = (
    '{"text": "the film was good", "label": "pos"}\n{"text": "the plot was bad", "label": "neg"}\n'
)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("dev.jsonl", "", "is empty"),
        ("dev.csv", "text,label\n", "has no rows"),
        ("dev.jsonl", '{"words": "a", "label": 1}\n', "has the columns label, words"),
        ("dev.jsonl", '{"text": "a", "label": null}\n', "row 1: the label None is missing"),
        ("dev.csv", "text,label\na,pos\nb,\n", "row 2: the label '' is missing"),
        ("dev.jsonl", '{"text": " ", "label": "pos"}\n', "row 1: a text is missing or empty"),
        ("dev.jsonl", '{"text": "a", "label": "odd"}\n', "dev has the label 'odd', which train"),
        ("dev.jsonl", GOOD, "2 items are in train and in dev"),
        ("dev.jsonl", '{"text_a": "a", "text_b": "b", "label": "pos"}\n', "pairs are mixed"),
        ("dev.jsonl", "{not json\n", "cannot be read"),
        ("dev.txt", "a", "neither .jsonl nor .csv"),
    ],
)
def test_bad_data_is_an_error_before_training(
    place: Path, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / name).write_text(content)
    options = dict(train=tmp_path / "train.jsonl", dev=tmp_path / name)
    result = invoke(*arguments(place, tmp_path / "out", **options))
    assert isinstance(result.exception, AgoraError)
    assert said in str(result.exception)
    assert not (tmp_path / "out.agora").exists()


def test_options_that_cannot_be(place: Path, tmp_path: Path) -> None:
    for options, said in (
        (dict(task="regression"), "needs --tolerance"),
        (dict(tau="table"), "needs a --teacher that is a file"),
        (dict(tau="refill"), "needs --mlm"),
        (dict(tau="words", embedding=place), "--embedding is for --tau synonym"),
        (dict(mlm=place / "bort", embedding=place), "or --mlm"),
        (dict(model=place), "has no config.json"),
        (dict(out=place), "exists"),
    ):
        more: dict[str, Any] = {"train": place / "train.jsonl", **options}
        if more.get("task"):
            for name in ("train", "dev", "test"):
                rows = [json.dumps({"text": f"{name} {i}", "label": i}) for i in range(4)]
                (tmp_path / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
                more[name] = tmp_path / f"{name}.jsonl"
        result = invoke(*arguments(place, more.pop("out", tmp_path / "out"), **more))
        assert isinstance(result.exception, AgoraError), result.output
        assert said in str(result.exception)
    assert invoke(*arguments(place, tmp_path / "out", lr="a")).exit_code == 2


def test_a_teacher_that_cannot_be_read(place: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(place / "teacher", broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    result = invoke(*arguments(place, tmp_path / "out", teacher=broken))
    assert isinstance(result.exception, AgoraError)
    assert "cannot be read as a classifier" in str(result.exception)


def test_errors_are_text_and_an_exit_code(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bort-agora", *arguments(place, place)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: {place} exists")
    monkeypatch.setitem(sys.modules, "agora.job", None)
    with pytest.raises(SystemExit):
        main()
    assert "pip install 'bort-convert[agora]'" in capsys.readouterr().err


def test_pairs_and_regression(place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, n in (("train", 16), ("dev", 10), ("test", 8), ("known", 60)):
        rows = []
        for i in range(n):
            a, b = (grammar.sentence(rng) for _ in range(2))
            same = len(set(a.split()) & set(b.split())) / 5
            rows.append(f"{a} and {name[0]}{i},{b},{same}")
        (tmp_path / f"{name}.csv").write_text("\n".join(["text_a,text_b,label", *rows]) + "\n")
    more = {name: tmp_path / f"{name}.csv" for name in ("train", "dev", "test")}
    options = dict(
        task="regression", tolerance=0.1, teacher=tmp_path / "known.csv", lr="1e-3", epochs=1
    )
    result = invoke(*arguments(place, tmp_path / "out", **more, **options))
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "config.json").read_text())["id2label"] == {"0": "value"}


def test_job_has_every_option_of_the_command() -> None:
    names = {option.name for option in command.params}
    assert names == set(Job.__dataclass_fields__)
