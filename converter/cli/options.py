"""What the commands' options have in common: their types, their help, the progress bar."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from converter.errors import ConvertError
from converter.proof.proof import DEFAULT_ATOL
from converter.writing.safetensors import Progress, silent
from converter.writing.shards import parse_size

FILE = click.Path(path_type=Path)


class Settings(click.ParamType[tuple[str, Any]]):
    """`KEY=VALUE`: VALUE is JSON where it parses as JSON, else the text itself."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        try:
            return key, json.loads(text)
        except (ValueError, RecursionError):
            return key, text


class Size(click.ParamType[int]):
    """Bytes, or a number with KB, MB, GB or TB."""

    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            return parse_size(value)
        except ConvertError as error:
            self.fail(str(error), param, ctx)


class Tolerance(click.ParamType[float]):
    """A finite number from 0 on: with infinity everything would be proven."""

    name = "FLOAT"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number: float = click.FLOAT.convert(value, param, ctx)
        if not 0 <= number < math.inf:
            self.fail(f"{value} is not a finite number from 0 on", param, ctx)
        return number


def _once(_ctx: click.Context, _param: click.Parameter, given: Any) -> dict[str, Any]:
    """The fields of `--config` with their values. One that is given twice says two things."""
    fields = [key for key, _ in given]
    if twice := [key for key in dict.fromkeys(fields) if fields.count(key) > 1]:
        raise click.BadParameter(f"{', '.join(twice)}: given more than once; give it once")
    return dict(given)


def common(*names: str) -> Callable[[Any], Any]:
    """The options that more than one command has, by name."""
    options = {
        "family": click.option("--family", metavar="NAME", help="Use this table; see `families`."),
        "table": click.option(
            "--table", type=FILE, metavar="FILE", help="Use a table of your own."
        ),
        "config": click.option(
            "--config",
            "config",
            type=Settings(),
            multiple=True,
            callback=_once,
            help="A field of Transformers' config that no tensor tells, such as "
            "num_attention_heads=8. Repeatable; recorded in the report.",
        ),
        "gluonnlp_version": click.option(
            "--gluonnlp-version",
            metavar="X.Y",
            help="The GluonNLP that the model was trained under, such as 0.9: some versions "
            "computed with the same numbers in another way, and no file tells.",
        ),
        "vocab": click.option(
            "--vocab",
            type=FILE,
            metavar="FILE",
            help="The vocabulary: GluonNLP's .vocab or vocab.json, or a vocab.txt.",
        ),
        "merges": click.option(
            "--merges",
            type=FILE,
            metavar="FILE",
            help="The merges of a byte-level vocabulary: GluonNLP's "
            "openai_webtext_bpe_ranks-396d4d8e.json or GPT-2's merges.txt.",
        ),
        "sentencepiece": click.option(
            "--sentencepiece", type=FILE, metavar="FILE", help="A SentencePiece model."
        ),
        "lower": click.option(
            "--lower/--no-lower",
            default=None,
            help="Whether text is lower-cased; needed only where no file's name tells "
            "(_uncased, _cased).",
        ),
        "part": click.option(
            "--part",
            metavar="NAME",
            help="The model to convert of a file that holds several: discriminator or generator "
            "of ELECTRA's pre-training.",
        ),
        "model_config": click.option(
            "--model-config",
            type=FILE,
            metavar="FILE",
            help="The model.yml of a GluonNLP 1.x model, or AutoGluon's cfg.yml, where it is not "
            "beside the file.",
        ),
        "atol": click.option(
            "--atol",
            type=Tolerance(),
            default=DEFAULT_ATOL,
            show_default=True,
            help="Largest absolute difference allowed in hidden states and logits (float32); "
            "ten times as much at a position where values reach 100, and so on.",
        ),
        "allow_nonfinite": click.option(
            "--allow-nonfinite", is_flag=True, help="Take NaN and infinite weights as they are."
        ),
        "json": click.option(
            "--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else."
        ),
        "quiet": click.option("--quiet", "-q", is_flag=True, help="Print errors only."),
        "verbose": click.option(
            "--verbose",
            "-v",
            is_flag=True,
            help="Print a line a tensor, and every stage's seconds.",
        ),
    }

    def decorate(command: Any) -> Any:
        for name in reversed(names):
            command = options[name](command)
        return command

    return decorate


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
