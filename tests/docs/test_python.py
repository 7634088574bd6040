"""docs/python.md: it has every public function and error, and each with what it takes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import griffe
import pytest

import converter
from tests.conftest import ROOT
from tests.docs.test_pages import PAGES

NAMES = re.findall(r"^::: converter\.(\w+)$", PAGES["python.md"].read_text("utf-8"), re.MULTILINE)
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(converter, name))]


def test_every_function_and_every_error_is_on_the_page() -> None:
    public = {name: value for name, value in vars(converter).items() if not name.startswith("_")}
    functions = {name for name, value in public.items() if inspect.isfunction(value)}
    errors = {name for name in public if name.endswith("Error")}
    assert functions | errors <= {*NAMES}
    assert len(NAMES) == len({*NAMES})


@pytest.fixture(scope="module")
def shown() -> griffe.Object:
    """The package as mkdocs.yml has it read."""
    extension = griffe.load_extensions(str(ROOT / "tools" / "site.py"))
    loaded = griffe.load("converter", search_paths=[ROOT], extensions=extension)
    assert isinstance(loaded, griffe.Object)
    return loaded


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_page_shows_what_the_function_takes(name: str, shown: griffe.Object) -> None:
    function: Callable[..., Any] = getattr(converter, name)
    found = shown[name].final_target if shown[name].is_alias else shown[name]
    taken = inspect.signature(function).parameters
    assert [parameter.name for parameter in found.parameters] == [*taken]
    assert found.docstring.value == inspect.getdoc(function)
    sections = found.docstring.parse("google")
    told = {
        one.name
        for section in sections
        if section.kind.value == "parameters"
        for one in section.value
    }
    assert told >= {p.name for p in taken.values() if p.kind is p.KEYWORD_ONLY}
