"""Behind which prefixes the models of a file are: an encoder and a model have one each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import product

from converter.planning.scopes.rules import Name

BLOCK_WORDS = {"encoder": "an encoder", "model": "a model"}
COUNTED = re.compile(r"(.*?)[a-z]+(\d+)_")  # gluon/block.py: scopes around, a class, its counter


def models_in(rows: Sequence[Name], own: Collection[str]) -> list[Mapping[str, str]]:
    """The prefixes of the blocks of each model in a file; of a single one it may lack some.

    rows: the names that every model has; own: those of the file, in its order

    An encoder is made for a model, and `collect_params` puts it right before that model's own: so
    the order of the file tells which is whose, and else the counters. Where the two differ, or
    neither tells, every pair is given.
    """
    blocks = {block: prefixes(rows, block, own) for block in BLOCK_WORDS}
    whole = {block: found for block, (found, _) in blocks.items() if found}
    pairs = [dict(zip(whole, some, strict=True)) for some in product(*whole.values())]
    if len(pairs) > 1 and len(whole) > 1:
        others = [*_hits(rows, "model", own)]
        pairs = _pairs(whole["encoder"], whole["model"], others, own) or pairs
    models = []
    for pair in pairs:
        found = {block: pair.get(block, most) for block, (_, most) in blocks.items()}
        models.append({block: prefix for block, prefix in found.items() if prefix is not None})
    return [model for model in models if model]


def prefixes(
    rows: Sequence[Name], block: str, own: Collection[str]
) -> tuple[list[str], str | None]:
    """Those that all of a block's names have in a file, and the one that most have."""
    hits = _hits(rows, block, own)
    needed = sum(name.block == block and name.is_whole for name in rows)
    whole = [prefix for prefix, patterns in hits.items() if len(patterns) == needed]
    # a layer has names like its encoder's, behind a longer prefix
    return whole, max(whole or hits, key=lambda p: (len(hits[p]), -len(p)), default=None)


def _hits(rows: Sequence[Name], block: str, own: Collection[str]) -> dict[str, set[str]]:
    """Every prefix behind which something of a block is, and which of its names."""
    hits: dict[str, set[str]] = {}
    for name in (name for name in rows if name.block == block and name.is_whole):
        for prefix in name.prefixes(own):
            hits.setdefault(prefix, set()).add(name.pattern)
    return hits


def _pairs(
    encoders: list[str], models: list[str], others: list[str], own: Collection[str]
) -> list[dict[str, str]]:
    """Each of `models` with its encoder; none where that is not certain.

    others: prefixes of models that may be of another family, `models` among them
    """
    first: dict[str, int] = {}
    for place, name in enumerate(own):
        for prefix in (p for p in (*encoders, *others) if name.startswith(p)):
            first.setdefault(prefix, place)
    order = sorted(first, key=first.__getitem__)
    before = dict(zip(order[1:], order, strict=False))
    by_order = {model: before.get(model) for model in others}
    counters = {found.groups(): e for e in encoders if (found := COUNTED.fullmatch(e))}
    by_counter = {
        model: counters.get(found.groups())
        for model in models
        if (found := COUNTED.fullmatch(model))
    }
    if not {*by_order.values()} <= {*encoders}:  # another program's order, such as the alphabet
        by_order = by_counter
    told = [(model, by_order.get(model), by_counter.get(model)) for model in models]
    if any(encoder is None or other not in (None, encoder) for _, encoder, other in told):
        return []
    return [{"encoder": str(encoder), "model": model} for model, encoder, _ in told]
