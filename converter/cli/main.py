"""The command: every error becomes text and an exit code."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from converter.cli.convert import convert_command, verify_command
from converter.cli.export import export_command
from converter.cli.inspect import families_command, inspect_command
from converter.cli.options import FILE, options
from converter.cli.output import output_options, show_error
from converter.cli.recording import record_golden_command
from converter.cli.tokenizer import tokenizer_command
from converter.errors import ConvertError
from converter.planning.options import CONVERT
from converter.version import VERSION

# \b keeps click from joining the lines of a paragraph
HELP = """Convert an MXNet/GluonNLP .params file into a Transformers directory, and prove it equal.

\b
  bort-convert bort.params out/
  bort-convert --src bort.params --dst out/

DST appears only when every tensor came back bit for bit, every name is the one Transformers
expects, and GluonNLP's arithmetic and Transformers agree layer by layer.

Exit codes: 0 done and verified, 1 cannot convert, 2 wrong usage, 3 the proof failed, 130 Ctrl-C.
"""


INTERRUPTED = 128 + signal.SIGINT
HEARD: list[int] = []  # Ctrl-C, since the command began


class Word(str):
    """One word of the command line: equal words stay distinct by identity."""

    __slots__ = ()


class CatchingGroup(click.Group):
    """The command: turns every error into text and an exit code, never into a traceback."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`SRC DST`, anywhere among the options, is `--src SRC --dst DST`."""
        words = [Word(arg) for arg in args]
        if not {*words} & {*self.commands, *self.get_help_option_names(ctx)}:
            parser = self.make_parser(ctx)
            parser.allow_interspersed_args = True
            said, paths, _ = parser.parse_args([*words])
            if len(paths) == 2 or (len(paths) == 1 and os.path.lexists(paths[0])):
                for option in ("src", "dst")[: len(paths)]:
                    if option in said:
                        raise click.UsageError(f"{option.upper()} and --{option}: give one", ctx)
                rest = [word for word in words if not any(word is path for path in paths)]
                named = zip(("--src", "--dst"), paths, strict=False)
                args = [*(word for pair in named for word in pair), *rest]
        return super().parse_args(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP; nohup ignores it
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _terminate)
        HEARD.clear()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a terminal or pipe that is not UTF-8
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except KeyboardInterrupt:  # click would make it "Aborted!" and 1
            _interrupted()
            raise click.exceptions.Exit(INTERRUPTED) from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise click.UsageError(
                f"there is no command {args[0]!r}; to convert a file: --src FILE --dst DIRECTORY"
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _not_swallowed():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            _interrupted()
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if HEARD:  # a library that was being imported made another error of it
                _interrupted()
                ctx.exit(INTERRUPTED)
            if not isinstance(error, ConvertError):
                raise
            show_error(error, ctx)
            ctx.exit(error.exit_code)
        finally:
            # The process ends: looking for garbage among all that was imported takes a second.
            gc.freeze()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    HEARD.append(number)
    raise KeyboardInterrupt


def _interrupted() -> None:
    # Python remembers that an interrupt went through an exec() of text, as of a dataclass that is
    # made, until the next one; with `python -m` it would end by SIGINT, whatever the exit code
    exec("")
    click.echo("\ninterrupted: nothing is half written", err=True)


@contextmanager
def _not_swallowed() -> Iterator[None]:
    """A signal that arrives within a `__del__` is raised there, printed and gone: send it again.

    Not once all is over: a process that ends hears no signal any longer, and dies of it.
    """
    usual = sys.unraisablehook
    again: list[threading.Timer] = []

    def hook(lost: sys.UnraisableHookArgs) -> None:
        error = lost.exc_value
        if isinstance(error, KeyboardInterrupt | SystemExit):
            code = error.code if isinstance(error, SystemExit) else None
            number = code - 128 if isinstance(code, int) and code > 128 else signal.SIGINT
            again.append(threading.Timer(0.01, _send, [number]))  # after the `__del__`
            again[-1].start()
        else:
            usual(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = usual
        for timer in again:
            timer.cancel()
            timer.join()


def _send(number: int) -> None:
    """A signal to this process; a thread that sleeps hears it, where the system has such."""
    if os.name == "posix":
        os.kill(os.getpid(), number)
    else:
        signal.raise_signal(number)


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # unwinds, so that staging is removed


@click.group(
    cls=CatchingGroup,
    help=HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--src", type=FILE, metavar="SRC", help="The .params file to convert, or a directory with one."
)
@click.option("--dst", type=FILE, metavar="DST", help="The directory to make; it must not exist.")
@options(CONVERT)
@click.option(
    "--dry-run", is_flag=True, help="Print what would happen to every tensor; write nothing."
)
@output_options("json", "quiet", "verbose")
@click.version_option(VERSION)
@click.pass_context
def main(ctx: click.Context, /, **said: Any) -> None:
    """Convert, unless a subcommand is given."""
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(o) is ParameterSource.COMMANDLINE for o in said):
            word = ctx.invoked_subcommand
            raise click.UsageError(f"put the options of {word} after the word {word}")
        return
    if said["src"] is None and said["dst"] is None:
        click.echo(ctx.get_help())
        return
    missing = [name for name in ("src", "dst") if said[name] is None]
    if missing and not (missing == ["dst"] and said["dry_run"]):
        raise click.UsageError(f"--{missing[0]} is missing")
    convert_command(**said)


for command in (
    export_command,
    families_command,
    inspect_command,
    record_golden_command,
    tokenizer_command,
    verify_command,
):
    main.add_command(command)
