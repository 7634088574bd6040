"""One student trained by two processes, on CPUs: what one process makes, but for rounding."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file

from agora.cli import command
from agora.errors import OptionError
from agora.together import follow
from tests.agora.commands import PATIENCE, arguments, running, started
from tests.agora.together_job import Counting, run

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
CPU = {"ACCELERATE_USE_CPU": "true"}


def together(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *TORCHRUN, "-m", "tests.agora.together_job", *map(str, args)]
    with running(command, **environment) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_two_processes_share_every_batch_and_give_what_one_gives(tmp_path: Path) -> None:
    done = together(tmp_path, **CPU)
    assert done.returncode == 0, done.stderr
    Counting.rows = 0
    alone = run(None)
    assert json.loads((tmp_path / "trace.json").read_text()) == json.loads(
        json.dumps(alone.trace())
    )
    alone.student.save(tmp_path / "..")
    ours, theirs = (
        torch.load(place / "model.pt", weights_only=True) for place in (tmp_path / "..", tmp_path)
    )
    for name, weight in ours.items():
        torch.testing.assert_close(theirs[name], weight, rtol=0, atol=1e-6)
    rows = [int((tmp_path / f"rows-{i}").read_text()) for i in range(2)]
    assert Counting.rows == alone.ledger.updates
    # a row more where the last batch has one: both take part in every step
    assert alone.ledger.updates <= sum(rows) <= alone.ledger.updates * 1.1
    assert min(rows) > 0.45 * alone.ledger.updates


def test_a_student_that_fails_ends_all_processes(tmp_path: Path) -> None:
    done = together(tmp_path, "fail", **CPU)
    assert done.returncode != 0
    assert "only zeros" in done.stderr
    assert not (tmp_path / "trace.json").exists()


def test_the_command_with_two_processes(place: Path, tmp_path: Path) -> None:
    """Without dropout, which each process draws for itself, the same student comes out."""
    still = tmp_path / "still"
    shutil.copytree(place / "bort", still)
    config = json.loads((still / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (still / "config.json").write_text(json.dumps(config))
    options = dict(model=still, no_preset=True, warmup="0.1", teacher=place / "many.jsonl")
    with started(*arguments(place, tmp_path / "two", **options), by=TORCHRUN, **CPU) as two:
        out, err = two.communicate(timeout=PATIENCE)
    assert two.returncode == 0, err
    assert out.count("wrote") == 1
    one = CliRunner().invoke(command, arguments(place, tmp_path / "one", **options))
    assert one.exit_code == 0, one.output
    found = [json.loads((tmp_path / name / "agora.json").read_text()) for name in ("one", "two")]
    assert found[0] == found[1]
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert max(abs(ours[name] - theirs[name]).max() for name in ours) < 1e-4


def test_processes_that_accelerate_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match="set ACCELERATE_USE_CPU=true"):
        follow()
