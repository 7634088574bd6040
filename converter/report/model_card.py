"""The model card: `README.md` of the written directory, drawn from the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from converter.errors import safe
from converter.planning.assumptions import Assumed, assumed_line
from converter.planning.base import UNCONVERTED_FILE
from converter.planning.plan import TablePlan
from converter.report.record import GraphReport, Report, TableReport
from converter.report.terminal import summary, token_line
from converter.tokenizer import TokenizerSpec
from converter.version import VERSION

if TYPE_CHECKING:
    from converter.proof.tokens import Tokens

TOKENIZER = "## Tokenizer"
ASSUMED = "- Assumed, not in the file:"


def model_card(report: Report, title: str | None = None) -> str:
    """`README.md` of the written directory: what, from where, how proven, what it cannot do.

    title: the model's name, where it is not that of the parameters file or of its sizes
    """
    if isinstance(report, TableReport):
        return _table_card(report, title)
    from converter.report.graph_card import graph_card

    assert isinstance(report, GraphReport)
    return graph_card(report, title)


def _table_card(report: TableReport, title: str | None) -> str:
    plan, proof = report.plan, report.proof
    lines = [
        "---",
        "library_name: transformers",
        "tags:",
        f"- {plan.table.name}",
        "- mxnet",
        "- gluonnlp",
        "---",
        f"# {title or plan.known or plan.index.path.stem}",
        "",
        f"{plan.table.title}: converted from `{plan.index.path.name}` (MXNet/GluonNLP) to "
        f"`{plan.transformers_class}` by bort-convert "
        f"{VERSION}, without MXNet.",
        "",
        "```python",
        f"from transformers import {plan.transformers_class}",
        "",
        f"model = {plan.transformers_class}.from_pretrained({_arguments(plan.target.init)})",
        "```",
        "",
        *_why_arguments(plan),
        *_tokenizer(report),
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
        f"- Heads in the file: {', '.join(plan.heads) or 'none'}; dtype: {plan.dtype}",
        f"- Given by hand: {_overrides(plan.overrides)}"
        + (f"; trained under GluonNLP {plan.gluonnlp}" if plan.gluonnlp else "")
        + (f"; stated by `{plan.model_config.file}`" if plan.model_config else ""),
        f"{ASSUMED} {_assumed(plan.assumed)}",
        f"- Weights: {', '.join(f'`{file}`' for file in report.files)}",
        "- Every tensor, with its source name and what was done to it: `conversion.json`",
    ]
    return "\n".join(map(safe, lines)) + "\n"


def _tokenizer(report: TableReport) -> Iterator[str]:
    plan, proof = report.plan, report.proof
    if plan.tokenizer:
        yield from tokenizer_section(plan.tokenizer, proof.tokens if proof else None)
        return
    yield from (TOKENIZER, "", "The tokenizer is not part of this directory.")
    rule = plan.table.tokenizer
    yield "`AutoTokenizer` refuses this directory until a tokenizer is put there:"
    yield "`bort-convert tokenizer`."
    if rule:
        for name in rule.public_names(plan.config["vocab_size"]):
            yield f"`{name}` has as many tokens; whether they have the same ids was not checked."
        yield f"The sequences the model was trained on are `{rule.single}` and `{rule.pair}`."
    yield ""


def tokenizer_section(spec: TokenizerSpec, tokens: Tokens | None) -> Iterator[str]:
    """What the tokenizer was made of, how it was proven, and where it differs by design."""
    names = ", ".join(f"`{path.name}`" for path in spec.files.given().values())
    names += f" ({spec.found})" if spec.found else ""
    special = spec.vocabulary.special
    yield from (TOKENIZER, "")
    yield f"`AutoTokenizer.from_pretrained` gives the ids that GluonNLP gives. Made of {names}:"
    yield f"{len(spec.vocabulary.tokens):,} tokens, {spec.kind}."
    yield ""
    for name, text in (("One text", spec.rule.single), ("A pair", spec.rule.pair)):
        parts = [part.partition(":")[0] for part in text.split()]
        yield f"- {name}: `{' '.join(special.get(part, part) for part in parts)}`, as in training."
    yield (
        "- That the vocabulary is this model's own was not checked beyond its size: no id can tell "
        "one with its rows in another order."
    )
    yield (
        "- Special tokens within a text are recognised, as everywhere in Transformers. GluonNLP "
        + (
            "1.x does so too."
            if spec.reads_special
            else "takes them for text; `tokenizer(text, split_special_tokens=True)` does that too."
        )
    )
    if spec.kind in ("wordpiece", "bert-sentencepiece"):
        cased = "lower-cased" if spec.lower else "not lower-cased"
        accents = "taken off" if spec.strip else "kept"
        yield f"- Text is {cased}, accents are {accents}{_other_accents(spec)}."
        if spec.lower_assumed:
            yield (
                "- That it is lower-cased is assumed, because no token has an upper-case letter; "
                "`--no-lower` keeps it as it is."
            )
        yield (
            "- Characters that Unicode did not have when GluonNLP's Python was made may be cut "
            "otherwise."
        )
    if spec.model:
        yield (
            "- Combining marks in an unusual order, or after a character such as ³, may be cut "
            "otherwise; so may words with two cuts of equal score, such as `0 00` and `00 0`."
        )
    if spec.recut:
        yield (
            f"- GluonNLP's script cuts {len(spec.recut)} pieces such as `{spec.recut[0]}` "
            "once more, the number from the comma. They are never chosen here, which can cut the "
            "text around them otherwise."
        )
    if spec.kind in ("sentencepiece", "xlnet-sentencepiece"):
        if spec.lower:
            yield "- Text is lower-cased."
        if spec.model and not spec.model.bpe:
            yield "- A control piece such as `<s>` within a text is always taken for that piece."
    if spec.vocabulary.duplicates:
        yield f"- Ids that no text gives: {', '.join(map(str, spec.vocabulary.duplicates))}."
    yield f"- {token_line(tokens)}" if tokens else "- Not proven: `--no-verify` was given."
    yield ""


def _other_accents(spec: TokenizerSpec) -> str:
    """What another version does with them, where nobody said which one trained the model."""
    if spec.told:
        return ""
    if spec.stock:
        master = (
            "; GluonNLP master (1.0.0.dev) keeps them, AutoGluon's copy of it does not: a model "
            "fine-tuned under the former is converted with `--gluonnlp-version 1.0`"
        )
        return master if spec.strip else ""
    older = (
        "; GluonNLP 0.9 and 0.10 take them off in any case: "
        "a model fine-tuned there is converted with `--gluonnlp-version 0.10`"
    )
    return "" if spec.strip else older


def with_tokenizer_section(
    card: str, spec: TokenizerSpec, tokens: Tokens, assumed: Sequence[Assumed]
) -> str:
    """A card that was written before, with its section on the tokenizer made anew.

    assumed: what is taken for granted now, for the line that the card has for it
    """
    line = f"{ASSUMED} {safe(_assumed(assumed))}"
    card = "\n".join(line if old.startswith(ASSUMED) else old for old in card.split("\n"))
    section = "\n".join(map(safe, tokenizer_section(spec, tokens))) + "\n"
    before, found, rest = card.partition(f"{TOKENIZER}\n")
    _, heading, after = rest.partition("\n## ")
    if not found:
        return f"{card.rstrip()}\n\n{section}".lstrip()
    return f"{before}{section}{heading.lstrip()}{after}"


def _assumed(assumed: Sequence[Assumed]) -> str:
    return assumed_line(assumed) or "nothing"


def _exported(plan: TablePlan) -> Iterator[str]:
    if plan.exported:
        names = ", ".join(f"`{entry.name}`" for entry in plan.exported)
        why = plan.match.export_reason
        yield f"- {why} Not converted, in `{UNCONVERTED_FILE}` under their own names: {names}."


def _arguments(init: Mapping[str, Any]) -> str:
    return ", ".join(['"path/to/this/directory"', *(f"{k}={v!r}" for k, v in init.items())])


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


def _overrides(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in overrides.items()) or "nothing"
