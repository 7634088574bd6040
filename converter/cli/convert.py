"""The commands that convert, and that repeat the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from converter.api import convert, verify
from converter.cli.options import FILE, options
from converter.cli.output import output_options, printed, reported, show
from converter.files.progress import PROOF, WRITE, Stages
from converter.planning.file import plan_file
from converter.planning.options import PLAN, VERIFY
from converter.report.plan_json import plan_json
from converter.report.record import TableReport
from converter.report.terminal import beside_lines, plan_lines, vocabulary_lines


def convert_command(
    src: Path,
    dst: Path,
    *,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **said: Any,
) -> None:
    """Convert `src` into `dst`, or print what would be done."""
    if dry_run:
        made = plan_file(src, **{name: said[name] for name in PLAN})
        lines = [
            *plan_lines(made, verbose),
            "",
            *beside_lines(made, said["family"]),
            *vocabulary_lines(made, dst),
        ]
        printed(plan_json(made) if as_json else lines)
        return
    stages = (*WRITE, *PROOF) if said["verify"] else WRITE
    with reported(as_json, quiet, stages) as shown:
        progress = Stages(shown)
        report = convert(src, dst, progress=progress, **said)
        progress.end()
    show(report, as_json, quiet, verbose, progress.seconds)
    if not quiet and not as_json:
        lines = [*vocabulary_lines(report.plan, dst)]  # what is missing, is said last
        wrote = [f"wrote {dst}"]
        complete = isinstance(report, TableReport) and report.plan.tokenizer
        printed(lines + wrote if complete else wrote + lines)


@click.command("verify")
@click.option("--src", type=FILE, metavar="SRC", required=True, help="The .params file.")
@click.option("--dst", type=FILE, metavar="DST", required=True, help="What was made of it.")
@options(VERIFY)
@output_options("json", "quiet", "verbose")
def verify_command(
    src: Path, dst: Path, as_json: bool, quiet: bool, verbose: bool, **said: Any
) -> None:
    """Repeat the proof on a directory that was written before; write nothing.

    Family, config and dtype are those recorded in DST; options given here win.
    """
    with reported(as_json, quiet, PROOF) as shown:
        progress = Stages(shown)
        report = verify(src, dst, progress=progress, **said)
        progress.end()
    show(report, as_json, quiet, verbose, progress.seconds)
