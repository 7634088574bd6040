"""Behind which prefixes the models of a file are: an encoder and a model have one each."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice, product
from typing import TypeVar

from converter.planning.scopes.rules import Name

BLOCK_WORDS = {"encoder": "an encoder", "model": "a model"}
COUNTED = re.compile(r"(.*?)[a-z]+(\d+)_")  # gluon/block.py: scopes around, a class, its counter
MODELS = 8  # that are tried in one network
MOST = 2**14  # of which these are: more than a file has tensors
T = TypeVar("T")

Hits = Mapping[str, Mapping[str, int]]  # prefix → what of a block is behind it → place in the file


def models_in(
    rows: Sequence[Name], own: Collection[str], told: str | None = None
) -> list[Mapping[str, str]]:
    """The prefixes of the blocks of each model in a file; of a single one it may lack some.

    rows: the names that every model has; own: those of the file, in its order
    told: how the user said that the names of the model begin: it comes first, for only so many are
        given

    An encoder is made for a model, and `collect_params` puts it right before that model's own: so
    the order of the file tells which is whose, and else the counters. Where the two differ, or
    neither tells, every pair is given.
    """
    hits = {block: _hits(rows, block, own) for block in BLOCK_WORDS}
    blocks = {block: _whole(rows, block, found) for block, found in hits.items()}
    whole = {block: found for block, (found, _) in blocks.items() if found}
    pairs: Iterable[Mapping[str, str]]
    pairs = (dict(zip(whole, some, strict=True)) for some in product(*whole.values()))
    if len(whole) > 1 and max(map(len, whole.values())) > 1:
        pairs = _pairs(whole["encoder"], whole["model"], hits) or pairs
    models = []
    for pair in first_meant(pairs, lambda pair: ",".join(pair.values()), told):
        found = {block: pair.get(block, most) for block, (_, most) in blocks.items()}
        models.append({block: prefix for block, prefix in found.items() if prefix is not None})
    return [model for model in models if model]


def first_meant(models: Iterable[T], begin: Callable[[T], str], told: str | None) -> Iterable[T]:
    """As many as are tried, those that the user means by `told` before the others."""
    found = [*islice(models, MOST)]
    if told is not None:
        found.sort(key=lambda model: not is_meant(begin(model), told))
    return found[:MODELS]


def is_meant(begin: str, told: str) -> bool:
    """Whether `--prefix` is how a model's names begin, or those of one of its blocks.

    The point or underscore at its end may be left out; `query._net.` of an XLNet is in `query.`
    """
    begins = {begin, *begin.split(",")}
    ends = (f"{told}.", f"{told}_", told if told.endswith((".", "_")) else f"{told}.")
    return told in begins or (bool(told) and any(one.startswith(ends) for one in begins))


def prefixes(
    rows: Sequence[Name], block: str, own: Collection[str]
) -> tuple[list[str], str | None]:
    """Those that all of a block's names have in a file, and the one that most have."""
    return _whole(rows, block, _hits(rows, block, own))


def _whole(rows: Sequence[Name], block: str, hits: Hits) -> tuple[list[str], str | None]:
    needed = sum(name.block == block and name.is_whole for name in rows)
    whole = [prefix for prefix, patterns in hits.items() if len(patterns) == needed]
    # a layer has names like its encoder's, behind a longer prefix
    return whole, max(whole or hits, key=lambda p: (len(hits[p]), -len(p)), default=None)


def _hits(rows: Sequence[Name], block: str, own: Collection[str]) -> Hits:
    """Every prefix behind which something of a block is, and which of its names."""
    hits: dict[str, dict[str, int]] = {}
    places = {name: place for place, name in enumerate(own)}
    for name in (name for name in rows if name.block == block and name.is_whole):
        for prefix, end in name.prefixes(own):
            hits.setdefault(prefix, {})[name.pattern] = places[prefix + end]
    return hits


def _pairs(
    encoders: list[str], models: list[str], hits: Mapping[str, Hits]
) -> list[Mapping[str, str]]:
    """Each of `models` with its encoder; none where that is not certain."""
    others = hits["model"]  # those of another family among them
    places = {p: min(hits["encoder"][p].values()) for p in encoders}
    places |= {p: min(patterns.values()) for p, patterns in others.items()}
    order = sorted(places, key=places.__getitem__)
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
