"""`Options` as options of the command: a type of click for each, and its help."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from converter.planning.options import PATHS, WAYS, Options, hints
from converter.planning.steps import DTYPES
from converter.tables.load import family_names


class File(click.Path):
    """A path; `~` at its beginning is the home directory, as in `--src=~/x`, which no shell opens.

    What is called so itself, in the working directory, is that.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not os.fspath(value):
            self.fail("is empty: a path is expected", param, ctx)
        if os.fspath(value).startswith("~") and not os.path.lexists(value):
            value = Path(value).expanduser()
        return super().convert(value, param, ctx)


FILE = File()
NOT_SAID = "progress"  # the command has its own


class Settings(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """`KEY=VALUE`: VALUE is JSON where it parses as JSON, else the text itself."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        try:
            return key, json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError):
            return key, text


def _no_number(word: str) -> Any:
    """NaN and Infinity are no JSON, though Python reads them."""
    raise ValueError(word)


def _once(_ctx: click.Context, _param: click.Parameter, given: Any) -> dict[str, Any]:
    """The fields of `--config` with their values. One that is given twice says two things."""
    fields = [key for key, _ in given]
    if twice := [key for key in dict.fromkeys(fields) if fields.count(key) > 1]:
        raise click.BadParameter(f"{', '.join(twice)}: given more than once; give it once")
    return dict(given)


# What `_option` cannot tell from the type of the option
def complete_family(_ctx: Any, _param: Any, incomplete: str) -> list[str]:
    """What a shell offers for the name of a family."""
    return [name for name in family_names() if name.startswith(incomplete)]


CLICK: dict[str, tuple[list[str], dict[str, Any]]] = {
    "config": (["--config"], dict(type=Settings(), multiple=True, callback=_once)),
    "family": (["--family"], dict(shell_complete=complete_family)),
    "labels": (["--labels"], dict(type=str)),  # a path would lose the second of two slashes
    "dtype": (["--dtype"], dict(type=click.Choice(list(DTYPES)), show_default=True)),
    "max_shard_size": (["--max-shard-size"], dict(type=str, show_default=True)),
    "atol": (["--atol"], dict(type=float, show_default=True)),
    "strip_prefixes": (["--strip-prefix", "strip_prefixes"], dict(multiple=True)),
    "lower": (["--lower/--no-lower"], {}),
    "way": (["--as", "way"], dict(type=click.Choice(list(WAYS)))),
    "inputs": (["--input", "inputs"], dict(multiple=True)),
    "outputs": (["--output", "outputs"], dict(multiple=True)),
    "verify": (["--no-verify", "verify"], dict(flag_value=False)),
}


def options(names: Sequence[str]) -> Callable[[Any], Any]:
    """These fields of `Options` as options of a command."""
    fields = {f.name: f for f in dataclasses.fields(Options) if f.name != NOT_SAID}
    decorators = [_option(fields[name]) for name in names if name in fields]

    def decorate(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def _option(field: dataclasses.Field[Any]) -> Callable[[Any], Any]:
    names, more = CLICK.get(field.name, ([f"--{field.name.replace('_', '-')}"], {}))
    if PATHS & {*getattr(hints()[field.name], "__args__", ())} and "type" not in more:
        more = {**more, "type": FILE}
    elif field.default is False:
        more = {**more, "is_flag": True}
    if not more.get("multiple"):
        more = {**more, "default": field.default}
    return click.option(
        *names, help=field.metadata["text"], metavar=field.metadata["metavar"] or None, **more
    )
