"""Options → calls. The only module that prints or exits."""

from __future__ import annotations

import gc
import io
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from converter.api import convert, export, verify
from converter.cli.inspect import families_command, inspect_command, printed
from converter.cli.options import FILE, Size, common, shown_progress
from converter.cli.tokenizer import tokenizer_command
from converter.errors import ConvertError, ParityError
from converter.planning.file import plan_file
from converter.planning.plan import Plan
from converter.planning.steps import DTYPES
from converter.report.record import ExportReport, Report, plan_json
from converter.report.terminal import (
    config_lines,
    error_lines,
    export_summary,
    plan_lines,
    seconds_lines,
    summary,
)
from converter.tokenizer import vocabulary_lines
from converter.version import VERSION
from converter.writing.safetensors import Stages
from converter.writing.shards import MAX_SHARD_SIZE

# \b keeps click from joining the lines of a paragraph
HELP = """Convert an MXNet/GluonNLP .params file into a Transformers directory, and prove it equal.

\b
  bort-convert --src bort.params --dst out/

DST appears only when every tensor came back bit for bit, every name is the one Transformers
expects, and GluonNLP's arithmetic and Transformers agree layer by layer.

Exit codes: 0 done and verified, 1 cannot convert, 2 wrong usage, 3 the proof failed.
"""


class Line(click.Group):
    """The command: turns every error into text and an exit code, never into a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP; nohup ignores it
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _terminate)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a terminal or pipe that is not UTF-8
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise click.UsageError(
                f"there is no command {args[0]!r}; to convert a file: --src FILE --dst DIRECTORY"
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConvertError as error:
            click.echo("\n".join(error_lines(error)), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("\ninterrupted: nothing was left behind", err=True)
            ctx.exit(130)
        finally:
            # The process ends: looking for garbage among all that was imported takes a second.
            gc.freeze()


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # unwinds, so that staging is removed


@click.group(
    cls=Line,
    help=HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--src", type=FILE, metavar="SRC", help="The .params file to convert, or a directory with one."
)
@click.option("--dst", type=FILE, metavar="DST", help="The directory to make; it must not exist.")
@common("family", "table", "config", "gluonnlp_version", "model_config", "part")
@common("vocab", "merges", "sentencepiece", "lower")
@click.option(
    "--dtype",
    type=click.Choice(list(DTYPES)),
    default="keep",
    show_default=True,
    help="Data type of the written weights. A cast that overflows is an error.",
)
@click.option(
    "--max-shard-size",
    type=Size(),
    default=MAX_SHARD_SIZE,
    show_default=True,
    help="Weights of more than this (bytes, or 500MB, 5GB, …) become several files and an index.",
)
@click.option("--no-verify", is_flag=True, help="Write without proof (and without torch).")
@common("atol")
@click.option("--force", is_flag=True, help="Replace DST if bort-convert wrote it.")
@click.option(
    "--dry-run", is_flag=True, help="Print what would happen to every tensor; write nothing."
)
@common("allow_nonfinite", "json", "quiet", "verbose")
@click.version_option(VERSION)
@click.pass_context
def main(ctx: click.Context, /, **options: Any) -> None:
    """Convert, unless a subcommand is named."""
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(o) is ParameterSource.COMMANDLINE for o in options):
            word = ctx.invoked_subcommand
            raise click.UsageError(f"put the options of {word} after the word {word}")
        return
    if options["src"] is None and options["dst"] is None:
        click.echo(ctx.get_help())
        return
    missing = [name for name in ("src", "dst") if options[name] is None]
    if missing and not (missing == ["dst"] and options["dry_run"]):
        raise click.UsageError(f"--{missing[0]} is missing")
    _convert(**options)


main.add_command(inspect_command)
main.add_command(families_command)
main.add_command(tokenizer_command)


def _convert(
    *,
    src: Path,
    dst: Path,
    family: str | None,
    table: Path | None,
    config: dict[str, Any],
    gluonnlp_version: str | None,
    model_config: Path | None,
    part: str | None,
    vocab: Path | None,
    merges: Path | None,
    sentencepiece: Path | None,
    lower: bool | None,
    dtype: str,
    max_shard_size: int,
    no_verify: bool,
    atol: float,
    force: bool,
    dry_run: bool,
    allow_nonfinite: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    if family and table:
        raise click.UsageError("--family and --table exclude each other")
    choice: dict[str, Any] = dict(
        family=family,
        table=table,
        config=config,
        dtype=dtype,
        gluonnlp_version=gluonnlp_version,
        model_config=model_config,
        part=part,
        vocab=vocab,
        merges=merges,
        sentencepiece=sentencepiece,
        lower=lower,
    )
    if dry_run:
        made = plan_file(src, **choice)
        lines = [*plan_lines(made), "", *config_lines(made), *_vocabulary(made, dst)]
        printed(plan_json(made) if as_json else lines)
        return
    with _reported(as_json, quiet), shown_progress(quiet or as_json) as shown:
        progress = Stages(shown)
        report = convert(
            src,
            dst,
            **choice,
            max_shard_size=max_shard_size,
            verify=not no_verify,
            atol=atol,
            force=force,
            allow_nonfinite=allow_nonfinite,
            progress=progress,
        )
        progress.end()
    _show(report, as_json, quiet, verbose, progress.seconds)
    if not quiet and not as_json:
        printed([*_vocabulary(report.plan, dst)])
        click.echo(f"wrote {dst}")


def _vocabulary(plan: Plan, dst: Path | None) -> Iterator[str]:
    yield from vocabulary_lines(plan.tokenizer, plan.no_tokenizer, plan.table.tokenizer, dst)


@main.command("verify")
@click.option("--src", type=FILE, metavar="SRC", required=True, help="The .params file.")
@click.option("--dst", type=FILE, metavar="DST", required=True, help="What was made of it.")
@click.option(
    "--golden",
    type=FILE,
    metavar="FILE",
    help="Hidden states recorded in an old environment by examples/record_golden.py.",
)
@common("family", "table", "config", "gluonnlp_version", "model_config")
@common("atol", "json", "quiet", "verbose")
def verify_command(
    src: Path,
    dst: Path,
    golden: Path | None,
    family: str | None,
    table: Path | None,
    config: dict[str, Any],
    gluonnlp_version: str | None,
    model_config: Path | None,
    atol: float,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Repeat the proof on a directory that was written before; write nothing.

    Family, config and dtype are those recorded in DST; options given here win.
    """
    if family and table:
        raise click.UsageError("--family and --table exclude each other")
    with _reported(as_json, quiet), shown_progress(quiet or as_json) as shown:
        progress = Stages(shown)
        report = verify(
            src,
            dst,
            golden=golden,
            family=family,
            table=table,
            config=config,
            gluonnlp_version=gluonnlp_version,
            model_config=model_config,
            atol=atol,
            progress=progress,
        )
        progress.end()
    _show(report, as_json, quiet, verbose, progress.seconds)


