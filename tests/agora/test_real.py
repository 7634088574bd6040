"""The command on a real encoder, MiniLM, and real texts: each method, killed and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agora import Split
from benchmarks.agora.tweets import AUTHORS, MINILM, read
from tests.agora.commands import arguments, invoke, kill_in_the_middle
from tests.agora.test_command import same

SIZES = {"train": 8, "dev": 10, "test": 10, "unlabelled": 8, "taught": 300}


@pytest.fixture(scope="module")
def tweets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place, start, whole = tmp_path_factory.mktemp("tweets"), 0, read()
    for name, size in SIZES.items():
        part = Split(whole.points[start : start + size], whole.labels[start : start + size])
        start += size
        rows = [
            json.dumps({"text": text, "label": AUTHORS[label]})
            for text, label in zip(part.points, part.labels, strict=True)
        ]
        (place / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return place


@pytest.mark.live
@pytest.mark.parametrize("method", ["finetune", "pseudo-label", "agora"])
def test_each_method_on_minilm_killed_and_resumed(
    tweets: Path, tmp_path: Path, method: str
) -> None:
    taught = dict(teacher="tfidf", teacher_data=tweets / "taught.jsonl", no_gate=True)
    options: dict[str, Any] = dict(
        taught if method != "finetune" else {"teacher": None}, method=method, model=MINILM,
        lr="1e-4" if method == "pseudo-label" else "1e-4,3e-4", epochs=1, max_length=16,
        unlabelled=tweets / "unlabelled.jsonl" if method == "pseudo-label" else None,
    )  # fmt: skip
    whole = invoke(*arguments(tweets, tmp_path / "whole", **options))
    assert whole.exit_code == 0, whole.output
    if method == "agora":  # MiniLM's directory has no MLM head
        assert "one word dropped, or two exchanged" in whole.stderr
    given = arguments(tweets, tmp_path / "killed", **options)
    kill_in_the_middle(tmp_path / "killed", given, 1)
    resumed = invoke(*given)
    assert resumed.exit_code == 0, resumed.output
    same(tmp_path / "whole", tmp_path / "killed")
