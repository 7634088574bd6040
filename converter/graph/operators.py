"""What an operator's inputs, attributes and outputs are: nodes of a graph become typed calls.

Names, types and defaults are MXNet 1.9.1's own (`defaults.toml`, generated); `operators.toml` says
which operators and attribute values are supported, which inputs are there only sometimes, and how
many outputs there are. Both sides of the proof take their attributes from here, and nothing else.
"""

from __future__ import annotations

import functools
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

from converter.errors import GraphError, safe
from converter.graph.attributes import Attribute
from converter.graph.symbol import VARIABLE, Graph, Node, Output

MAX_OUTPUTS, MAX_OUTPUTS_OF_ONE = 1_000_000, 4096
MAX_PROBLEMS, LISTED, MAX_SHOWN = 100, 4, 200  # shown at most; nodes of each; characters of each


@dataclass(frozen=True)
class Operator:
    """One operator of MXNet, and what of it is supported.

    `inputs` are the names of its inputs; of a `variadic` one there is one name for all. `optional`
    maps an input to the attribute values with which it is there. `outputs` is a count, the name of
    the attribute that tells it, or conditions with such a count each, the first that holds; of an
    attribute that is a tuple, its length. `labels` are inputs that only training takes. `only` are
    the supported values of an attribute, as text; of those in `ignored` no value changes what
    comes out at inference.
    """

    name: str
    inputs: tuple[str, ...]
    variadic: bool
    attributes: Mapping[str, Attribute]
    supported: bool = False
    optional: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: int | str | tuple[Mapping[str, Any], ...] = 1
    labels: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    emit: str = ""

    def inputs_with(self, attributes: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the inputs that a call with these attributes has (of none variadic)."""
        return tuple(
            name
            for name in self.inputs
            if all(attributes[key] == value for key, value in self.optional.get(name, {}).items())
        )

    def outputs_with(self, attributes: Mapping[str, Any]) -> int:
        """How many outputs a call with these attributes has that others may take."""
        if isinstance(self.outputs, int):
            return self.outputs
        if isinstance(self.outputs, str):
            return int(attributes[self.outputs])
        for condition in self.outputs:
            if all(attributes[k] == v for k, v in condition.items() if k != "count"):
                count = condition["count"]
                value = attributes[count] if isinstance(count, str) else count
                return len(value) if isinstance(value, tuple) else int(value)
        return 1


@dataclass(frozen=True)
class Call:
    """One call of an operator: node `number` of the graph, under the operator's own name.

    `attributes` holds every attribute of the operator, typed, with MXNet's defaults. `names` are
    the names of the inputs, beside `inputs`.
    """

    number: int
    operator: Operator
    name: str
    names: tuple[str, ...]
    inputs: tuple[Output, ...]
    attributes: Mapping[str, Any]
    outputs: int
    stated: frozenset[str] = frozenset()  # the attributes that the file states

    @property
    def op(self) -> str:
        """The operator's own name, whichever alias the file has."""
        return self.operator.name

    def input(self, name: str) -> Output | None:
        """Where the input of this name comes from; None for one that is not there."""
        return self.inputs[self.names.index(name)] if name in self.names else None


@dataclass(frozen=True)
class Program:
    """A graph whose every node is known: `calls` in the order they can be computed.

    `graph` has the variables too that MXNet 0.8 leaves out.
    """

    graph: Graph
    calls: tuple[Call, ...]

    def variables(self) -> dict[int, str]:
        """The variables by the number of their node."""
        return {n: node.name for n, node in enumerate(self.graph.nodes) if node.is_variable}


@functools.cache
def operators() -> Mapping[str, Operator]:
    """Every operator known, by all its names."""
    here = files("converter.graph")
    defaults = tomllib.loads((here / "defaults.toml").read_text("utf-8"))
    supported = tomllib.loads((here / "operators.toml").read_text("utf-8"))
    found: dict[str, Operator] = {}
    for name, entry in defaults.items():
        said = supported.get(name)
        inputs = tuple(entry["inputs"])
        variadic = inputs[-1:] != () and inputs[-1].endswith("[]")
        outputs = said.get("outputs", 1) if said else 1
        operator = Operator(
            name=name,
            inputs=tuple(i.removesuffix("[]") for i in inputs),
            variadic=variadic,
            attributes={
                key: _attribute(name, key, value)
                for key, value in entry.get("attributes", {}).items()
            },
            supported=said is not None,
            optional=said.get("optional", {}) if said else {},
            outputs=tuple(outputs) if isinstance(outputs, list) else outputs,
            only={k: tuple(v) for k, v in said.get("only", {}).items()} if said else {},
            labels=tuple(said.get("labels", ())) if said else (),
            ignored=tuple(said.get("ignored", ())) if said else (),
            emit=said.get("emit", "") if said else "",
        )
        for alias in (name, *entry.get("aliases", ())):
            found[alias] = operator
    return found


def _attribute(operator: str, key: str, entry: Mapping[str, Any]) -> Attribute:
    made = Attribute(**{**entry, "values": tuple(entry.get("values", ()))})
    # MXNet describes both kinds of tuples in the same words (matrix_op-inl.h, SliceParam)
    return replace(made, type="bounds") if operator == "slice" else made


def understand(graph: Graph) -> Program:
    """Type every node of a graph. Raises `GraphError` with everything that is not supported."""
    program, problems = typed(graph)
    if problems:
        told = [problem.text for problem in problems[:MAX_PROBLEMS]]
        more = len(problems) - len(told)
        told += [f"… and {more:,} more"] if more else []
        raise GraphError("the graph cannot be converted:", told, nodes=True)
    return program


@dataclass(frozen=True)
class Problem:
    """What stands against nodes of one operator: what is said of them, and their names."""

    operator: str
    told: str
    nodes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The problem in one line: a few of the nodes stand for many."""
        operator = safe(self.operator[:MAX_SHOWN])
        names = [safe(name[:MAX_SHOWN]) for name in self.nodes[:LISTED]]
        if len(self.nodes) == 1:
            return f"{names[0]} ({operator}): {self.told}"
        more = ", …" if len(self.nodes) > LISTED else ""
        return f"{operator}: {self.told}: {len(self.nodes):,} nodes ({', '.join(names)}{more})"


def typed(graph: Graph) -> tuple[Program, tuple[Problem, ...]]:
    """The program of a graph as far as its nodes are known, and what stands against the others."""
    problems: dict[tuple[str, str], list[str]] = defaultdict(list)
    nodes: list[Node] = []
    calls: list[Call] = []
    place: list[int] = []  # a node of the file → of the graph with what 0.8 leaves out
    outputs: dict[int, int] = {}
    total = 0
    for node in graph.nodes:
        inputs = tuple(Output(place[i.node], i.number) for i in node.inputs)
        if not node.is_variable:
            call, wrong = _call(node, inputs, graph.version)
            for name in call.names[len(inputs) :] if call else ():
                inputs += (Output(len(nodes), 0),)
                nodes.append(Node(VARIABLE, f"{node.name}_{name}" if node.name else name))
            outputs[len(nodes)] = call.outputs if call else 2**31
            if any(source.number >= outputs.get(source.node, 1) for source in inputs):
                wrong = [*wrong, "takes an output that its node does not have"]
            if call:
                total += call.outputs
                if total > MAX_OUTPUTS:
                    wrong = [*wrong, f"with it, the graph has more than {MAX_OUTPUTS:,} outputs"]
            if call and not wrong:
                calls.append(replace(call, number=len(nodes), inputs=inputs))
            for problem in wrong:
                problems[node.op, problem].append(node.name)
        place.append(len(nodes))
        nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
    heads = tuple(Output(place[head.node], head.number) for head in graph.heads)
    for head in heads:
        if head.number >= outputs.get(head.node, 1):
            node = nodes[head.node]
            problems[node.op, f"has no output {head.number}, a head"].append(node.name)
    program = Program(replace(graph, nodes=tuple(nodes), heads=heads), tuple(calls))
    return program, tuple(Problem(*key, tuple(names)) for key, names in problems.items())


def outputs_of(node: Node, version: tuple[int, int, int] | None) -> int | None:
    """How many outputs a node has; None of a variable, and where it is not supported."""
    call = None if node.is_variable else _call(node, node.inputs, version)[0]
    return call.outputs if call else None


def _call(
    node: Node, inputs: tuple[Output, ...], version: tuple[int, int, int] | None
) -> tuple[Call | None, list[str]]:
    """The typed call of a node; or nothing, and what stands against it."""
    operator = operators().get(node.op)
    if operator is None or not operator.supported or node.subgraphs:
        return None, ["the operator is not supported"]
    version = version or (0, 8, 0)
    attributes, wrong = _attributes(operator, node, version)
    if not wrong:
        wrong = _wrong_inputs(operator, node, attributes, version)
    if wrong:
        return None, wrong
    if operator.variadic:
        names = tuple(f"{operator.inputs[-1]}{n}" for n in range(len(inputs)))
    else:
        names = operator.inputs_with(attributes)
    count = operator.outputs_with(attributes)
    if not 1 <= count <= MAX_OUTPUTS_OF_ONE:
        return None, [f"has {count:,} outputs; 1 to {MAX_OUTPUTS_OF_ONE:,} are read"]
    stated = frozenset(node.attributes)
    return Call(0, operator, node.name, names, inputs, attributes, count, stated), []


def _attributes(
    operator: Operator, node: Node, version: tuple[int, int, int]
) -> tuple[dict[str, Any], list[str]]:
    """Every attribute of a call, typed, and what is wrong with those that the node states."""
    attributes: dict[str, Any] = {}
    wrong = []
    stated = dict(node.attributes)
    # Until 0.9.4 the default axis, all of them, was written -1 (src/nnvm/legacy_json_util.cc)
    if version < (0, 9, 5) and operator.name in ("argmax", "argmin") and stated.get("axis") == "-1":
        del stated["axis"]
    for key, attribute in operator.attributes.items():
        text = stated.pop(key, attribute.default)
        if text is None:
            if attribute.required:
                wrong.append(f"its attribute {key} is missing")
            attributes[key] = None
            continue
        try:
            attributes[key] = attribute.read(text)
        except ValueError as error:
            wrong.append(f"{key}={text[:80]!r} {error}")
            continue
        only = operator.only.get(key, ())
        if only and attributes[key] not in [attribute.read(value) for value in only]:
            told = ", ".join(only)
            wrong.append(f"{key}={safe(text[:80])} is not supported (supported: {told})")
        if attribute.type == "dtype" and text == "bfloat16" and key not in operator.ignored:
            wrong.append(f"{key}=bfloat16 is not supported: MXNet's depends on the processor")
    if operator.variadic:
        stated.pop("num_args", None)  # add_n's description leaves it out
    unknown = stated.keys() - {*operator.ignored}  # an operator without any takes all, unread
    return attributes, wrong + [f"has no attribute {safe(key[:80])}" for key in sorted(unknown)]


def _wrong_inputs(
    operator: Operator, node: Node, attributes: Mapping[str, Any], version: tuple[int, int, int]
) -> list[str]:
    """What is wrong with how many inputs a node has."""
    count = len(node.inputs)
    if operator.variadic:
        stated = node.attributes.get("num_args", str(count))
        if not count or (stated != str(count) and operator.name != "UpSampling"):
            return [f"has {count} inputs, and num_args={safe(stated[:80])}"]
        return []
    names = operator.inputs_with(attributes)
    old = version < (0, 9, 0)  # it leaves variables out, which MXNet then adds
    if count > len(names) or (count < len(names) and not old):
        return [f"has {count} inputs, and needs {len(names)} ({', '.join(names)})"]
    return []
