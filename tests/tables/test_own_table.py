"""docs/tables.md, "Add a family in five steps", done as it says."""

from __future__ import annotations

import textwrap
from pathlib import Path

from click.testing import CliRunner
from safetensors.numpy import load_file

import converter
from converter.cli.main import main
from converter.params import load_params
from converter.planning.base import UNCONVERTED_FILE
from tests import zoo

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def changes() -> tuple[list[str], str]:
    """The TOML of step 3: lines in place of others, and what is added."""
    steps = PAGE.read_text("utf-8").split("## Add a family in five steps")[1]
    lines, more = (
        textwrap.dedent(block.split("```")[0].strip("\n").rstrip(" "))
        for block in steps.split("```toml")[1:]
    )
    return lines.splitlines(), more


def test_the_five_steps(tmp_path: Path) -> None:
    source, table, out = tmp_path / "my.params", tmp_path / "my.toml", tmp_path / "out"
    names = {"bert.": "backbone.", "classifier.0.": "output."}
    arrays = {}
    for name, array in load_params(zoo.source("0.10.0/bert_classifier_no_dropout")).items():
        (beginning,) = (b for b in names if name.startswith(b))
        arrays[names[beginning] + name.removeprefix(beginning)] = array
    converter.save_params(source, arrays)

    text = CliRunner().invoke(main, ["families", "bert", "--toml"]).stdout
    lines, more = changes()
    for new in lines:
        key = new.split("=")[0]
        (line,) = (line for line in text.splitlines() if line.startswith(f"{key}="))
        text = text.replace(line, new)
    table.write_text(text + more, "utf-8")

    arguments = ["--src", str(source), "--table", str(table)]
    arguments += ["--config", "num_attention_heads=4"]
    dry = CliRunner().invoke(main, [*arguments, "--dry-run"])
    assert dry.exit_code == 0, dry.stderr
    assert "output.weight" in dry.stdout
    done = CliRunner().invoke(main, [*arguments, "--dst", str(out)])
    assert done.exit_code == 0, done.stderr
    assert "parity  passed" in done.stdout
    assert "The head is my own." in done.stdout
    head = load_file(out / UNCONVERTED_FILE)
    assert head["output.weight"].tolist() == arrays["output.weight"].tolist()


def test_toml_without_a_name_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["families", "--toml"])
    assert (result.exit_code, "name it" in result.stderr) == (2, True)
