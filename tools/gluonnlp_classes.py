"""List the Block classes of GluonNLP 0.5 to 0.10, whose names begin those of their parameters.

    python -m tools.gluonnlp_classes CLONE     rewrites converter/planning/scopes/classes.toml

CLONE is a git clone of github.com/dmlc/gluon-nlp with its tags; nothing of it is run. Read is what
stands in src/, scripts/ and docs/, the notebooks (`.md`) included, for people copied those too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

CLASSES = Path(__file__).parents[1] / "converter" / "planning" / "scopes" / "classes.toml"
TAGS = [
    *("v0.5.0", "v0.6.0", "v0.7.0", "v0.7.1", "v0.8.0", "v0.8.1", "v0.8.2", "v0.8.3"),
    *("v0.9.0", "v0.9.1", "v0.9.2", "v0.10.0"),
]
FOLDERS, SUFFIXES = ("src/", "scripts/", "docs/"), (".py", ".md", ".rst")
# Gluon's own Blocks among the bases: those that no file of GluonNLP's defines
GLUONS = ("Block", "HybridBlock", "LayerNorm", "Loss", "LSTMPCell", "SoftmaxCELoss")
STATEMENT = re.compile(r"^[ \t]*class[ \t]+(\w+)[ \t]*\(([^:\n]*)\)", re.MULTILINE)
HEAD = """\
# The Block classes of GluonNLP 0.5 to 0.10, its scripts and notebooks (github.com/dmlc/gluon-nlp),
# each with the first and the last tag whose file has it; a name scope is called by a class in lower
# case and a counter. Written by `python -m tools.gluonnlp_classes`, not by hand.
"""


def git(clone: Path, *arguments: str) -> str:
    """What git prints. Raises `CalledProcessError` for what the clone does not have."""
    command = ["git", "-c", "safe.directory=*", "-C", str(clone), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def statements(clone: Path, tag: str) -> Iterator[tuple[str, str, list[str]]]:
    """(file, class, bases) of every class that the sources of a tag define."""
    for file in git(clone, "ls-tree", "-r", "--name-only", tag).splitlines():
        if file.startswith(FOLDERS) and file.endswith(SUFFIXES):
            for name, bases in STATEMENT.findall(git(clone, "show", f"{tag}:{file}")):
                named = (base.strip(" ()\n") for base in bases.split(","))
                yield file, name, [base.rpartition(".")[2] for base in named]


def blocks(found: Iterable[tuple[str, str, list[str]]]) -> Iterator[tuple[str, str]]:
    """(file, class) of those that are Blocks: a base is one, by whatever way."""
    found, known = [*found], set[str](GLUONS)
    while more := {name for _, name, bases in found if known & {*bases}} - known:
        known |= more
    yield from ((file, name) for file, name, bases in found if known & {*bases})


def as_toml(commits: Mapping[str, str], classes: Mapping[tuple[str, str], list[str]]) -> str:
    """The file's text; `commits` are those of the tags, `classes` the tags of each class."""
    lines = [HEAD, "[tags]", *(f'"{tag}" = "{commit}"' for tag, commit in commits.items())]
    last = ""
    for (file, name), tags in sorted(classes.items()):
        lines += [] if file == last else ["", f'["{file}"]']
        lines.append(f'{name} = ["{tags[0]}", "{tags[-1]}"]')
        last = file
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite classes.toml."""
    clone = Path(sys.argv[1])
    classes: dict[tuple[str, str], list[str]] = {}
    for tag in TAGS:
        for key in blocks(statements(clone, tag)):
            classes.setdefault(key, []).append(tag)
    commits = {tag: git(clone, "rev-list", "-n", "1", tag).strip() for tag in TAGS}
    CLASSES.write_text(as_toml(commits, classes), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
