"""What an operator's inputs, attributes and outputs are: nodes of a graph become typed calls.

Names, types and defaults are MXNet 1.9.1's own (`defaults.toml`, generated); `operators.toml` says
which operators and attribute values are supported, which inputs are there only sometimes, and how
many outputs there are. Both sides of the proof take their attributes from here, and nothing else.
"""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from converter.errors import GraphError, safe
from converter.graph.symbol import VARIABLE, Graph, Node, Output

MAX_ITEMS = 1024  # of one tuple
INTEGER = re.compile(r"[+-]?[0-9]{1,19}L?", re.ASCII)
TRUE, FALSE = ("True", "true", "1"), ("False", "false", "0")


@dataclass(frozen=True)
class Attribute:
    """One attribute of an operator: its type, and what it is where the graph does not say.

    `type` is bool, int, float, shape (integers, None among them), floats, string, enum or dtype;
    `values` are those of an enum or dtype; `none`: whether it may be None.
    """

    type: str
    default: str | None = None
    values: tuple[str, ...] = ()
    required: bool = False
    none: bool = False

    def read(self, text: str) -> Any:
        """The value of the text. Raises `ValueError` for what is not of the type."""
        if self.none and text == "None":
            return None
        match self.type:
            case "bool":
                if text not in TRUE + FALSE:
                    raise ValueError("is neither True nor False")
                return text in TRUE
            case "int":
                return _integer(text)
            case "float":
                return _real(text)
            case "shape":
                return tuple(None if t == "None" else _integer(t) for t in _items(text))
            case "floats":
                return tuple(_real(t) for t in _items(text))
            case "enum" | "dtype":
                if text not in self.values:
                    raise ValueError(f"is not one of {', '.join(self.values)}")
        return text


def _integer(text: str) -> int:
    if not INTEGER.fullmatch(text):
        raise ValueError("is no integer")
    return int(text.rstrip("L"))


def _real(text: str) -> float:
    if len(text) > 64 or "_" in text or math.isnan(value := float(text)):
        raise ValueError("is no number")
    return value


def _items(text: str) -> list[str]:
    """What stands in `(1, 2)`, `[1, 2]`, `(1L,)` or a bare `1`."""
    inner = text.strip()
    if inner[:1] + inner[-1:] in ("()", "[]"):
        inner = inner[1:-1].strip().removesuffix(",")
        items = [item.strip() for item in inner.split(",")] if inner else []
    else:
        items = [inner]
    if len(items) > MAX_ITEMS:
        raise ValueError(f"has more than {MAX_ITEMS} numbers")
    return items


@dataclass(frozen=True)
class Operator:
    """One operator of MXNet, and what of it is supported.

    `inputs` are the names of its inputs; of a `variadic` one there is one name for all. `optional`
    maps an input to the attribute values with which it is there. `outputs` is a count, the name of
    the attribute that tells it, or conditions with counts, the first that holds. `only` are the
    supported values of an attribute, as text; of those in `ignored` no value changes what comes
    out at inference.
    """

    name: str
    inputs: tuple[str, ...]
    variadic: bool
    attributes: Mapping[str, Attribute]
    supported: bool = False
    optional: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: int | str | tuple[Mapping[str, Any], ...] = 1
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
                return int(condition["count"])
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
                key: Attribute(**{**value, "values": tuple(value.get("values", ()))})
                for key, value in entry.get("attributes", {}).items()
            },
            supported=said is not None,
            optional=said.get("optional", {}) if said else {},
            outputs=tuple(outputs) if isinstance(outputs, list) else outputs,
            only={k: tuple(v) for k, v in said.get("only", {}).items()} if said else {},
            ignored=tuple(said.get("ignored", ())) if said else (),
            emit=said.get("emit", "") if said else "",
        )
        for alias in (name, *entry.get("aliases", ())):
            found[alias] = operator
    return found


