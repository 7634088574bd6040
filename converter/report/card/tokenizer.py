"""The section of a card on the tokenizer: what it was made of, or how to add one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from converter.report.verdicts import token_line
from converter.tables.tokenizer_rule import TokenizerRule
from converter.tokenizer import TokenizerSpec
from converter.tokenizer.spec import OPTIONS

if TYPE_CHECKING:
    from converter.proof.tokens import Tokens

TOKENIZER = "## Tokenizer"


def no_tokenizer_section(rule: TokenizerRule | None, rows: int) -> Iterator[str]:
    """What to do about it; rows: of the embedding."""
    yield from (TOKENIZER, "", "The tokenizer is not part of this directory, and `AutoTokenizer`")
    yield "refuses it until one is put there. This command makes it of the files that the model"
    yield "was trained with:"
    yield ""
    first, *others = dict.fromkeys(OPTIONS[kind] for kind in rule.kinds) if rule else ("",)
    yield from ("```sh", f"bort-convert tokenizer {first} --dst path/to/this/directory", "```", "")
    if others:
        yield f"Or with {' or '.join(f'`{other}`' for other in others)} in place of `{first}`."
    if rule:
        for name in rule.public_names(rows):
            yield f"`{name}` has as many tokens; whether they have the same ids was not checked."
        yield f"The sequences the model was trained on are `{rule.single}` and `{rule.pair}`."
    yield ""


def vocabulary_names(spec: TokenizerSpec | None) -> list[str]:
    """The names of the files that it was made of."""
    return [file.name for file in spec.files.given().values()] if spec else []


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
