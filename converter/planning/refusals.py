"""Why a file is converted by no table, and what to do instead: said once, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from converter.params import Index
from converter.planning.fit import Match
from converter.planning.scopes import class_of, namesake, spelled, without_kind
from converter.tables.table import Head, Table
from converter.tables.unsupported import export_line, refused

BEGIN = 4  # names that a person is shown of a file of no family


def known_as(index: Index, tables: Iterable[Table]) -> list[str]:
    """What a file is that no table converts, where that is known, and what to do; else nothing."""
    if known := refused(index):
        return known
    head = _head_alone(index, tables)
    if head is None:
        return []
    entries = index.tensors.values()
    sizes = ", ".join(f"{entry.name} ({'×'.join(map(str, entry.shape))})" for entry in entries)
    dense = all(entry.name.endswith(("weight", "bias")) for entry in entries)
    return [
        f"{head} alone, and nothing of the model that it was on: {sizes}",
        "where you have the network still, save it whole: net.save_parameters('whole.params')",
        *(["torch.nn.Linear takes weight and bias of a Dense as they are"] if dense else []),
        export_line(index),
    ]


def is_foreign(closest: Match, several: bool) -> bool:
    """Whether the table that explains most of a file explains too little to be taken for its own.

    `several`: nobody said which table it is.
    """
    return closest.accounted * 2 < len(closest.index.tensors) * several or not closest.accounted


def foreign_headline(closest: Match | None = None) -> str:
    """That a file is of no family, and the nearest of those that were tried, if any was."""
    if closest is None:
        return "of no family here: it has no layer of any of them"
    explained, count = closest.accounted, len(closest.index.tensors)
    known = f"{explained} of its {count} names are {closest.table.name}'s"
    return f"of no family here: {known if explained else 'not one of its names is known'}"


def foreign_ways(index: Index) -> Iterator[str]:
    """What a file of no family has, and what can be done with it."""
    begin = ", ".join(entry.name for entry in islice(index.tensors.values(), BEGIN))
    yield f"its tensors begin: {begin or 'there are none'}"
    yield export_line(index)
    yield "to convert it by a table of your own: --table FILE (bort-convert families lists ours)"


def _head_alone(index: Index, tables: Iterable[Table]) -> str | None:
    """Which head the file holds, when it holds nothing else; else None."""
    own = {without_kind(entry.name) for entry in index.tensors.values()}
    for table in tables:
        for head in (head for head in table.heads if head.outer and own):
            sources = [*head.sources()]
            if len(own) != len(sources):
                continue
            if own == {*sources} and any("." in s.removesuffix(".weight") for s in sources):
                return f"the head {head.name} of {table.name}"
            if prefix := _prefix_of(head, sources, own):
                return f"the head of GluonNLP's {namesake(prefix) or class_of(prefix)}"
    return None


def _prefix_of(head: Head, sources: Sequence[str], own: set[str]) -> str | None:
    """The prefix of a class of GluonNLP's behind which the names are those of the whole head."""
    names = [name for source in sources if (name := spelled(source, head))]
    if len(names) < len(sources):
        return None
    for prefix, _ in names[0].prefixes(own) if names else ():
        spellings = ({s.name(prefix, 0, 0) for s in name.spellings} & own for name in names)
        if class_of(prefix) and own == set().union(*spellings):
            return prefix
    return None
