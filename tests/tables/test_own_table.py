"""README's "Add a family in five steps", done as it says."""

from __future__ import annotations

import textwrap
from pathlib import Path

from click.testing import CliRunner
from safetensors.numpy import load_file

import converter
from converter.cli.main import main
from converter.params import load_params
from converter.planning.plan import UNCONVERTED_FILE
from tests import zoo

README = Path(__file__).parents[2] / "README.md"


def changes() -> str:
    """The TOML of step 3."""
    steps = README.read_text("utf-8").split("### Add a family in five steps")[1]
    return textwrap.dedent(steps.split("```toml")[1].split("```")[0].strip("\n").rstrip(" "))


def test_the_five_steps(tmp_path: Path) -> None:
    source, table, out = tmp_path / "my.params", tmp_path / "my.toml", tmp_path / "out"
    names = {"bert.": "backbone.", "classifier.0.": "output."}
    arrays = {}
    for name, array in load_params(zoo.source("0.10.0/bert_classifier_no_dropout")).items():
        (beginning,) = (b for b in names if name.startswith(b))
        arrays[names[beginning] + name.removeprefix(beginning)] = array
    converter.save_params(source, arrays)

    text = CliRunner().invoke(main, ["families", "bert", "--toml"]).stdout
    prefixes, rest = changes().split("\n", 1)
    (line,) = (line for line in text.splitlines() if line.startswith("prefixes = "))
    table.write_text(text.replace(line, prefixes) + rest, "utf-8")

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
