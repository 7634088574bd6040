"""What is built of the project is whole: wheel, sdist, and what an editable install points to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
BUILT = ("agora", "converter", "bort_convert.py", "pyproject.toml", "README.md", "LICENSE")
BUILD = """
import os, sys
from setuptools import build_meta
build_meta.build_{kind}(sys.argv[1])
"""


def build(kind: str, source: Path, out: Path) -> Path:
    """The one file that setuptools makes of a folder."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD.format(kind=kind), str(out)],
        cwd=source,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is published as a source package, made of the files that the repository has."""
    folder = tmp_path_factory.mktemp("sdist")
    project = folder / "project"
    project.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
    for path in (*(ROOT / name for name in BUILT), ROOT / "MANIFEST.in", ROOT / "tests"):
        if path.is_dir():
            shutil.copytree(path, project / path.name, ignore=ignored)
        else:
            shutil.copy(path, project)
    return build("sdist", project, folder / "built")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the source package as pip makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return build("wheel", project, folder / "built")


def sources() -> set[str]:
    """Every file of the packages that the repository has."""
    files = (path for top in ("agora", "converter") for path in (ROOT / top).rglob("*"))
    kept = (p for p in files if p.is_file() and p.suffix not in (".pyc", ".md"))
    return {p.relative_to(ROOT).as_posix() for p in kept} | {"bort_convert.py"}


def test_the_wheel_has_every_file_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        scripts = archive.read(entry).decode()
    assert names == sources()
    for name, target in PROJECT["project"]["scripts"].items():
        assert f"{name} = {target}" in scripts


def test_the_sdist_has_every_file_and_no_half_of_the_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        paths = [PurePosixPath(member.name) for member in archive if member.isfile()]
    names = {str(path.relative_to(path.parts[0])) for path in paths}
    assert sources() <= names
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith(("tests/", "fixtures/"))]


def test_what_is_installed_runs(wheel: Path, tmp_path: Path) -> None:
    """By the entry point of the wheel, out of the wheel's own files."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    module, _, function = PROJECT["project"]["scripts"]["bort-convert"].partition(":")
    script = f"import sys, {module}; sys.argv[0] = 'bort-convert'; {module}.{function}()"
    source = ROOT / "fixtures" / "bort_decoder.params"
    told = ["--family", "bort", "--config", "num_attention_heads=4", "--no-verify", "-q"]
    for words in (["record-golden"], ["families", "bort"], [str(source), "out", *told]):
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "README.md").is_file()


def test_type_checkers_find_an_editable_install(tmp_path: Path) -> None:
    """It is a path to the project, which they follow; they do not run an import hook."""
    project = tmp_path / "project"
    project.mkdir()
    for name in BUILT:
        (project / name).symlink_to(ROOT / name)
    with zipfile.ZipFile(build("editable", project, tmp_path / "built")) as archive:
        paths = [n for n in archive.namelist() if n.endswith(".pth")]
        assert [archive.read(name).decode().strip() for name in paths] == [str(project)]
        assert not [name for name in archive.namelist() if "finder" in name]