@main.command("export")
@click.argument("src", type=FILE)
@click.argument("dst", type=FILE)
@click.option("--npz", is_flag=True, help="Write an .npz, whatever DST is called.")
@click.option(
    "--strip-prefix",
    "strip_prefixes",
    metavar="PREFIX",
    multiple=True,
    help="Take PREFIX off the names that begin with it, such as arg: or bort.; repeatable.",
)
@click.option("--densify", is_flag=True, help="Write sparse tensors in full; else refused.")
@click.option("--no-verify", is_flag=True, help="Write without reading it back.")
@click.option("--force", is_flag=True, help="Replace DST if it is a file.")
@common("allow_nonfinite", "json", "quiet")
def export_command(
    src: Path, dst: Path, no_verify: bool, as_json: bool, quiet: bool, **choice: Any
) -> None:
    """Copy every tensor of SRC, under its own name, into DST (.safetensors or .npz).

    No family is needed: any parameters file will do. Every tensor is read back and compared
    with the source, bit for bit, before DST appears.
    """
    with _reported(as_json, quiet), shown_progress(quiet or as_json) as progress:
        report = export(src, dst, verify=not no_verify, progress=progress, **choice)
    _show(report, as_json, quiet, verbose=False)
    if not quiet and not as_json:
        click.echo(f"wrote {dst}")


def _show(
    report: Report | ExportReport,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    seconds: Mapping[str, float] | None = None,
) -> None:
    if as_json:
        printed(report.to_json())
    elif quiet:
        return
    elif isinstance(report, ExportReport):
        printed([*export_summary(report)])
    else:
        lines = [*plan_lines(report.plan), ""] if verbose else []
        times = ["", *seconds_lines(seconds)] if verbose and seconds else []
        printed([*lines, *summary(report), *times])


@contextmanager
def _reported(as_json: bool, quiet: bool) -> Iterator[None]:
    """A failed proof is shown with its figures before it ends the command."""
    try:
        yield
    except ParityError as error:
        _show(error.report, as_json, quiet, verbose=False)
        raise
