"""What the commands print: lines or JSON, a report, a failed proof."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from converter.cli.screen import bar, for_screen, wants_colour
from converter.errors import ConvertError, ParityError
from converter.files.progress import Progress
from converter.report.record import ExportReport, Report
from converter.report.terminal import (
    error_lines,
    export_summary,
    plan_lines,
    seconds_lines,
    summary,
)

JSON = "converter.json"  # in a context's `meta`: whether JSON was asked for


def _asked_for(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    ctx.meta[JSON] = ctx.meta.get(JSON) or value
    return value


def _colour(ctx: click.Context, _param: click.Parameter, choice: str) -> None:
    ctx.color = wants_colour(choice)


OUTPUT = {
    "color": click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        expose_value=False,
        is_eager=True,
        callback=_colour,
        help="Colour the verdicts; auto: on a terminal, unless NO_COLOR is set.",
    ),
    "json": click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=_asked_for,
        help="Print JSON on stdout, and nothing else.",
    ),
    "quiet": click.option("--quiet", "-q", is_flag=True, help="Print errors only."),
    "verbose": click.option(
        "--verbose",
        "-v",
        is_flag=True,
        help="Print a line for every tensor of every layer, and every stage's seconds.",
    ),
}


def output_options(*names: str) -> Callable[[Any], Any]:
    """How much a command prints, and in what form."""

    def decorate(command: Any) -> Any:
        for name in reversed((*names, "color")):
            command = OUTPUT[name](command)
        return command

    return decorate


def printed(content: list[str] | dict[str, Any]) -> None:
    """Lines or JSON on stdout; names from a file are made safe for a terminal."""
    if isinstance(content, dict):
        click.echo(json.dumps(content, indent=2, allow_nan=False))
    else:
        click.echo(for_screen(content))


def show(
    report: Report | ExportReport,
    as_json: bool,
    quiet: bool,
    verbose: bool = False,
    seconds: Mapping[str, float] | None = None,
) -> None:
    """A report as the command was asked for it."""
    if as_json:
        printed(report.to_json())
    elif quiet:
        return
    elif isinstance(report, ExportReport):
        printed([*export_summary(report)])
    else:
        lines = [*plan_lines(report.plan, every=True), ""] if verbose else []
        times = ["", *seconds_lines(seconds)] if verbose and seconds else []
        printed([*lines, *summary(report, every=verbose), *times])


def show_error(error: ConvertError, ctx: click.Context) -> None:
    """An error on stderr; where JSON was asked for and no report was printed, on stdout too."""
    if ctx.meta.get(JSON) and not isinstance(error, ParityError):
        told = {"kind": type(error).__name__, "message": error.headline}
        printed({"error": {**told, "problems": [*error.problems]}})
    click.echo(for_screen(error_lines(error), err=True), err=True)


@contextmanager
def reported(as_json: bool, quiet: bool, stages: Iterable[str]) -> Iterator[Progress]:
    """The progress to pass on; a failed proof is shown with its figures before the command ends.

    stages: those that this run has
    """
    try:
        with bar(quiet or as_json, stages) as progress:
            yield progress
    except ParityError as error:
        show(error.report, as_json, quiet)
        raise
