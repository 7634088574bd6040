"""The list of GluonNLP's Blocks: how it is read from sources, and that it is whole for ours."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.scopes import FOLDER
from tools import gluonnlp_classes
from tools.gluonnlp_classes import CLASSES, as_toml, blocks, main, statements

SOURCES = {
    "src/gluonnlp/model/bert.py": """
class BERTModel(HybridBlock):
    class Inner(nn.HybridSequential): pass
class Vocab(object):
class Odd((mx.gluon.Block)):
class Loose: pass
""",
    "scripts/bert/qa.py": "class QA(bert.BERTModel):\nclass Data(Dataset, object):\n",
    "scripts/bert/index.rst": "    class FromText(HybridBlock)\n",
    "ci/x.py": "class Elsewhere(Block):\n",
}


def repository(folder: Path, tags: list[str]) -> Path:
    def git(*arguments: str) -> None:
        told = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "tag.gpgsign=false"]
        command = ["git", "-C", str(folder), *told, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git("init")
    git("add", ".")
    git("commit", "-m", "all", "--no-gpg-sign")
    for tag in tags:
        git("tag", tag)
    return folder


def test_a_class_is_one_by_its_base_however_far(tmp_path: Path) -> None:
    clone = repository(tmp_path, ["v1"])
    found = {name: file for file, name in blocks(statements(clone, "v1"))}
    assert found == {
        "BERTModel": "src/gluonnlp/model/bert.py",
        "Odd": "src/gluonnlp/model/bert.py",
        "QA": "scripts/bert/qa.py",
        "FromText": "scripts/bert/index.rst",
    }


def test_the_list_names_file_tags_and_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = repository(tmp_path / "clone", ["v1", "v2"])
    written = tmp_path / "classes.toml"
    monkeypatch.setattr(gluonnlp_classes, "TAGS", ["v1", "v2"])
    monkeypatch.setattr(gluonnlp_classes, "CLASSES", written)
    monkeypatch.setattr("sys.argv", ["", str(clone)])
    main()
    listed = tomllib.loads(written.read_text("utf-8"))
    assert {*listed.pop("tags")} == {"v1", "v2"}
    assert listed["scripts/bert/qa.py"] == {"QA": ["v1", "v2"]}


def test_the_committed_list_is_as_the_script_writes_it() -> None:
    listed = tomllib.loads(CLASSES.read_text("utf-8"))
    tags = listed.pop("tags")
    assert [*tags] == gluonnlp_classes.TAGS
    assert all(len(bytes.fromhex(commit)) == 20 for commit in tags.values())
    classes = {(file, name): ends for file in listed for name, ends in listed[file].items()}
    assert as_toml(tags, classes) == CLASSES.read_text("utf-8")


def test_every_scope_with_a_counter_is_of_a_class_of_the_list() -> None:
    """Those that begin the names of GluonNLP's own models, from recordings of them."""
    listed = tomllib.loads(CLASSES.read_text("utf-8"))
    known = {name.lower() for file in listed if file != "tags" for name in listed[file]}
    begin = {
        scoped.partition("_")[0]
        for path in FOLDER.glob("gluonnlp-*.json")
        for pairs in json.loads(path.read_text())["models"].values()
        for _, scoped in pairs
    }
    scopes = {scope.rstrip("0123456789") for scope in begin if scope[-1:].isdigit()}
    # alexa/bort's; the recordings' own; parts of a model whose own prefix is nothing
    others = {"bortmodel", "bortclassifier", "nested", "transformer", "dense", "layernorm"}
    assert {scope for scope in scopes - known - others if len(scope) > 1} == set()
    assert {"bertmodel", "robertamodel", "gpt2model", "xlnet", "bertencoder"} <= scopes
