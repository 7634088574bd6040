"""Options → calls. The only module that prints or exits."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import click

from agora.errors import AgoraError

HELP = """Fine-tune a converted Bort (or any Transformers directory) when labels are scarce.

\b
  bort-agora --model DST --train train.jsonl --dev dev.jsonl --test test.jsonl \\
    --teacher DIR --out best/

Data are .jsonl or .csv with the columns text (or text_a and text_b) and label. The teacher is a
directory with a fine-tuned classifier, or a file of labelled texts. A run that was killed goes on
when the same command is given again.

Exit codes: 0 done, 1 cannot be done, 2 wrong usage.
"""
TAUS = ["auto", "words", "synonym", "refill", "table"]
FILE = click.Path(exists=True, path_type=Path)


def _values(context: click.Context, option: click.Parameter, text: str) -> list[Any]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers: write 1e-4,1e-5") from None
    if len(set(found)) != len(found):
        raise click.BadParameter(f"{text!r} has a value twice")
    return [int(value) if option.name in ("batch", "epochs") else value for value in found]


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", required=True, type=FILE, help="the student: model and tokenizer")
@click.option("--train", required=True, type=FILE, help="what is labelled")
@click.option(
    "--dev", required=True, type=FILE, help="representative; perturbed, so never a result"
)
@click.option("--test", type=FILE, help="scored once, at the end; without it no score is shown")
@click.option("--selection", type=FILE, help="scores are taken here instead of on dev")
@click.option("--teacher", required=True, type=FILE, help="a directory, or labelled texts")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="the best student")
@click.option(
    "--task", type=click.Choice(["classification", "regression"]), default="classification"
)
@click.option("--tolerance", type=float, help="regression: a larger error is a mistake")
@click.option("--lr", callback=_values, default="1e-4,1e-5,9e-6", show_default=True)
@click.option("--wd", callback=_values, default="0,10,100,350", show_default=True)
@click.option("--warmup", callback=_values, default="0.45", show_default=True)
@click.option("--batch", callback=_values, default="8", show_default=True)
@click.option("--epochs", callback=_values, default="50", show_default=True)
@click.option("--prune", type=click.Choice(["worst", "run", "lcs", "half"]), default="worst")
@click.option("--replay", type=click.IntRange(0), default=0, show_default=True)
@click.option("--draws", type=click.IntRange(1), default=1, show_default=True)
@click.option("--growth", type=click.Choice(["cumulative", "last"]), default="cumulative")
@click.option("--start", type=click.Choice(["fresh", "best"]), default="fresh")
@click.option("--keep", type=click.Choice(["best", "last"]), default="best")
@click.option("--soft", is_flag=True, help="train on the teacher's probabilities")
@click.option("--no-gate", is_flag=True, help="take a teacher that is right on 2/3 of dev or less")
@click.option("--tau", type=click.Choice(TAUS), default="auto")
@click.option("--mlm", type=FILE, help="for refill: a directory with a masked language model")
@click.option("--embedding", type=FILE, help="for synonym: a model, or vectors; else --model's own")
@click.option("--side", type=click.IntRange(0, 1), help="perturb only this text of a pair")
@click.option("--budget", type=float, help="forward passes; no round starts that exceeds it")
@click.option("--teacher-price", type=float, default=1.0, help="of one call, in forward passes")
@click.option("--max-length", type=click.IntRange(4), default=512, show_default=True)
@click.option("--no-preset", is_flag=True, help="Transformers' head instead of Bort's")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, help="processes on this machine")
@click.option("--dask", help="address of a dask scheduler; it must see the same files")
@click.option("--state", type=click.Path(path_type=Path), help="kept; else OUT.agora, removed")
def command(**options: Any) -> None:
    """Run, and print."""
    from agora.job import Job, finish
    from agora.together import follow

    if follow():
        return
    job = Job(**options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result, found = finish(job, lambda line: click.echo(line, err=True))
    for message in dict.fromkeys(
        str(w.message) for w in caught if "agora" in w.category.__module__
    ):
        click.echo(f"warning: {message}", err=True)
    from agora.report import text

    click.echo(text(found, result, job.grid))
    click.echo(f"wrote {job.out}")


def main() -> None:
    """The command `bort-agora`: an error becomes text and exit code 1."""
    try:
        command(prog_name="bort-agora")
    except ModuleNotFoundError as error:
        click.echo(f"error: {error.name} is missing: pip install 'bort-convert[agora]'", err=True)
        sys.exit(1)
    except AgoraError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
