"""Options → calls. The only module that prints or exits."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import click

from agora.errors import AgoraError

HELP = """Fine-tune a converted Bort (or any Transformers directory) when labels are scarce.

\b
  bort-finetune --model DST --train train.jsonl --dev dev.jsonl --test test.jsonl --out best/
  bort-finetune --method pseudo-label --teacher tfidf --teacher-data more.jsonl \\
    --unlabelled texts.jsonl --model DST ...
  bort-finetune --method agora --teacher DIR --model DST ...      (or: bort-agora ...)

Data are .jsonl or .csv with the columns text (or text_a and text_b) and label. A run that was
killed goes on when the same command is given again.

Exit codes: 0 done, 1 cannot be done, 2 wrong usage, 130 stopped by Ctrl-C.
"""
FILE = click.Path(exists=True, path_type=Path)
AXES: dict[str, Any] = {
    "lr": click.FloatRange(0, min_open=True),
    "wd": click.FloatRange(0),
    "warmup": click.FloatRange(0, 1),
    "batch": click.IntRange(1),
    "seeds": click.IntRange(0),
}


def _values(context: click.Context, option: click.Parameter, text: str) -> list[Any]:
    """The numbers of a list such as 1e-4,1e-5."""
    kind = AXES[str(option.name)]
    found = [kind.convert(part, option, context) for part in text.split(",")]
    if len(set(found)) != len(found) or not all(map(math.isfinite, found)):
        raise click.BadParameter(f"{text!r} has a value twice, or one that is not finite")
    return found


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--method", type=click.Choice(["finetune", "pseudo-label", "agora"]), default="finetune",
    show_default=True, help="what to do; README.md of agora/ says which",
)  # fmt: skip
@click.option("--model", required=True, type=FILE, help="the student: model and tokenizer")
@click.option("--train", required=True, type=FILE, help="what is labelled")
@click.option("--dev", required=True, type=FILE, help="representative; it selects, so no result")
@click.option("--test", type=FILE, help="scored once, at the end; without it no score is shown")
@click.option("--unlabelled", type=FILE, help="texts without labels: the teacher's, or tau's")
@click.option("--teacher", help="a Transformers directory, a .skops file, or tfidf")
@click.option("--teacher-data", type=FILE, help="for tfidf: labelled texts")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="the best student")
@click.option("--lr", callback=_values, default="1e-4,1e-5", show_default=True)
@click.option("--wd", callback=_values, default="0,10", show_default=True)
@click.option("--warmup", callback=_values, default="0.45", show_default=True)
@click.option("--batch", callback=_values, default="8", show_default=True)
@click.option("--seeds", callback=_values, default="0", show_default=True, help="of students")
@click.option("--full-grid", is_flag=True, help="the published 480 sets, not the five above")
@click.option("--epochs", type=click.IntRange(1), default=50, show_default=True)
@click.option(
    "--patience", type=click.IntRange(1), default=10, show_default=True,
    help="epochs without a better dev score, after the warm-up, that end a training",
)  # fmt: skip
@click.option("--prune", type=click.Choice(["worst", "lcs"]), default="lcs", show_default=True)
@click.option("--no-gate", is_flag=True, help="take a teacher that fails on dev")
@click.option("--budget", type=click.FloatRange(0, min_open=True), help="forward passes at most")
@click.option("--max-length", type=click.IntRange(4), default=512, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="of tau's draws")
@click.option("--workers", type=click.IntRange(1), default=1, help="processes on this machine")
@click.option("--dask", help="address of a dask scheduler; it must see the same files")
@click.option("--keep-texts", is_flag=True, help="write what was trained on into agora.json")
def command(**options: Any) -> None:
    """Run, and print."""
    # an import reads them; what a user has set stays
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from agora.job import finish
    from agora.report import text

    try:
        result, found = finish(options, lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo("\nstopped: the same command goes on from what is done", err=True)
        sys.exit(130)
    click.echo(text(found, result))
    click.echo(f"wrote {options['out']}")


def main(name: str = "bort-finetune", before: tuple[str, ...] = ()) -> None:
    """The command `bort-finetune`: an error becomes text and exit code 1."""
    try:
        command([*before, *sys.argv[1:]], prog_name=name)
    except AgoraError as error:
        said = str(error)
    except ModuleNotFoundError as error:
        said = f"{error.name} is missing: pip install 'bort-convert[agora]'"
    click.echo(f"error: {said}", err=True)
    sys.exit(1)


def main_agora() -> None:
    """The command `bort-agora`, which is `bort-finetune --method agora`."""
    main("bort-agora", ("--method", "agora"))
