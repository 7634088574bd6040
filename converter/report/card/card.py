"""The card: what the model is, how to run it, how it was proven, and what nobody can prove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import yaml

from converter.errors import safe
from converter.planning.assumptions import Assumed, assumed_line
from converter.planning.base import UNCONVERTED_FILE
from converter.planning.plan import TablePlan
from converter.report.around import around_section
from converter.report.card.example import PLACE, Example
from converter.report.card.head import front_matter, license_line, task_of, with_languages
from converter.report.card.tokenizer import (
    TOKENIZER,
    no_tokenizer_section,
    tokenizer_section,
    vocabulary_names,
)
from converter.report.record import GraphReport, Report, TableReport
from converter.report.terminal import summary
from converter.tables.table import Table
from converter.tokenizer import TokenizerSpec
from converter.version import VERSION

if TYPE_CHECKING:
    from converter.proof.tokens import Tokens

USE = "## How to use it"
ASSUMED = "- Assumed, not in the file:"
# The Hub's task → what the model does
DOES = {
    "fill-mask": "It predicts the words that are masked.",
    "text-classification": "It gives a text one of {labels}.",
    "token-classification": "It gives each token one of {labels}.",
    "question-answering": "It finds the answer to a question in a text.",
    "text-generation": "It continues a text.",
    "feature-extraction": "It has no head: it gives the hidden states of a text.",
}


def model_card(report: Report, title: str | None = None) -> str:
    """`README.md` of the written directory: what, from where, how proven, what it cannot do.

    title: the model's name, where it is not that of the parameters file
    """
    if isinstance(report, TableReport):
        return _table_card(report, title)
    from converter.report.card.graph import graph_card

    assert isinstance(report, GraphReport)
    return graph_card(report, title)


def _table_card(report: TableReport, title: str | None) -> str:
    plan, proof = report.plan, report.proof
    parity = proof.parity if proof else None
    published = plan.known if parity and parity.is_published else None
    golden = plan.table.golden
    spec, license_told = plan.tokenizer, report.options.get("license")
    head = front_matter(
        plan.transformers_class,
        "transformers",
        [plan.table.name, "mxnet", "gluonnlp"],
        license_told,
        golden.hub if golden and published else "",
        vocabulary_names(spec),
    )
    lines = [
        f"# {published or title or plan.index.path.stem}",
        "",
        f"These are the weights of `{plan.index.path.name}`, a file of MXNet and GluonNLP (family "
        f"`{plan.table.name}`), as `{plan.transformers_class}` of Transformers. bort-convert "
        f"{VERSION} converted them, without MXNet.",
        *_does(plan),
        "",
        USE,
        "",
        *use_section(_example(plan)),
        *_why_arguments(plan),
        *_tokenizer(report),
        *around_section(plan),
        "## How it was proven",
        "",
        *(_proof_lines(report) if proof else ["It was not: `--no-verify` was given.", ""]),
        "## What it cannot do",
        "",
        *(f"- {d.text}" for d in plan.table.known_differences if _concerns(report, d.output)),
        *(f"- {note}" for note in plan.table.notes),
        *(f"- {text}" for text in plan.warnings()),
        *_exported(plan),
        *(f"- Not finite in the source: `{n}` ({count})" for n, count in report.nonfinite.items()),
        "",
        "## Where it comes from",
        "",
        f"- Source: `{plan.index.path.name}`, {plan.index.size:,} bytes"
        + (f", sha256 `{proof.bits.source_sha256}`" if proof else ""),
        f"- Heads in the file: {', '.join(plan.heads) or 'none'}; dtype: {plan.dtype}"
        + (f"; read as {plan.read_as}" if plan.read_as else ""),
        f"- Told by whoever converted it: {_told(report)}"
        + (f"; head {plan.head}" if plan.head else "")
        + (f"; trained under GluonNLP {plan.gluonnlp}" if plan.gluonnlp else "")
        + (f"; stated by `{plan.model_config.file}`" if plan.model_config else ""),
        f"{ASSUMED} {_assumed(plan.assumed)}",
        license_line(license_told),
        f"- Weights: {', '.join(f'`{file}`' for file in report.files)}",
        "- Every tensor, with its source name and what was done to it: `conversion.json`",
    ]
    return "\n".join(map(safe, (*head, *lines))) + "\n"


def use_section(example: Example | None) -> Iterator[str]:
    """The example in its fence."""
    if example:
        yield from ("```python", *example.lines(), "```", "")


def _example(plan: TablePlan) -> Example | None:
    if plan.match.backbone:  # what is around it is put on: see the section below
        return Loading(plan.transformers_class, plan.target.init, plan.config, tokenizer=False)
    spec = plan.tokenizer
    mask = bool(spec and "mask" in spec.vocabulary.special)
    return Example(
        plan.transformers_class, plan.target.init, plan.config, tokenizer=bool(spec), mask=mask
    )


class Loading(Example):
    """How the model is loaded, and no more."""

    def lines(self) -> Iterator[str]:
        name = self.transformers_class
        arguments = [f'"{PLACE}"', *(f"{key}={value!r}" for key, value in self.init.items())]
        yield f"from transformers import {name}"
        yield ""
        yield f"model = {name}.from_pretrained({', '.join(arguments)})"


def _does(plan: TablePlan) -> Iterator[str]:
    labels = plan.config.get("id2label", {})
    numbered = all(name == f"LABEL_{key}" for key, name in labels.items())
    text = DOES.get(task_of(plan.transformers_class) or "", "")
    if len(labels) == 1:
        yield "It gives a text a number."
    elif text:
        some = f"{len(labels)} labels"
        some += "" if numbered else f": {', '.join(labels.values())}"
        yield text.format(labels=some)
    if len(labels) > 1 and numbered and "labels" in text:
        yield "The file does not have their names; `--labels` gives them."


def _tokenizer(report: TableReport) -> Iterator[str]:
    plan, proof = report.plan, report.proof
    if plan.tokenizer:
        yield from tokenizer_section(plan.tokenizer, proof.tokens if proof else None)
    else:
        yield from no_tokenizer_section(plan.table.tokenizer, plan.config["vocab_size"])


def with_tokenizer(
    card: str,
    spec: TokenizerSpec,
    tokens: Tokens,
    assumed: Sequence[Assumed],
    record: Mapping[str, Any],
    table: Table,
) -> str:
    """A card that was written before, with all that tells of the tokenizer made anew.

    assumed: what is taken for granted now; record: that of the conversion, with the new config
    """
    line = f"{ASSUMED} {safe(_assumed(assumed))}"
    card = "\n".join(line if old.startswith(ASSUMED) else old for old in card.split("\n"))
    begin, head, body = card.partition("---\n")
    head, end, body = body.partition("---\n")
    if not begin and end:
        with suppress(yaml.YAMLError):  # the user's own
            card = with_languages(head, vocabulary_names(spec)) + body
    name = record.get("transformers_class")
    inits = [dict(t.init) for t in table.targets if t.transformers_class == name]
    init = record.get("init")
    told = record.get("options", {})
    if init in inits and not (told.get("backbone") or told.get("prefix")):
        mask = "mask" in spec.vocabulary.special
        example = Example(str(name), init, record["config"], tokenizer=True, mask=mask)
        old, found, rest = card.partition(f"{USE}\n\n```python\n")
        _, closed, after = rest.partition("\n```\n\n")
        if found and closed:
            lines = "\n".join(map(safe, use_section(example)))
            card = f"{old}{USE}\n\n{lines}\n{after}"
    section = "\n".join(map(safe, tokenizer_section(spec, tokens))) + "\n"
    before, found, rest = card.partition(f"{TOKENIZER}\n")
    _, heading, after = rest.partition("\n## ")
    if not found:
        return f"{card.rstrip()}\n\n{section}".lstrip()
    return f"{before}{section}{heading.lstrip()}{after}"


def _assumed(assumed: Sequence[Assumed]) -> str:
    return assumed_line(assumed) or "nothing"


def _exported(plan: TablePlan) -> Iterator[str]:
    if plan.exported and not plan.match.backbone:
        names = ", ".join(f"`{entry.name}`" for entry in plan.exported)
        why = plan.match.export_reason
        yield f"- {why} Not converted, in `{UNCONVERTED_FILE}` under their own names: {names}."


def _why_arguments(plan: TablePlan) -> Iterator[str]:
    if plan.target.init.get("add_pooling_layer") is False:
        yield "The source has no pooler. Without `add_pooling_layer=False`, Transformers adds a"
        yield "random one and says so."
        yield ""


def _proof_lines(report: TableReport) -> Iterator[str]:
    yield "```"
    yield from summary(report, every=True)
    yield "```"
    yield ""
    yield "Bits: the plan run backwards gives every source tensor back. Names: those of the"
    yield "Transformers class, none missing, none more. Parity: GluonNLP's own arithmetic on the"
    yield "source against Transformers on this directory, random ids over the whole vocabulary,"
    yield "several lengths with padding, valid positions only."
    yield ""


def _concerns(report: TableReport, output: str) -> bool:
    return output in report.plan.target.outputs.values()


def _told(report: TableReport) -> str:
    family = report.options.get("family")
    told = [f"family {family}"] if family else []
    told += [f"{name}={value!r}" for name, value in report.plan.overrides.items()]
    return ", ".join(told) or "nothing"
