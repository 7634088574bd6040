"""The command that copies every tensor under its own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from converter.api import export
from converter.cli.options import FILE, options
from converter.cli.output import output_options, reported, show
from converter.files.progress import EXPORT as STAGES
from converter.planning.options import EXPORT


@click.command("export")
@click.argument("src", type=FILE)
@click.argument("dst", type=FILE)
@options(EXPORT)
@output_options("json", "quiet")
def export_command(src: Path, dst: Path, as_json: bool, quiet: bool, **said: Any) -> None:
    """Copy every tensor of SRC, under its own name, into DST (.safetensors or .npz).

    No family is needed: any parameters file will do, or a directory with one. Every tensor is read
    back and compared with the source, bit for bit, before DST appears.
    """
    with reported(as_json, quiet, STAGES) as progress:
        report = export(src, dst, progress=progress, **said)
    show(report, as_json, quiet)
    if not quiet and not as_json:
        click.echo(f"wrote {dst}")
