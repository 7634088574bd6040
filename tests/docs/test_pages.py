"""README.md and docs/: every command and every line of Python runs, in the order of its page.

The Bort of the pages is a small one with a small vocabulary; what only its sizes would tell is
added to the commands (`SMALL`). Four pages have tests of their own, which also compare numbers.
"""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import converter
from agora.cli import command as fine_tuning
from benchmarks.agora import grammar
from converter.cli.main import main
from tests.borts import source as fixture
from tests.conftest import ROOT
from tests.graph.recordings import networks
from tests.tokenizer.bort import OPTIONS, sized

ELSEWHERE = {
    "ci.md": "tests/cli/test_ci.py",
    "graph.md": "tests/graph/test_page.py",
    "own-class.md": "tests/cli/test_own_class.py",
    "tables.md": "tests/tables/test_own_table.py",
}
SMALL = ["--family", "bort", "--config", "num_attention_heads=4"]
VOCABULARY = ["--vocab", str(OPTIONS["vocab"]), "--merges", str(OPTIONS["merges"])]
BLOCK = re.compile(r"^( *)```(console|python)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each; those of a list item without its indentation."""
    found = BLOCK.findall(page.read_text("utf-8"))
    return [(kind, textwrap.dedent(text)) for _, kind, text in found]


PAGES = {page.name: page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
WITH_CODE = [name for name, page in PAGES.items() if name not in ELSEWHERE and blocks(page)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the pages speak of; what a page finds without being told is told."""
    sized(tmp_path / "bort.params")
    shutil.copy(fixture("bort_decoder"), tmp_path / "small.params")
    shutil.copy(ROOT / "fixtures" / "brought" / "cnn" / "cnn-0019.params", tmp_path)
    shutil.copy(OPTIONS["vocab"], tmp_path / "my.vocab")
    shutil.copy(OPTIONS["merges"], tmp_path / "merges.txt")
    (network,) = (one for one in networks() if one.name == "arcface")
    for file in (network.symbol, network.params):
        shutil.copy(file, tmp_path)
    told: dict[str, Any] = {"family": "bort", "config": {"num_attention_heads": 4}}
    monkeypatch.setattr(converter, "convert", functools.partial(converter.convert, **told))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", WITH_CODE)
def test_the_code_of_the_page_runs(name: str, folder: Path) -> None:
    if name == "tokenizers.md":  # the page adds what was not there
        converter.convert("bort.params", "out", verify=False)
    known: dict[str, Any] = {}
    for kind, text in blocks(PAGES[name]):
        if kind == "python":
            exec(compile(text, name, "exec"), known)
        else:
            run(text)


def run(block: str) -> None:
    """The commands of a block; what it shows of their output was printed."""
    printed = ""
    for line in block.splitlines():
        if not line.startswith("$ "):
            assert f"\n{line}\n" in f"\n{printed}"
            continue
        program, *arguments = shlex.split(line.removeprefix("$ "))
        if program == "python":
            command = [sys.executable, *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            continue
        if program == "bort-finetune":
            finetune(arguments)
            continue
        assert program == "bort-convert"
        if arguments[0] == "bort.params":
            arguments += [*SMALL, *VOCABULARY]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, (line, result.output)
        printed = result.output


def finetune(arguments: list[str]) -> None:
    """The command, on few texts and one set of hyperparameters."""
    from transformers import AutoModelForSequenceClassification

    train = grammar.sample(8, 1)
    dev = grammar.sample(8, 2, [train])
    splits = {"train": train, "dev": dev, "test": grammar.sample(8, 3, [train, dev])}
    for name, split in splits.items():
        grammar.write(split, Path(f"{name}.jsonl"))
    small = ["--lr", "1e-3", "--wd", "0", "--epochs", "1"]
    result = CliRunner().invoke(fine_tuning, [*arguments, *small])
    assert result.exit_code == 0, result.output
    AutoModelForSequenceClassification.from_pretrained("best")


def test_every_page_with_code_is_run() -> None:
    assert {"README.md", "index.md", "bort.md", "python.md"} <= {*WITH_CODE}
    for name, test in ELSEWHERE.items():
        assert name in PAGES
        assert f"docs/{name}" in (ROOT / test).read_text("utf-8")
    kinds = re.compile(r"^ *```(\S*)$", re.MULTILINE)
    for page in PAGES.values():
        opened = kinds.findall(page.read_text("utf-8"))[::2]
        assert {*opened} <= {"console", "python", "text", "toml", "yaml", "csv", "json", "sh"}, (
            page.name
        )


def test_the_readme_is_one_screen_after_another() -> None:
    assert len(PAGES["README.md"].read_text("utf-8").splitlines()) <= 130
