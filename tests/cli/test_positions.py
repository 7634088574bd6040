"""SRC and DST without their options; errors as JSON where JSON is asked for."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from tests.borts import source
from tests.cli.test_main import invoke
from tests.faults.making import contents, swapped_table

SRC = str(source("bort_decoder"))
SAID = ["--family=bort", "--config num_attention_heads=4", "--no-verify --max-shard-size 1GB"]


def test_src_and_dst_stand_anywhere_among_the_options(tmp_path: Path) -> None:
    orders = [*itertools.permutations([*SAID, SRC])][::5]
    made = []
    for number, order in enumerate(orders):
        words = [word for part in order for word in part.split()]
        place = words.index(SRC) + 1 if number % 2 else len(words)
        words.insert(place, str(tmp_path / f"out{number}"))
        result = invoke(*words)
        assert result.exit_code == 0, (words, result.stderr)
        made.append(contents(tmp_path / f"out{number}")["model.safetensors"])
    named = ["--src", SRC, "--dst", str(tmp_path / "named")]
    invoke(*named, *(word for part in SAID for word in part.split()))
    assert {*made} == {contents(tmp_path / "named")["model.safetensors"]}


def test_an_options_value_of_the_same_letters_is_not_taken_for_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bort").write_bytes(source("bort_decoder").read_bytes())
    monkeypatch.chdir(tmp_path)
    told = ["--config", "num_attention_heads=4", "--no-verify"]
    for number, words in enumerate((["bort", "--family", "bort"], ["--family", "bort", "bort"])):
        assert invoke(*words, f"out{number}", *told).exit_code == 0
        assert (tmp_path / f"out{number}" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([SRC], "--dst is missing"),
        ([SRC, "out", "--src", SRC], "SRC and --src: give one"),
        ([SRC, "out", "--dst", "out"], "DST and --dst: give one"),
        ([SRC, "out", "more"], "there is no command"),
        (["inpsect"], "there is no command 'inpsect'"),
        (["inpsect", SRC, "--all"], "No such option"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--src", "absent.params", "--dst", "out", "--json"], "ParamsError"),
        ([SRC, "out", "--json"], "PlanError"),
        (["inspect", "absent.params", "--json"], "ParamsError"),
        (["verify", "--src", SRC, "--dst", "absent", "--json"], "ConvertError"),
        (["export", SRC, "out.bin", "--json"], "ConvertError"),
    ],
)
def test_with_json_an_error_is_json_on_stdout_too(
    words: list[str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*words)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told.keys() == {"error"}
    assert told["error"]["kind"] == kind
    assert told["error"]["message"] in result.stderr
    assert all(problem in result.stderr for problem in told["error"]["problems"])
    assert (kind == "PlanError") == bool(told["error"]["problems"])


def test_a_failed_proof_prints_its_report_and_nothing_more(tmp_path: Path) -> None:
    table = swapped_table(tmp_path / "swapped.toml")
    told = ["--table", str(table), "--config", "num_attention_heads=4", "--json"]
    result = invoke(SRC, tmp_path / "out", *told)
    assert result.exit_code == 3
    assert json.loads(result.stdout)["verified"] is False