def understand(graph: Graph) -> Program:
    """Type every node of a graph. Raises `GraphError` with everything that is not supported."""
    problems: list[str] = []
    nodes: list[Node] = []
    calls: list[Call] = []
    place: dict[int, int] = {}  # a node of the file → of the graph with what 0.8 leaves out
    outputs: dict[int, int] = {}
    for number, node in enumerate(graph.nodes):
        inputs = tuple(Output(place[i.node], i.number) for i in node.inputs)
        if not node.is_variable:
            found = [*_call(node, number, inputs, graph.version)]
            problems += [found for found in found if isinstance(found, str)]
            for call in (found for found in found if isinstance(found, Call)):
                missing = call.names[len(inputs) :]
                for name in missing:
                    inputs += (Output(len(nodes), 0),)
                    nodes.append(Node(VARIABLE, f"{node.name}_{name}" if node.name else name))
                problems += _beyond(call, outputs, inputs)
                outputs[len(nodes)] = call.outputs
                calls.append(_moved(call, len(nodes), inputs))
        place[number] = len(nodes)
        nodes.append(Node(node.op, node.name, inputs, node.attributes, node.user, node.subgraphs))
    if problems:
        raise GraphError("the graph cannot be converted:", problems)
    heads = tuple(Output(place[head.node], head.number) for head in graph.heads)
    for head in heads:
        if head.number >= outputs.get(head.node, 1):
            name = safe(nodes[head.node].name)
            raise GraphError(f"the graph's output {head.number} of {name} is none that it has")
    return Program(Graph(tuple(nodes), heads, graph.version), tuple(calls))


def _moved(call: Call, number: int, inputs: tuple[Output, ...]) -> Call:
    return Call(
        number,
        call.operator,
        call.name,
        call.names,
        inputs,
        call.attributes,
        call.outputs,
        call.stated,
    )


def _beyond(call: Call, outputs: Mapping[int, int], inputs: tuple[Output, ...]) -> Iterator[str]:
    for source in inputs:
        if source.number >= outputs.get(source.node, 1):
            yield f"{safe(call.name)} ({call.op}): takes output {source.number}, which is not there"


def _call(
    node: Node, number: int, inputs: tuple[Output, ...], version: tuple[int, int, int] | None
) -> Iterator[Call | str]:
    """The typed call of a node, or what stands against it."""
    where = f"{safe(node.name)} ({safe(node.op)})"
    operator = operators().get(node.op)
    if operator is None or not operator.supported:
        yield f"{where}: the operator is not supported"
        return
    attributes: dict[str, Any] = {}
    problems = []
    stated = dict(node.attributes)
    # Until 0.9.4 the default axis, all of them, was written -1 (src/nnvm/legacy_json_util.cc)
    early = (version or (0, 8, 0)) < (0, 9, 5)
    if early and operator.name in ("argmax", "argmin") and stated.get("axis") == "-1":
        del stated["axis"]
    for key, attribute in operator.attributes.items():
        text = stated.pop(key, attribute.default)
        if text is None:
            if attribute.required:
                problems.append(f"{where}: its attribute {key} is missing")
            attributes[key] = None
            continue
        try:
            attributes[key] = attribute.read(text)
        except ValueError as error:
            problems.append(f"{where}: {key}={safe(text)[:80]!r} {error}")
            continue
        only = operator.only.get(key, ())
        if only and attributes[key] not in [attribute.read(value) for value in only]:
            problems.append(
                f"{where}: {key}={safe(text)[:80]} is not supported (supported: {', '.join(only)})"
            )
    problems += [f"{where}: has no attribute {safe(key)[:80]}" for key in stated]
    if problems:
        yield from problems
        return
    if operator.variadic:
        names = tuple(f"{operator.inputs[-1]}{n}" for n in range(len(inputs)))
    else:
        names = operator.inputs_with(attributes)
    # 0.8 leaves variables out that MXNet then adds
    old = (version or (0, 8, 0)) < (0, 9, 0)
    if len(inputs) > len(names) or (len(inputs) < len(names) and not old):
        yield f"{where}: has {len(inputs)} inputs, and needs {len(names)} ({', '.join(names)})"
        return
    count = operator.outputs_with(attributes)
    yield Call(
        number, operator, node.name, names, inputs, attributes, count, frozenset(node.attributes)
    )
