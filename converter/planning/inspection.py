"""What is in a file, before it is converted: its tensors, the families that fit, its graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from converter.errors import GraphError, ParamsError, safe
from converter.files.progress import Progress, silent
from converter.files.regular import read_regular
from converter.params import Index, read_index
from converter.params.graphs import find_source, params_of, read_symbol_text
from converter.planning.backbones import Backbone, find_backbones
from converter.planning.file import tables_of
from converter.planning.match import Match, match_table
from converter.planning.options import PathLike

if TYPE_CHECKING:
    from converter.graph.facts import GraphFacts
    from converter.params.content import Content


@dataclass(frozen=True, repr=False)
class Inspection:
    """What is in a file, and how each family's table fits it (best first).

    `content` is None unless it was asked for. `backbones` are the models that it holds where it is
    a network of one's own, and no table fits it whole. `graph` is None where there is none beside
    the file, or in the same archive; `unread` says why one that is there cannot be read.
    """

    index: Index
    fits: tuple[Match, ...]
    content: Content | None = None
    backbones: tuple[Backbone, ...] = ()
    graph: GraphFacts | None = None
    unread: str | None = None

    def __repr__(self) -> str:
        index = self.index
        size = f"{len(index.tensors):,} tensors, {index.size:,} bytes"
        fitting = ", ".join(fit.table.name for fit in self.fits if not fit.problems)
        holds = ", ".join(dict.fromkeys(one.fit.table.name for one in self.backbones))
        lines = [
            f"<Inspection of {safe(index.path.name)}: {size}; fits {fitting or 'no family'}",
            *([f"a network of one's own around: {holds}"] if holds else []),
            *([repr(self.graph)] if self.graph else []),
            *([f"the graph beside it cannot be read: {safe(self.unread)}"] if self.unread else []),
        ]
        return "\n  ".join(lines) + ">"


def inspect(src: PathLike, *, content: bool = False, progress: Progress = silent) -> Inspection:
    """Read the index of `src` and try every family on it.

    Args:
        src: The file, or a directory with one.
        content: Read every weight too: which tensors are equal, which values are not finite.
        progress: Called with (stage, done, total).

    Raises `ParamsError` when `src` is no whole parameters file.
    """
    source = find_source(src)
    index = read_index(source.params)
    tables = tables_of(None, None, index.tensors)
    fits = [match_table(index, table) for table in tables]
    fits.sort(key=lambda f: (len(f.problems), -f.accounted))
    backbones = find_backbones(index, tables) if all(fit.problems for fit in fits) else ()
    found = Inspection(index, tuple(fits), backbones=tuple(backbones))
    if content:
        from converter.params.content import read_content

        found = replace(found, content=read_content(index, progress))
    try:
        text = read_symbol_text(source, index)
        if text:
            from converter.graph.facts import graph_facts  # a family's file needs none of it

            found = replace(found, graph=graph_facts(text.name, text.content, index))
    except (GraphError, ParamsError) as error:
        found = replace(found, unread=str(error))
    return found


def inspect_graph(src: PathLike) -> GraphFacts:
    """What is in the graph `src`, a `-symbol.json`: operators, inputs, outputs, what to mind.

    The parameters of its name beside it are looked at too, those of the last epoch where there are
    several. Raises `GraphError` when it is no graph, and `ParamsError` when they are damaged.
    """
    from converter.graph.facts import graph_facts
    from converter.graph.symbol import MAX_BYTES

    path = Path(src)
    try:
        content = read_regular(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GraphError(f"{path}: cannot be read as a graph: {reason}") from error
    params = params_of(path)
    return graph_facts(path.name, content, read_index(params[-1]) if params else None)
