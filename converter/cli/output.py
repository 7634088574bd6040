"""What the commands print: lines or JSON, a report, a failed proof, the bar of the progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from converter.errors import ConvertError, ParityError, safe
from converter.files.progress import Progress, silent
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


OUTPUT = {
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
        for name in reversed(names):
            command = OUTPUT[name](command)
        return command

    return decorate


def printed(content: list[str] | dict[str, Any]) -> None:
    """Lines or JSON on stdout; names from a file are made safe for a terminal."""
    if isinstance(content, dict):
        click.echo(json.dumps(content, indent=2, allow_nan=False))
    else:
        click.echo("\n".join(map(safe, content)))


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
    click.echo("\n".join(error_lines(error)), err=True)


@contextmanager
def reported(as_json: bool, quiet: bool) -> Iterator[Progress]:
    """The progress to pass on; a failed proof is shown with its figures before the command ends."""
    try:
        with shown_progress(quiet or as_json) as progress:
            yield progress
    except ParityError as error:
        show(error.report, as_json, quiet)
        raise


def _stage(stage: str | None) -> str:
    return stage or ""


@contextmanager
def shown_progress(hidden: bool) -> Iterator[Progress]:
    """A bar on stderr when that is a terminal; nothing otherwise."""
    if hidden or not sys.stderr.isatty():
        yield silent
        return
    with click.progressbar(length=1, file=sys.stderr, item_show_func=_stage, width=24) as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.length = total
            bar.pos = 0
            bar.update(done, stage)

        yield show
