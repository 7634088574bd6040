"""The plan of a file: by the tables to try, and the `model.yml` beside it; or by its graph."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from converter.errors import GraphError, NoFamilyError, PlanError
from converter.params import Index, read_index
from converter.params.graphs import (
    Source,
    SymbolText,
    find_source,
    read_symbol_text,
    symbol_names,
)
from converter.planning.base import Plan
from converter.planning.labels import read_labels
from converter.planning.model_yml import ModelConfig, find_model_config
from converter.planning.options import OF_TABLES, PLAN, Options, PathLike
from converter.planning.plan import TablePlan, make_plan
from converter.planning.scopes import has_layer, without_kind
from converter.planning.takes import Takes
from converter.planning.vocabulary import TokenizerSource
from converter.tables.load import family_names, layer_words, load_family, load_table
from converter.tables.table import Table
from converter.tokenizer import Files

OF_A_HEAD = 11  # tensors, at most: a head may be in a file alone, and its table knows it
GRAPH_WAYS = (
    "to convert what comes before such a node: --output NODE",
    "to copy all tensors under their own names: bort-convert export FILE out.safetensors",
)


@Takes(Options, PLAN)
def plan_file(src: PathLike, options: Options) -> Any:
    """What `convert` would do with `src`, without reading a weight or writing anything.

    A `TablePlan` or a `GraphPlan`, as the file goes. Raises as `convert` does.
    """
    return plan_of(find_source(src, options.symbol), options)


def plan_of(
    source: Source,
    options: Options,
    tokenizer: TokenizerSource | None = None,
    recorded: ModelConfig | None = None,
) -> Plan:
    """The plan of a file: a family's that fits whole, else its graph's; or the one asked for.

    A family's is made with the `model.yml` that is given, was recorded, or is beside the file; its
    tokenizer of the files that `options` name, or it comes from another source.
    """
    index = read_index(source.params)
    if options.way == "graph" or options.inputs or options.outputs:
        symbol = read_symbol_text(source, index)
        if symbol is None:
            raise PlanError(f"{source.params}: its graph is needed:", [*_no_graph(source)])
        return _by_graph(index, symbol, options, "")
    try:
        return _by_table(index, options, tokenizer, recorded)
    except PlanError as error:
        if options.way == "table":
            raise
        symbol = read_symbol_text(source, index)
        fits = not isinstance(error, NoFamilyError)
        known = error.reason if isinstance(error, NoFamilyError) else ""
        if symbol is None and (fits or known):
            raise
        if symbol is None:
            raise NoFamilyError(error.headline, [*error.problems, *_no_graph(source)]) from None
        if fits or any(getattr(options, name) for name in OF_TABLES):
            instead = f"or convert the whole network by its graph, {symbol.name}: --as graph"
            raise type(error)(error.headline, [*error.problems, instead]) from None
        name = source.params.name
        try:
            why = f"{name} is {known}" if known else f"{name} is of no family here"
            return _by_graph(index, symbol, options, why)
        except GraphError as graph:
            asked = any(problem.startswith("--input") for problem in graph.problems)
            if not known or asked:
                raise
            neither = f"nor by its graph, {symbol.name}: {(*graph.problems, graph.headline)[0]}"
            raise NoFamilyError(error.headline, [*error.problems, neither]) from None


def _by_graph(index: Index, symbol: SymbolText, options: Options, why: str) -> Plan:
    """The graph's plan. Raises `GraphError` with the ways on."""
    from converter.planning.graph import make_graph_plan  # a family's file needs none of it

    try:
        return make_graph_plan(index, symbol, options.dtype, options.inputs, options.outputs, why)
    except GraphError as error:
        where = f"{why}, and by its graph, {symbol.name}" if why else symbol.name
        asked = any(problem.startswith("--input") for problem in error.problems)
        ways = GRAPH_WAYS if error.nodes else () if asked else GRAPH_WAYS[-1:]
        raise GraphError(f"{where}: {error.headline}", (*error.problems, *ways)) from None


def _no_graph(source: Source) -> Iterator[str]:
    """How to give the graph that is not there."""
    wanted = next(iter(symbol_names(source.params.name)))
    found = ", ".join(path.name for path in source.others[:3])
    beside = f" ({found} is beside it, of another name)" if found else ""
    yield (
        f"if it is a network of another kind, it is converted by its graph, which MXNet wrote as "
        f"{wanted}: put it beside the file, or say --symbol FILE{beside}"
    )


def _by_table(
    index: Index,
    options: Options,
    tokenizer: TokenizerSource | None,
    recorded: ModelConfig | None,
) -> TablePlan:
    given = options.model_config
    told = recorded if given is None else Path(given)
    config = dict(options.config or {})
    if options.labels is not None:
        names = enumerate(read_labels(options.labels))
        config["id2label"] = {str(number): name for number, name in names}
    # a part or a head that is said is looked for in all tables, to list those there are
    asked = options.part or options.head
    told_of = [] if asked else [*index.tensors]
    made = make_plan(
        index,
        tables_of(options.family, options.table, told_of),
        config,
        options.dtype,
        options.gluonnlp_version,
        told or find_model_config(index.path),
        options.part,
        tokenizer or TokenizerSource(files_of(options), options.lower),
        options.force_config,
        options.head,
        options.backbone,
        options.prefix,
    )
    if told and made.model_config is None:
        raise PlanError(
            f"{index.path} cannot be converted as {made.table.name}:",
            [f"its models have no model.yml: leave out --model-config {given or ''}".rstrip()],
        )
    return made


def files_of(options: Options) -> Files:
    """The files of a tokenizer that the user gave."""
    given = (options.vocab, options.merges, options.sentencepiece)
    return Files(*(None if path is None else Path(path) for path in given))


def tables_of(
    family: str | None, table: PathLike | None, names: Collection[str] = ()
) -> Sequence[Table]:
    """The tables to try: a user's own, a family's, or those that may fit the names of a file.

    Without names, all. Raises `TableError`.
    """
    if table is not None:
        return [load_table(table)]
    if family:
        return [load_family(family)]
    return [load_family(name) for name in (families_in(names) if names else family_names())]


def families_in(names: Collection[str]) -> list[str]:
    """The families that may be in a file with these names: those whose layers may be among them.

    Told from the text of each table, so that no other table is parsed. In names of MXNet's scopes
    (`bertencoder0_transformer0_…`) every table spells its layers in its own way: where one of them
    has a layer, all families; so too where there are no more names than a head of a model has.
    """
    own = [without_kind(name) for name in names]
    if len(own) <= OF_A_HEAD or any("." not in name and has_layer(name) for name in own):
        return family_names()
    words = {word for name in own if "." in name for word in name.split(".")}
    return [f for f in family_names() if any(one <= words for one in layer_words(f))]
