"""Commands that README.md and docs/ speak of without running them: each is one that there is."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from converter.cli.main import main
from tests.conftest import ROOT
from tests.docs.test_pages import PAGES

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
SCRIPT = (ROOT / "examples" / "migrate_folder.py").read_text("utf-8")
OF_OTHERS = {"--extra-index-url", *re.findall(r'"(--[a-z-]+)"', SCRIPT)}  # the first is pip's
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


def said(page: Path) -> list[str]:
    """Code within a sentence, and each line of a block that no other test runs."""
    text = page.read_text("utf-8")
    lines = [
        line.split("  #")[0].strip()
        for kind, block in FENCE.findall(text)
        if kind == "text"
        for line in block.splitlines()
    ]
    return lines + [" ".join(code.split()) for code in CODE.findall(FENCE.sub("", text))]


def options(command: click.Command) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {
        "--help",
        "-h",
    }


EVERY = set().union(*(options(command) for command in (main, *main.commands.values())))


@pytest.fixture(scope="module")
def recorder() -> set[str]:
    """The options of the script that `record-golden` prints; it needs MXNet to run."""
    script = CliRunner().invoke(main, ["record-golden"]).output
    return {*re.findall(r"add_argument\(\s*\"(--[a-z-]+)\"", script)}


def problem(code: str, recorder: set[str]) -> str | None:
    """What is wrong with a command, if it is one of ours."""
    given = {part.split("=")[0] for part in re.findall(r"(?<!\S)--?[a-z][\w-]*=?", code)}
    program, *rest = code.split(" ")
    if program == "bort-convert":
        command = main.commands.get(rest[0], main) if rest else main
        return f"no option {given - options(command)}" if given - options(command) else None
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return None if rest[0] in targets else "no target"
    if code.startswith("pip install") and "[" in code:
        extra = code[code.index("[") + 1 : code.index("]")]
        return None if extra in EXTRAS else "no extra"
    if program == "python" and rest[0] == "record_golden.py":
        return f"no option {given - recorder}" if given - recorder else None
    if program == "python" and rest[0] == "-m":
        path = ROOT / rest[1].replace(".", "/")
        return None if path.is_dir() or path.with_suffix(".py").is_file() else "no module"
    if program.startswith("--"):
        return f"no option {given - EVERY - OF_OTHERS}" if given - EVERY - OF_OTHERS else None
    return None


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_a_page_speaks_of_is_one(name: str, recorder: set[str]) -> None:
    found = {code: problem(code, recorder) for code in said(PAGES[name])}
    assert not {code: wrong for code, wrong in found.items() if wrong}


PLACE = re.compile(r"(agora|benchmarks|converter|docs|examples|fixtures|tests|tools)/[\w./-]*")


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_page_names_is_there(name: str) -> None:
    places = [code for code in said(PAGES[name]) if PLACE.fullmatch(code)]
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize(
    "code",
    [
        "bort-convert verify --sources a",
        "bort-convert a.params out/ --familiy bert",
        "bort-convert export --head token-classification",
        "make all-of-it",
        "pip install '.[prof]'",
        "python record_golden.py a.params b.npz --heads 8",
        "python -m tools.nothing",
        "--no-such-option",
    ],
)
def test_a_command_that_there_is_not_is_found(code: str, recorder: set[str]) -> None:
    assert problem(code, recorder)


def test_they_are_found_on_the_pages() -> None:
    everything = [code for page in PAGES.values() for code in said(page)]
    for program in ("bort-convert ", "make ", "pip install", "python record_golden.py", "--"):
        assert [code for code in everything if code.startswith(program)], program
    assert all(shlex.split(code) for code in everything if code.startswith("python "))
