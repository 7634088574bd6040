"""What a tokenizer is made of, or why there is none, as lines for a person to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from converter.errors import safe
from converter.tables.tokenizer_rule import TokenizerRule
from converter.tokenizer.spec import TokenizerSpec

OPTIONS = {
    "wordpiece": "--vocab FILE",
    "byte-level-bpe": "--vocab FILE --merges FILE",
    "bert-sentencepiece": "--sentencepiece FILE",
    "xlnet-sentencepiece": "--sentencepiece FILE",
    "sentencepiece": "--sentencepiece FILE",
}


def tokenizer_line(spec: TokenizerSpec) -> str:
    """Kind, size and files, without their folders."""
    names = " and ".join(safe(path.name) for path in spec.files.given().values())
    return f"tokenizer: {spec.kind}, {len(spec.vocabulary.tokens):,} tokens of {names}"


def vocabulary_lines(
    spec: TokenizerSpec | None, why: str, rule: TokenizerRule | None, dst: Path | None
) -> Iterator[str]:
    """The files that were taken; or `why` there are none, and what to do about it later."""
    if spec:
        yield from (f"took {path}" for path in spec.files.given().values())
        return
    yield f"no tokenizer: {why}"
    if rule:
        public = "no public tokenizer is known to have the same ids"
        if rule.public:
            public = f"{rule.public} has the same vocabulary"
        given = f"bort-convert tokenizer {OPTIONS[rule.kinds[0]]} --dst {dst or 'DST'}"
        yield f"  {public}; add one later: {given}"
