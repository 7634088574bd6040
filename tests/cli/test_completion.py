"""What a shell offers: commands, options, names of families."""

from __future__ import annotations

import pytest
from click.shell_completion import BashComplete, get_completion_class

from converter.cli.main import main
from converter.tables.load import family_names


def offered(*words: str) -> set[str]:
    """What bash is told for the last word, as click's script for it asks."""
    shell = BashComplete(main, {}, "bort-convert", "_BORT_CONVERT_COMPLETE")
    *before, last = words
    return {found.value for found in shell.get_completions(before, last)}


@pytest.mark.parametrize(
    "words", [["--family", "bert"], ["a.params", "out", "--family", "bert"], ["families", "bert"]]
)
def test_families_are_offered(words: list[str]) -> None:
    assert offered(*words) == {name for name in family_names() if name.startswith("bert")}


def test_commands_and_options_are_offered() -> None:
    assert "verify" in offered("ver")
    assert {"--dtype", "--dry-run"} <= offered("--d")
    assert offered("verify", "--gold") == {"--golden"}


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_for_the_shell_is_there(name: str) -> None:
    kind = get_completion_class(name)
    assert kind is not None
    shell = kind(main, {}, "bort-convert", "_BORT_CONVERT_COMPLETE")
    assert "_BORT_CONVERT_COMPLETE" in shell.source_template % shell.source_vars()
