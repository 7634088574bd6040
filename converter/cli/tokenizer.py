"""The command that puts a tokenizer into a directory converted before."""

from __future__ import annotations

import json
from pathlib import Path

import click

from converter.api import add_tokenizer
from converter.cli.options import FILE, common
from converter.errors import safe
from converter.report.record import add_json
from converter.report.terminal import token_line
from converter.tokenizer import tokenizer_line


@click.command("tokenizer")
@click.option("--dst", type=FILE, metavar="DST", required=True, help="What convert wrote.")
@common("vocab", "merges", "sentencepiece", "lower", "gluonnlp_version", "table", "json", "quiet")
def tokenizer_command(
    dst: Path,
    vocab: Path | None,
    merges: Path | None,
    sentencepiece: Path | None,
    lower: bool | None,
    gluonnlp_version: str | None,
    table: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put a tokenizer into DST, which was converted without one, or in place of the one it has."""
    prepared, tokens = add_tokenizer(
        dst,
        vocab=vocab,
        merges=merges,
        sentencepiece=sentencepiece,
        lower=lower,
        gluonnlp_version=gluonnlp_version,
        table=table,
    )
    if as_json:
        click.echo(json.dumps(add_json(prepared, tokens), indent=2))
    elif not quiet:
        click.echo(safe(tokenizer_line(prepared)))
        click.echo(f"tokens  passed  {token_line(tokens)}")
        click.echo(f"wrote {safe(str(dst))}")
