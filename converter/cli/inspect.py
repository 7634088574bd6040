"""The commands that only look: what is in a file, and what the tables say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from converter.api import inspect, inspect_graph
from converter.cli.options import FILE, complete_family
from converter.cli.output import output_options, printed
from converter.cli.screen import bar
from converter.files.progress import LOOK
from converter.params.graphs import is_graph
from converter.report.columns import columns
from converter.report.inspection import inspection_json, inspection_lines
from converter.report.table_text import table_lines
from converter.tables.load import family_names, load_family

if TYPE_CHECKING:
    from converter.graph.facts import GraphFacts


@click.command("inspect")
@click.argument("src", type=FILE)
@click.option(
    "--content",
    is_flag=True,
    help="Read the weights too: which tensors are equal, which values are NaN or infinite.",
)
@click.option("--all", "every", is_flag=True, help="A line for every tensor of every layer.")
@output_options("json")
def inspect_command(src: Path, content: bool, every: bool, as_json: bool) -> None:
    """List the tensors of SRC, the family it fits, and what would be missing.

    SRC is a .params, .npz or .npy file, or an archive or a folder with one .params file in it; or
    the graph of a network (-symbol.json), whose operators, inputs and outputs are listed.
    """
    if is_graph(src):
        graph = _of_graph(inspect_graph(src), every, as_json)
        printed({"graph": graph} if as_json else graph)
        return
    with bar(as_json or not content, LOOK) as progress:
        found = inspect(src, content=content, progress=progress)
    parts = found.index, found.fits, found.content, found.backbones
    graph = _of_graph(found.graph, every, as_json) if found.graph else None
    if as_json:
        printed({**inspection_json(*parts), "graph": graph, "graph_unread": found.unread})
        return
    lines = [*inspection_lines(*parts, every=every)]
    for more in (graph, [found.unread] if found.unread else None):
        lines += ["", *more] if more else []
    printed(lines)


def _of_graph(facts: GraphFacts, every: bool, as_json: bool) -> Any:
    """What is printed of a graph."""
    from converter.report.graph_inspection import graph_json, graph_lines  # slow, for graphs alone

    return graph_json(facts) if as_json else [*graph_lines(facts, every)]


@click.command("families")
@click.argument("name", required=False, shell_complete=complete_family)
@click.option("--toml", is_flag=True, help="Print the table's own text: a start for --table.")
@output_options()
def families_command(name: str | None, toml: bool) -> None:
    """List the families there are tables for, or print the table NAME as two columns."""
    if toml and name is None:
        raise click.UsageError("--toml prints one table: name it")
    if name is None:
        tables = [load_family(n) for n in family_names()]
        rows = [("family", "what", "Transformers classes")]
        for table in tables:
            classes = dict.fromkeys(t.transformers_class for t in table.targets)
            rows.append((table.name, table.title, ", ".join(classes)))
        printed(list(columns(rows)))
        return
    found = load_family(name)
    printed(found.text.rstrip("\n").split("\n") if toml else [*table_lines(found)])
