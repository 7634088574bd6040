"""The command: usage, exit codes, errors of one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from converter.cli.main import main
from converter.tables.load import family_names
from tests.borts import MANIFEST, source
from tests.faults.making import (
    arguments,
    bort_arrays,
    contents,
    names_in,
    run,
    swapped_table,
    write_params,
)

COMMANDS = [[], ["verify"], ["export"], ["inspect"], ["families"]]


def invoke(*args: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(arg) for arg in args], prog_name="bort-convert")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize("options", [("--dtype", "bfloat16"), ()])
def test_done_and_verified_is_0(options: tuple[str, ...], out: Path) -> None:
    result = invoke(*arguments("bort_decoder", out, *options))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "bits    passed" in result.stdout
    assert "parity  passed" in result.stdout
    assert f"\nwrote {out}\nno tokenizer: " in result.stdout
    assert json.loads((out / "conversion.json").read_text("utf-8"))["verified"] is True


@pytest.mark.parametrize("as_json", [False, True])
def test_failed_proof_is_3_and_shows_its_figures(as_json: bool, out: Path, tmp_path: Path) -> None:
    table = swapped_table(tmp_path / "swapped.toml")
    options = ["--table", str(table), *(["--json"] if as_json else [])]
    result = invoke(*arguments("bort_decoder", out, *options))
    assert result.exit_code == 3
    assert "the proof failed" in result.stderr
    assert names_in(tmp_path) == ["swapped.toml"]
    if as_json:
        report = json.loads(result.stdout)
        assert report["verified"] is False
        assert report["proof"]["parity"]["problems"]
        assert report["proof"]["bits"]["passed"] is True
    else:
        assert "bits    passed" in result.stdout
        assert "parity  FAILED" in result.stdout
        assert "layer 2" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_of_every_command(command: list[str], flag: str) -> None:
    result = invoke(*command, flag)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: {' '.join(['bort-convert', *command])}")


def test_no_arguments_prints_help() -> None:
    assert invoke().output == invoke("--help").output


def test_help_fits_a_narrow_terminal() -> None:
    result = run("--help", COLUMNS="40")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.split("\n")
    assert max(map(len, lines)) <= 60  # the widest option sticks out; sentences are folded
    assert len(lines) > invoke("--help").stdout.count("\n") + 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--src", "a"], "--dst is missing"),
        (["--dst", "a"], "--src is missing"),
        (["--dst", "a", "--dry-run"], "--src is missing"),
        (["--src", "a", "--dst", "b", "--family", "bort", "--table", "t"], "exclude each other"),
        (["--src", "a", "--dst", "b", "--config", "heads"], "is not KEY=VALUE"),
        (["--src", "a", "--dst", "b", "--config", "=4"], "is not KEY=VALUE"),
        (["--src", "a", "--dst", "b", "--dtype", "int8"], "is not one of"),
        (["--src", "a", "--dst", "b", "--atol", "-1"], "is not a number from 0 to 0.01"),
        (["--src", "a", "--dst", "b", "--atol", "nan"], "is not a number from 0 to 0.01"),
        (["--src", "a", "--dst", "b", "--atol", "inf"], "is not a number from 0 to 0.01"),
        (["--src", "a", "--dst", "b", "--nonsense"], "--nonsense"),
        (
            ["--src", "a", "verify", "--src", "a", "--dst", "b"],
            "after the word verify",
        ),
        (["verify", "--src", "a"], "--dst"),
        (["verify", "--src", "a", "--dst", "b", "--family", "bort", "--table", "t"], "exclude"),
        (["inspect"], "SRC"),
        (["export", "a"], "DST"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_2(args: list[str], said: str) -> None:
    result = invoke(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


BAD_FILES = {
    "html": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>",
    "empty": b"",
    "truncated": source("bort_decoder").read_bytes()[:-1000],
    "zip": b"PK\x03\x04" + bytes(100),
}


@pytest.fixture(params=[*BAD_FILES, "directory", "missing"])
def bad_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.params"
    if request.param == "directory":
        path.mkdir()
    elif request.param in BAD_FILES:
        path.write_bytes(BAD_FILES[request.param])
    return path


@pytest.mark.parametrize("before", [["--dst", "out", "--src"], ["inspect"], ["inspect", "--json"]])
def test_wrong_kind_of_file_is_a_line_and_one_of_advice(before: list[str], bad_file: Path) -> None:
    result = invoke(*before, bad_file)
    assert result.exit_code == 1
    assert bool(result.stdout) == ("--json" in before)  # the error as JSON
    assert result.stderr.startswith(f"Error: {bad_file}: ")
    assert result.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--family", "nonsense"], "there is no family 'nonsense'; there are: "),
        (["--table", "absent.toml"], "absent.toml: cannot be read as a table"),
        (["--config", "num_attention_head=4"], "did you mean num_attention_heads?"),
        (["--config", "num_attention_heads=5"], "does not divide hidden_size"),
        (["--config", "num_attention_heads=many"], "does not divide hidden_size"),
        (["--config", "hidden_size=64"], "the file's shapes say 32"),
        (["--config", "torch_dtype=float64"], "is not a choice"),
        (["--config", "return_dict=false"], "is not a choice: it changes what the model returns"),
        (
            ["--config", "output_attentions=true"],
            "is not a choice: it changes what the model returns",
        ),
        (["--config", "layer_norm_eps=NaN"], "a value like 1e-05 is expected"),
        (["--config", "layer_norm_eps=-Infinity"], "a value like 1e-05 is expected"),
        (["--config", "hidden_act=silu"], "has no activation 'silu'"),
        (["--config", "layer_norm_eps=abc"], "a value like 1e-05 is expected"),
        (["--config", "bos_token_id=x"], "a value like 0 is expected"),
        (["--config", "pad_token_id=999"], "--config pad_token_id=999: the vocabulary has the ids"),
        (["--config", "chunk_size_feed_forward=x"], "cannot run with this config"),
    ],
)
def test_what_cannot_be_converted_is_1(options: list[str], said: str, out: Path) -> None:
    result = invoke(*arguments("bort_decoder", out, *options))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr
    assert names_in(out.parent) == []


@pytest.mark.parametrize(
    "setting",
    ["hidden_act=none", "a=b"],
)
def test_config_that_transformers_refuses_is_3(setting: str, out: Path) -> None:
    result = invoke(*arguments("bort_decoder", out, "--config", setting))
    assert result.exit_code == 3
    assert "names   FAILED" in result.stdout
    assert "cannot be built from what was written" in result.stdout
    assert names_in(out.parent) == []


@pytest.mark.parametrize("name", ["bort_decoder", "bort_classifier", "bort_float16"])
def test_dry_run_lists_every_tensor_and_writes_nothing(name: str, out: Path) -> None:
    tensors = [
        t["name"] for t in json.loads(invoke("inspect", source(name), "--json").stdout)["tensors"]
    ]
    text = invoke(*arguments(name, out, "--dry-run", "--verbose"))
    plan = json.loads(invoke(*arguments(name, out, "--dry-run", "--json")).stdout)
    planned = [t["source"] for t in plan["tensors"] + plan["tied"] if t["source"]]
    assert sorted(planned) == sorted(tensors)
    assert plan["transformers_class"] == MANIFEST[name]["transformers_class"]
    lines = text.stdout.split("\n")
    for tensor in plan["tensors"]:
        assert any({tensor["target"], tensor["operation"]} <= {*line.split()} for line in lines)
    assert {*tensors} <= {line.split()[0] for line in lines if line.strip()}
    assert text.exit_code == 0
    assert names_in(out.parent) == []
    short = invoke(*arguments(name, out, "--dry-run")).stdout.split("\n")
    assert len(short) < len(lines)
    assert any("encoder.transformer_cells.{0…1}.proj.weight" in line for line in short)


def test_source_inside_the_destination_is_refused(out: Path) -> None:
    out.mkdir()
    path = write_params(out / "a.params", bort_arrays())
    result = invoke(
        "--src",
        path,
        "--dst",
        out,
        "--family",
        "bort",
        "--config",
        "num_attention_heads=4",
        "--force",
    )
    assert result.exit_code == 1
    assert "the source is in it" in result.stderr
    assert names_in(out) == ["a.params"]


@pytest.mark.parametrize("options", [["--no-verify"], []])
def test_same_conversion_twice_is_the_same_to_the_byte(options: list[str], tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert invoke(*arguments("bort_decoder", tmp_path / name, *options)).exit_code == 0
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_force_is_asked_for_and_honoured(out: Path) -> None:
    args = arguments("bort_backbone", out, "--no-verify")
    assert invoke(*args).exit_code == 0
    before = contents(out)
    refused = invoke(*args)
    assert (refused.exit_code, contents(out)) == (1, before)
    assert "--force to replace it" in refused.stderr
    assert invoke(*args, "--force", "--dtype", "float16").exit_code == 0
    assert contents(out).keys() == before.keys()
    assert contents(out)["model.safetensors"] != before["model.safetensors"]


def test_inspect_says_what_fits_and_what_must_be_given() -> None:
    result = invoke("inspect", source("bort_decoder"))
    assert result.exit_code == 0
    assert "bort: fits; becomes BertForMaskedLM" in result.stdout
    assert "--config num_attention_heads=N" in result.stdout
    assert "42 tensors, 83,646 bytes" in result.stdout


@pytest.mark.parametrize("absent", ["encoder.layer_norm.beta", "word_embed.0.weight"])
def test_inspect_names_what_is_missing(absent: str, tmp_path: Path) -> None:
    arrays = bort_arrays()
    del arrays[absent]
    path = write_params(tmp_path / "a.params", arrays)
    result = invoke("inspect", path)
    assert result.exit_code == 0
    assert "bort: does not fit" in result.stdout
    assert f"missing: {absent}" in result.stdout
    found = json.loads(invoke("inspect", path, "--json").stdout)
    assert found["families"]["bort"]["problems"] == [f"missing: {absent}"]


def test_families_are_listed_and_printed() -> None:
    listed = invoke("families")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == family_names()
    table = invoke("families", "bort")
    assert table.exit_code == 0
    assert "word_embed.0.weight" in table.stdout
    assert "bert.embeddings.word_embeddings.weight" in table.stdout
    unknown = invoke("families", "nonsense")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert f"there are: {', '.join(family_names())}." in unknown.stderr


@pytest.mark.parametrize("command", [["--src", "a", "--dst", "b"], ["verify"]])
def test_a_config_field_is_given_once(command: list[str]) -> None:
    result = invoke(*command, "--config", "n_head=4", "--config", "n_head=8")
    assert result.exit_code == 2
    assert "n_head: given more than once; give it once" in result.stderr
