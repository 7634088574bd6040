"""What is built of the project is whole: wheel, sdist, and what an editable install points to."""

from __future__ import annotations

import email
import os
import re
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
BUILT = [
    "agora",
    "converter",
    "bort_convert.py",
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
]
BUILD = """
import os, sys
from setuptools import build_meta
build_meta.{hook}(sys.argv[1])
"""


def build(hook: str, source: Path, out: Path, **more: str) -> Path:
    """The one file or folder that a hook of setuptools makes; `more` are environment variables."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD.format(hook=hook), str(out)],
        cwd=source,
        env={**os.environ, "PYTHONPATH": "", **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # setuptools leaves its .egg-info beside metadata
    (made,) = (path for path in out.iterdir() if path.suffix != ".egg-info")
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
    return build("build_sdist", project, folder / "built")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the source package as pip makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return build("build_wheel", project, folder / "built")


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


@pytest.mark.parametrize("url", ["", "https://example.org/us/bort-convert/"])
def test_the_links_of_the_readme_lead_somewhere_on_a_package_index(
    url: str, sdist: Path, tmp_path: Path
) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (project,) = tmp_path.iterdir()
    hook = "prepare_metadata_for_build_wheel"
    made = build(hook, project, tmp_path / "built", BORT_CONVERT_URL=url)
    metadata = email.message_from_string((made / "METADATA").read_text("utf-8"))
    text = str(metadata.get_payload())
    assert text.lstrip() == (ROOT / "README.md").read_text("utf-8") or url
    links = re.findall(r"\]\(([^)]*)\)", text) + re.findall(r'(?:src|srcset)="([^"]*)"', text)
    whole = [link for link in links if link.startswith(("https://", "#"))]
    assert len(links) > 15
    assert (links == whole) is bool(url)
    said = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert said.keys() == ({"Homepage", "Documentation", "Issues", "Changelog"} if url else set())
    for link in whole if url else []:
        if "/blob/main/" in link or "/raw/main/" in link:
            assert (ROOT / link.split("/main/")[1].split("#")[0]).exists(), link
            assert link.startswith(url.rstrip("/"))


def test_type_checkers_find_an_editable_install(tmp_path: Path) -> None:
    """It is a path to the project, which they follow; they do not run an import hook."""
    project = tmp_path / "project"
    project.mkdir()
    for name in BUILT:
        (project / name).symlink_to(ROOT / name)
    with zipfile.ZipFile(build("build_editable", project, tmp_path / "built")) as archive:
        paths = [n for n in archive.namelist() if n.endswith(".pth")]
        assert [archive.read(name).decode().strip() for name in paths] == [str(project)]
        assert not [name for name in archive.namelist() if "finder" in name]
