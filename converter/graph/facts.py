"""What is in a graph, and what of it is easily got wrong, for a person who asks before converting.

The traps are those that cost other converters their numbers: what a parameters file holds and MXNet
does not use, and defaults of MXNet's that are not PyTorch's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from converter.errors import GraphError, safe
from converter.graph.operators import Call, Problem, Program, typed
from converter.graph.outputs import output_names
from converter.graph.shapes import Spec, infer
from converter.graph.sizes import Input, inputs_with_sizes
from converter.graph.symbol import Graph, parse_symbol
from converter.graph.variables import Variables, first_steps, inputs_of, needed_nodes
from converter.params import Index, Weights

NORMS = ("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU")
MAX_GAMMA = 2**22  # bytes of a gamma that is read


@dataclass(frozen=True)
class Trap:
    """Something that a conversion by hand gets wrong: what, and the nodes where it is.

    `kind`: stale_gamma, default_epsilon, full_pooling or preprocessing.
    """

    kind: str
    told: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class GraphFacts:
    """A graph as it is in the file `name`; `params` is that of its parameters, if there is one.

    `operators` counts the nodes by the names that the file has. `inputs` are the variables that
    must be fed: an `Input` where its shape is known, else None. `outputs` have their shapes where
    those of all inputs are known. `problems`: what is not supported, `misfits`: shapes that do not
    fit the parameters, `asked`: the options with which it can be converted.
    """

    name: str
    graph: Graph
    params: str | None = None
    operators: Mapping[str, int] = field(default_factory=dict)
    variables: Variables = field(default_factory=lambda: Variables({}, (), (), (), ()))
    inputs: Mapping[str, Input | None] = field(default_factory=dict)
    outputs: tuple[tuple[str, tuple[int, ...] | None], ...] = ()
    problems: tuple[Problem, ...] = ()
    misfits: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    traps: tuple[Trap, ...] = ()

    def __repr__(self) -> str:
        nodes = sum(self.operators.values())
        operators = f"{nodes:,} nodes of {len(self.operators)} operators"
        ends = f"{len(self.inputs)} inputs, {len(self.outputs)} outputs"
        problems = f"{len(self.problems)} problems"
        return f"<GraphFacts of {safe(self.name)}: {operators}, {ends}, {problems}>"


def graph_facts(name: str, content: bytes, index: Index | None = None) -> GraphFacts:
    """The facts of a graph: the content of its file, and the index of its parameters, if any.

    Of the weights, those of gammas alone are read. Raises `GraphError` for what is no graph, and
    `ParamsError` where a gamma cannot be read.
    """
    try:
        graph = parse_symbol(content)
    except GraphError as error:
        raise GraphError(f"{name}: {error.headline}", error.problems) from None
    program, problems = typed(graph)
    variables = inputs_of(program, index.tensors if index else ())
    facts = GraphFacts(
        name,
        graph,
        index.path.name if index else None,
        dict(Counter(node.op for node in graph.nodes if not node.is_variable).most_common()),
        variables,
        dict.fromkeys(variables.inputs),
        tuple((name, None) for name in output_names(program.graph)),
        problems,
        traps=tuple(_traps(program, variables, index)),
    )
    if index is None or problems or variables.missing:
        return facts
    return _sized(facts, program, index)


def _sized(facts: GraphFacts, program: Program, index: Index) -> GraphFacts:
    """The same with the shapes of inputs and outputs, or what must be said to know them."""
    names = facts.variables.parameters
    entries = {name: index.tensors[own] for name, own in names.items()}
    known = {name: Spec(entry.shape, entry.dtype) for name, entry in entries.items()}
    try:
        inputs = inputs_with_sizes(program, facts.variables.inputs, known, {})
        specs = infer(program, known | {one.name: one.spec for one in inputs})
    except GraphError as error:
        if all(problem.startswith("--input ") for problem in error.problems):
            return replace(facts, asked=error.problems)
        return replace(facts, misfits=error.problems)
    shapes = [specs[head].shape for head in program.graph.heads]
    return replace(
        facts,
        inputs={one.name: one for one in inputs},
        outputs=tuple((name, s) for (name, _), s in zip(facts.outputs, shapes, strict=True)),
    )


def _traps(program: Program, variables: Variables, index: Index | None) -> Iterator[Trap]:
    needed = needed_nodes(program)
    calls = [call for call in program.calls if call.number in needed]
    norms = [call for call in calls if call.op in NORMS]
    if index is not None:
        stale = tuple(_stale(norms, program, variables, index))
        if stale:
            yield Trap("stale_gamma", "fix_gamma: MXNet takes 1, whatever the file holds", stale)
    default = tuple(call.name for call in norms if "eps" not in call.stated)
    if default:
        told = f"eps is not stated: it is MXNet's 0.001, not PyTorch's 1e-05 ({len(norms)} in all)"
        yield Trap("default_epsilon", told, default)
    whole = tuple(
        call.name
        for call in calls
        if call.op in ("Pooling", "Pooling_v1")
        and call.attributes["pooling_convention"] == "full"
        and not call.attributes["global_pool"]
    )
    if whole:
        told = "pooling_convention=full keeps windows that PyTorch's ceil_mode drops"
        yield Trap("full_pooling", told, whole)
    for name in variables.inputs:
        if steps := first_steps(program, name):
            told = f"the graph itself computes, of {name}: {', '.join(map(_step, steps))}"
            yield Trap("preprocessing", told, tuple(call.name for call in steps))


def _step(call: Call) -> str:
    return f"{call.op.strip('_').removesuffix('_scalar')} {call.attributes['scalar']:g}"


def _stale(
    norms: list[Call], program: Program, variables: Variables, index: Index
) -> Iterator[str]:
    """The nodes whose gamma is fixed to 1, and another one in the file."""
    names = program.variables()
    with Weights(index) as weights:
        for call in norms:
            gamma = call.input("gamma")
            own = names.get(gamma.node) if gamma and call.attributes["fix_gamma"] else None
            entry = index.tensors.get(variables.parameters.get(own or "", ""))
            if entry is None or entry.storage != "dense" or entry.nbytes > MAX_GAMMA:
                continue
            if (weights.whole(entry) != 1).any():
                yield call.name
