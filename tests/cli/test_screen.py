"""What a terminal is shown: one bar over the run, verdicts in colour, lines no wider than it is."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import converter
from converter.cli.screen import folded, wants_colour
from converter.errors import ParityError
from converter.files import progress as stages
from converter.files.progress import STAGES, Whole
from converter.report.terminal import summary
from tests.borts import heads, source
from tests.cli.test_main import invoke
from tests.faults.making import arguments, command, environment, swapped_table

ESCAPE = "\x1b["
GREEN, RED = "\x1b[32m", "\x1b[31m"


@pytest.mark.parametrize(
    "run", [stages.PROOF, stages.WRITE, stages.EXPORT, stages.LOOK, (*stages.WRITE, *stages.PROOF)]
)
def test_the_bar_never_goes_back_and_is_never_full_before_the_end(run: tuple[str, ...]) -> None:
    whole = Whole(run)
    shares = [whole.share(stage, done, 7) for stage in STAGES for done in range(8)]
    shares.append(whole.share("of no run", 1, 1))
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert 0.9 < shares[-1] < 1


def test_every_stage_that_is_told_has_a_share() -> None:
    """So that nobody adds a stage to a run and leaves it out of the table."""
    told = set()
    for path in Path(stages.__file__).parents[1].rglob("*.py"):
        told |= {*re.findall(r'progress\(\s*"([^"]+)"', path.read_text("utf-8"))}
    assert told - {"proof done"} == STAGES.keys() - {"planning"}


@pytest.mark.parametrize(
    ("variables", "choice", "wanted"),
    [
        ({}, "auto", None),
        ({"NO_COLOR": "1"}, "auto", False),
        ({"NO_COLOR": ""}, "auto", None),
        ({"FORCE_COLOR": "1"}, "auto", True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, "auto", False),
        ({"TERM": "dumb"}, "auto", False),
        ({"NO_COLOR": "1"}, "always", True),
        ({"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_who_wants_colour(
    variables: dict[str, str], choice: str, wanted: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(choice) is wanted


def test_a_failed_verdict_is_red_and_keeps_its_word(tmp_path: Path) -> None:
    table = swapped_table(tmp_path / "swapped.toml")
    told = ["--table", str(table), "--color", "always"]
    result = invoke(*arguments("bort_decoder", tmp_path / "out", *told))
    assert result.exit_code == 3
    shown = {line.split(" ")[0]: line for line in result.output.splitlines()}
    assert GREEN in shown["bits"]
    assert "passed" in shown["bits"]
    assert RED in shown["parity"]
    assert "FAILED" in shown["parity"]
    assert any(
        line.startswith(f"{RED}") and "Error:" in line for line in result.output.splitlines()
    )


def on_a_terminal(columns: int, *words: str, **more: str) -> str:
    """What a terminal of so many columns is sent, on stdout and stderr together."""
    import fcntl
    import struct
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    seen = b""
    variables = environment(TERM="xterm", **more)
    variables.pop("COLUMNS", None)  # pytest's workers have one
    with subprocess.Popen(command(*words), env=variables, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            while piece := os.read(ours, 4096):
                seen += piece
        except OSError:  # how Linux says that the other end was closed
            pass
    os.close(ours)
    assert process.returncode == 0, seen.decode()
    return seen.decode("utf-8").replace("\r\n", "\n")


def test_forty_columns_are_read(tmp_path: Path) -> None:
    seen = on_a_terminal(40, *arguments("bort_decoder", tmp_path / "out"))
    bar, _, text = seen.rpartition("\x1b[?25h")
    drawn = [part for part in bar.split("\r") if "%" in part]
    stages = [part for part in drawn if "importing Transformers" in part]
    assert stages, "the longest wait has its name"
    percents = [int(found[1]) for part in drawn if (found := re.search(r"(\d+)%", part))]
    assert percents == sorted(percents)
    assert percents.count(100) == 1
    assert "done" in drawn[-1]
    assert GREEN in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    home = str(tmp_path)
    wide = [line for line in plain.splitlines() if len(line) > 40 and home not in line]
    assert [line for line in wide if "bort-convert" not in line and "/" not in line] == []
    words = " ".join(plain.split())
    assert "parity passed largest difference" in words
    assert "on your word, which no proof shows: family bort" in words


def test_no_color_is_heard(tmp_path: Path) -> None:
    told = arguments("bort_decoder", tmp_path / "out", "--no-verify", "--json")
    assert ESCAPE not in on_a_terminal(80, *told)
    told = arguments("bort_decoder", tmp_path / "out", "--no-verify", "--force")
    _, _, text = on_a_terminal(80, *told, NO_COLOR="1").rpartition("\x1b[?25h")
    assert ESCAPE not in text


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("bits    passed  41 tensors", 0, ["bits    passed  41 tensors"]),
        ("one two three four", 9, ["one two", "  three", "  four"]),
        ("  - one two three", 12, ["  - one two", "    three"]),
        ("a_word_that_is_long two", 8, ["a_word_that_is_long", "  two"]),
        ("  bort-convert --src a --dst b", 10, ["  bort-convert --src a --dst b"]),
        ("encoder.layer  copy  bert.layer", 16, ["encoder.layer", "  copy", "  bert.layer"]),
    ],
)
def test_lines_are_folded_between_words(line: str, width: int, lines: list[str]) -> None:
    assert folded(line, width).split("\n") == lines


def test_the_summary_is_ten_lines_and_says_what_nobody_can_prove(tmp_path: Path) -> None:
    report = converter.convert(
        source("bort_decoder"),
        tmp_path / "out",
        family="bort",
        config=heads("bort_decoder"),
        dtype="float16",
    )
    lines = [*summary(report)]
    assert len(lines) <= 10
    text = "\n".join(lines)
    assert re.search(
        r"^ +mlm_logits: both sides with layer_norm_eps=1e-05, .* 1e-12 it", text, re.M
    )
    assert re.search(r"^ +rounding to float16 itself moves the outputs by up to", text, re.M)
    parity = next(number for number, line in enumerate(lines) if line.startswith("parity"))
    assert "both sides" in lines[parity + 1]
    assert len([*summary(report, every=True)]) > 12


def test_what_differs_stands_beside_its_verdict(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke(*arguments("bort_decoder", out)).exit_code == 0
    weights = out / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ParityError) as caught:
        converter.verify(source("bort_decoder"), out)
    lines = [*summary(caught.value.report)]
    (bits,) = (number for number, line in enumerate(lines) if line.startswith("bits"))
    assert lines[bits] == "bits    FAILED  40 tensors identical; 1 differs:"
    assert "does not come back from" in lines[bits + 1]
    assert caught.value.report.proof.bits.identical == 40
