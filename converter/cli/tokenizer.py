"""The command that puts a tokenizer into a directory converted before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from converter.api import add_tokenizer
from converter.cli.options import FILE, options
from converter.cli.output import output_options, printed
from converter.planning.assumptions import of_tokenizer
from converter.planning.options import TOKENIZER
from converter.report.record import add_json
from converter.report.terminal import assumption_lines, tokenizer_line
from converter.report.verdicts import token_line


@click.command("tokenizer")
@click.option("--dst", type=FILE, metavar="DST", required=True, help="What convert wrote.")
@options(TOKENIZER)
@output_options("json", "quiet")
def tokenizer_command(dst: Path, as_json: bool, quiet: bool, **said: Any) -> None:
    """Put a tokenizer into DST, which was converted without one, or in place of the one it has."""
    spec, tokens = add_tokenizer(dst, **said)
    if as_json:
        printed(add_json(spec, tokens))
    elif not quiet:
        assumed = assumption_lines([*of_tokenizer(spec)])
        tokens_line = f"tokens  passed  {token_line(tokens)}"
        printed([*assumed, tokenizer_line(spec), tokens_line, f"wrote {dst}"])
