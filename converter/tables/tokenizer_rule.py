"""What tables say about text, and every mistake in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from converter.tables.rows import said

# What a special token is for: Transformers' word → GluonNLP 0.x's
ROLES: Mapping[str, str] = {
    "pad": "padding",
    "bos": "bos",
    "eos": "eos",
    "cls": "cls",
    "sep": "sep",
    "mask": "mask",
    "unk": "unknown",
}
KINDS = (
    *("wordpiece", "byte-level-bpe"),
    *("bert-sentencepiece", "xlnet-sentencepiece", "sentencepiece"),
)


@dataclass(frozen=True, kw_only=True)
class TokenizerRule:
    """How the family's text becomes ids; the vocabulary itself is a file of the user's."""

    kinds: tuple[str, ...] = said("those that its vocabularies can have: " + ", ".join(KINDS))
    single: str = said(
        "the sequence the model was trained on, such as `cls A sep B:1 sep:1`: roles of special "
        "tokens and the texts A and B, each with its token type (0 without one)"
    )
    pair: str = said("the same for two texts")
    special: Mapping[str, str] = said("role → token, where the vocabulary does not say", {})
    pieces: Mapping[str, str] = said(
        "the same of SentencePiece models: role → piece; those that a model lacks follow its "
        "pieces, where the embedding has a row for each",
        {},
    )
    datasets: tuple[str, ...] = said(
        "GluonNLP's vocabularies for this family, by their names (`…-<hash>.vocab`), where the "
        "parameters file's own name does not tell which",
        (),
    )
    public: Mapping[str, int] = said(
        "tokenizers everyone can get → the rows that their models' embeddings have; one is named "
        "for a model with as many",
        {},
    )
    lower: bool | None = said(
        "whether text is lower-cased; without it the name of the file tells (`_cased`, "
        "`_uncased`), or that of its folder",
        None,
    )
    lowered: Mapping[str, bool] = said("the same by the names of the zoo's vocabularies", {})
    version: str = said("of GluonNLP, where the family's checkpoints tell it", "")
    extra_ids: int = said("how many `<extra_id_…>` follow the pieces, number 0 last", 0)
    spare: int = said("how many of the embedding's rows, at most, belong to no token", 0)
    decoder_start: str = said("the role of the token that a decoder begins with", "")
    padding_side: str = said("`right` or `left`", "right")
    length: str = said("the config field that limits a sequence", "max_position_embeddings")
    reserved: int = said("how much of it is not for text", 0)

    def public_names(self, rows: int) -> list[str]:
        """The public tokenizers whose models have as many rows."""
        return [name for name, theirs in self.public.items() if theirs == rows]

    @property
    def token_types(self) -> bool:
        """Whether the model is given token types."""
        return any(":" in part for part in f"{self.single} {self.pair}".split())


def tokenizer_problems(rule: TokenizerRule, fields: Set[str]) -> Iterator[str]:
    """A line for everything about `[tokenizer]` that contradicts itself, or the config `fields`."""
    for kind in rule.kinds:
        if kind not in KINDS:
            yield f"  - [tokenizer] there is no kind {kind!r}; there are: {', '.join(KINDS)}"
    if not rule.kinds:
        yield "  - [tokenizer] kinds is empty"
    for key, roles in (("special", rule.special), ("pieces", rule.pieces)):
        for name in sorted(roles.keys() - ROLES.keys()):
            yield f"  - [tokenizer.{key}] there is no role {name!r}; there are: {', '.join(ROLES)}"
    for key, texts in (("single", ["A"]), ("pair", ["A", "B"])):
        parts = [part.partition(":") for part in getattr(rule, key).split()]
        names = [name for name, _, _ in parts]
        if [name for name in names if name not in ROLES] != texts or not all(
            number.isdecimal() or not colon for _, colon, number in parts
        ):
            yield f"  - [tokenizer] {key}: {' and '.join(texts)}, each once, among roles like cls:0"
    if rule.length and rule.length not in fields:
        yield f"  - [tokenizer] length: {rule.length!r} is not defined"
    if rule.decoder_start and rule.decoder_start not in ROLES:
        yield f"  - [tokenizer] decoder_start: there is no role {rule.decoder_start!r}"
    for key in ("extra_ids", "spare", "reserved"):
        if getattr(rule, key) < 0:
            yield f"  - [tokenizer] {key} is below 0"
    if rule.padding_side not in ("left", "right"):
        yield f"  - [tokenizer] padding_side {rule.padding_side!r} is neither left nor right"
