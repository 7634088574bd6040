"""Names with layer letters: `"a.{i}.b"`."""

from __future__ import annotations


def placeholders(pattern: str) -> frozenset[str]:
    """The layer letters of a pattern: `{"i"}` for `"a.{i}.b"`."""
    return frozenset(part.split("}")[0] for part in pattern.split("{")[1:])


def is_pattern(text: str) -> bool:
    """Whether `text` is a name with each layer letter at most once, and no other brace."""
    for letter in placeholders(text):
        text = text.replace(f"{{{letter}}}", "", 1)
    return not {"{", "}"} & {*text}
