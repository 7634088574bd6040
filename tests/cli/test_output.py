"""What stands on stdout and stderr: JSON alone, nothing, or text that no terminal trips over."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.borts import source
from tests.cli.test_main import invoke
from tests.faults.making import (
    Arrays,
    arguments,
    bort_arrays,
    command,
    contents,
    environment,
    run,
    write_params,
)

EVIL = "evil\x1b[31m\x07\u202e\nforged"  # colour, bell, right-to-left, line break


def only_json(text: str) -> Any:
    """All of `text`, as strict JSON: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize("options", [[], ["--no-verify"], ["--quiet"], ["--verbose"]])
def test_json_is_all_of_stdout(options: list[str], out: Path) -> None:
    result = invoke(*arguments("bort_decoder", out, "--json", *options))
    assert (result.exit_code, result.stderr) == (0, "")
    record = json.loads((out / "conversion.json").read_text("utf-8"))
    assert record.keys() - only_json(result.stdout).keys() == {"sha256", "digest"}
    assert only_json(result.stdout).items() <= record.items()
    if "--no-verify" not in options:
        again = invoke("verify", "--src", source("bort_decoder"), "--dst", out, "--json")
        assert (again.exit_code, repeated(again.stdout)) == (0, only_json(result.stdout))


def repeated(text: str) -> Any:
    """What `verify` prints, as convert printed it: without the question that is verify's own."""
    report = only_json(text)
    assert report["proof"]["unchanged"]["problems"] == []
    return {**report, "proof": {**report["proof"], "unchanged": None}}


def test_json_of_a_source_with_nan_is_json(out: Path, tmp_path: Path) -> None:
    arrays = bort_arrays()
    arrays["encoder.transformer_cells.0.ffn.layer_norm.beta"][0] = np.nan
    path = write_params(tmp_path / "a.params", arrays)
    args = [
        "--src",
        str(path),
        "--dst",
        str(out),
        "--family",
        "bort",
        "--config",
        "num_attention_heads=4",
        "--json",
    ]
    result = invoke(*args)
    assert result.exit_code == 1
    assert only_json(result.stdout).keys() == {"error"}
    assert "encoder.transformer_cells.0.ffn.layer_norm.beta: 1 NaN, 0 infinite" in result.stderr
    result = invoke(*args, "--allow-nonfinite")
    assert (result.exit_code, result.stderr) == (0, "")
    report = only_json(result.stdout)
    assert report["nonfinite"] == {
        "encoder.transformer_cells.0.ffn.layer_norm.beta": {"nan": 1, "infinite": 0}
    }
    again = invoke("verify", "--src", path, "--dst", out, "--json")
    assert (again.exit_code, repeated(again.stdout)) == (0, report)


def test_json_of_inspect_is_all_of_stdout() -> None:
    result = invoke("inspect", source("bort_float16"), "--json")
    found = only_json(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    keys = {"name", "dtype", "shape", "bytes", "offset", "version", "storage"}
    assert found["tensors"][0].keys() == keys
    fitting = [name for name, fit in found["families"].items() if not fit["problems"]]
    assert fitting == ["bort", "roberta"]


@pytest.mark.parametrize("options", [["--no-verify"], []])
def test_quiet_prints_nothing(options: list[str], out: Path) -> None:
    result = invoke(*arguments("bort_backbone", out, "--quiet", *options))
    assert (result.exit_code, result.output) == (0, "")
    if not options:
        again = invoke("verify", "--src", source("bort_backbone"), "--dst", out, "-q")
        assert (again.exit_code, again.output) == (0, "")


def test_verbose_prints_a_line_a_tensor(out: Path) -> None:
    loud = invoke(*arguments("bort_decoder", out, "--verbose", "--no-verify"))
    lines = [line.split() for line in loud.stdout.split("\n")]
    for tensor in json.loads((out / "conversion.json").read_text("utf-8"))["tensors"]:
        words = {tensor["source"] or "zeros", tensor["operation"], tensor["target"]}
        assert sum(words <= {*line} for line in lines) == 1
    stages = lines[lines.index(["stage", "seconds"]) + 1 :]
    assert [line[0] for line in stages[:3]] == ["planning", "writing", "flushing"]
    assert all(float(line[-1]) >= 0 for line in stages[:3])


def hostile() -> Arrays:
    return {**bort_arrays(), EVIL: np.zeros(3, np.float32)}


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("inspecting", [False, True])
def test_names_in_a_file_reach_no_terminal_raw(
    inspecting: bool, options: list[str], tmp_path: Path
) -> None:
    path = write_params(tmp_path / "a.params", hostile())
    args = ["inspect", path] if inspecting else ["--src", path, "--dst", tmp_path / "out"]
    result = invoke(*map(str, args), *options)
    assert result.exit_code == (0 if inspecting else 1)
    assert "evil" in result.output
    assert all(c.isprintable() or c == "\n" for c in result.output)
    assert not any(line.startswith("forged") for line in result.output.split("\n"))


@pytest.mark.parametrize("name", ["b\x1b[31m.params", "bürt→.params", b"b\xff.params"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_any_file_name_in_any_encoding(name: str | bytes, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(source("bort_backbone").read_bytes())
    args = [
        "--src",
        path,
        "--dst",
        tmp_path / "out",
        "--family",
        "bort",
        "--config",
        "num_attention_heads=4",
    ]
    args += ["--no-verify", "--verbose"]
    result = subprocess.run(
        command(*map(str, args)),
        env=environment(PYTHONIOENCODING=encoding),
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\x1b" not in result.stdout
    for file, data in contents(tmp_path / "out").items():
        if file != "model.safetensors":
            assert data.decode("utf-8")
    json.loads((tmp_path / "out" / "conversion.json").read_text("utf-8"))


@pytest.mark.parametrize("args", [["families", "bort"], ["inspect", str(source("bort_decoder"))]])
def test_reader_that_goes_away_sees_no_traceback(args: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        result = subprocess.run(
            command(*args),
            env=environment(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr


def on_a_terminal(*args: str) -> tuple[int, str]:
    """The exit code, and what a terminal as stderr was sent."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command(*args), env=environment(TERM="xterm"), stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        while piece := read(ours):
            seen += piece
    os.close(ours)
    return process.returncode, seen.decode("utf-8")


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how Linux says that the other end was closed
        return b""


def test_progress_is_for_terminals(out: Path) -> None:
    code, seen = on_a_terminal(*arguments("bort_decoder", out, "--no-verify"))
    assert code == 0
    assert "writing" in seen
    assert "None" not in seen
    for hidden in ("--quiet", "--json"):
        args = arguments("bort_decoder", out, "--no-verify", "--force", hidden)
        assert on_a_terminal(*args) == (0, "")
    result = run(*arguments("bort_decoder", out, "--no-verify", "--force"))
    assert (result.returncode, result.stderr) == (0, "")
