"""What tables say about text: TOML → `TokenizerRule`, and every mistake in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from converter.tables.section import Section

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


@dataclass(frozen=True)
class TokenizerRule:
    """How the family's text becomes ids; the vocabulary itself is a file of the user's.

    kinds: of `KINDS`, those that its vocabularies can have
    single, pair: the sequence the model was trained on, such as `cls A sep B:1 sep:1`: roles of
        special tokens and the texts A and B, each with its token type (0 where none stands)
    special: role → token, where the vocabulary does not say
    datasets: GluonNLP's vocabularies for this family, by their names (`…-<hash>.vocab`), where
        the parameters file's own name does not tell which
    public: which tokenizer everyone can get has the same vocabulary; empty: none is known
    lower: whether text is lower-cased; None where the name of the file tells (`_cased`,
        `_uncased`), or that of its folder
    lowered: the same by the names that the zoo's vocabularies have, hash included
    version: of GluonNLP, where the family's checkpoints tell it
    extra_ids: how many tokens `<extra_id_…>` follow the pieces, the one of number 0 last
    spare: how many of the embedding's rows, at most, belong to no token
    decoder_start: the role of the token that a decoder begins with; empty: there is none
    padding_side: `right` or `left`
    length: the config field that limits how long a sequence is; `reserved` of it are not for text
    """

    kinds: tuple[str, ...]
    single: str
    pair: str
    special: Mapping[str, str]
    datasets: tuple[str, ...]
    public: str
    lower: bool | None
    lowered: Mapping[str, bool]
    version: str
    extra_ids: int
    spare: int
    decoder_start: str
    padding_side: str
    length: str
    reserved: int

    @property
    def token_types(self) -> bool:
        """Whether the model is given token types."""
        return any(":" in part for part in f"{self.single} {self.pair}".split())


def parse_tokenizer(section: Section) -> TokenizerRule | None:
    """`[tokenizer]` of a table; None where there is none."""
    if not section.keys():
        return None
    rule = TokenizerRule(
        kinds=section.listed("kinds", str),
        single=section.take("single", str),
        pair=section.take("pair", str),
        special=section.mapping("special", str),
        datasets=section.listed("datasets", str, []),
        public=section.take("public", str, ""),
        lower=section.take("lower", bool) if "lower" in section.keys() else None,
        lowered=section.mapping("lowered", bool),
        version=section.take("version", str, ""),
        extra_ids=section.take("extra_ids", int, 0),
        spare=section.take("spare", int, 0),
        decoder_start=section.take("decoder_start", str, ""),
        padding_side=section.take("padding_side", str, "right"),
        length=section.take("length", str, "max_position_embeddings"),
        reserved=section.take("reserved", int, 0),
    )
    section.end()
    return rule


def tokenizer_problems(rule: TokenizerRule, fields: Set[str]) -> Iterator[str]:
    """A line for everything about `[tokenizer]` that contradicts itself, or the config `fields`."""
    for kind in rule.kinds:
        if kind not in KINDS:
            yield f"  - [tokenizer] there is no kind {kind!r}; there are: {', '.join(KINDS)}"
    if not rule.kinds:
        yield "  - [tokenizer] kinds is empty"
    for name in sorted(rule.special.keys() - ROLES.keys()):
        yield f"  - [tokenizer.special] there is no role {name!r}; there are: {', '.join(ROLES)}"
    for key, texts in (("single", ["A"]), ("pair", ["A", "B"])):
        parts = [part.partition(":") for part in getattr(rule, key).split()]
        names = [name for name, _, _ in parts]
        if [name for name in names if name not in ROLES] != texts or not all(
            number.isdecimal() or not colon for _, colon, number in parts
        ):
            yield f"  - [tokenizer] {key}: {' and '.join(texts)}, each once, among roles like cls:0"
    if rule.length and rule.length not in fields:
        yield f"  - [tokenizer] length: nothing tells {rule.length!r}"
    if rule.decoder_start and rule.decoder_start not in ROLES:
        yield f"  - [tokenizer] decoder_start: there is no role {rule.decoder_start!r}"
    for key in ("extra_ids", "spare", "reserved"):
        if getattr(rule, key) < 0:
            yield f"  - [tokenizer] {key} is below 0"
    if rule.padding_side not in ("left", "right"):
        yield f"  - [tokenizer] padding_side {rule.padding_side!r} is neither left nor right"
