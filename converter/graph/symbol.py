"""The graph of a `-symbol.json`: nodes, what feeds them, and what comes out.

Four layouts are in use: attributes stand under `param` (MXNet 0.8), `attr` (0.9 to 1.1) or `attrs`
(1.2 and later), and 0.8 leaves auxiliary states and labels out, which MXNet adds by name when it
loads such a file (apache/mxnet `src/nnvm/legacy_json_util.cc`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from converter.errors import GraphError, safe
from converter.files.regular import read_regular

# A ResNet-101 has 300 KB and 1,000 nodes, an LSTM of 1,000 unrolled steps 6 MB and 30,000. Of the
# worst JSON, Python makes 28 bytes of every byte.
MAX_BYTES = 16 << 20
MAX_NODES = 100_000
MAX_REFERENCES = 65_536  # inputs of one node, or outputs of the graph
MAX_NAME = 1024  # characters
MAX_VALUE = 65_536  # characters of one attribute
VARIABLE = "null"
LAYOUTS = ("param", "attr", "attrs")  # of attributes: MXNet 0.8, 0.9 to 1.1, and later


class Output(NamedTuple):
    """Output `number` of the node at place `node`."""

    node: int
    number: int


@dataclass(frozen=True)
class Node:
    """One node as the file has it: a variable (`op` is "null") or a call of an operator.

    `attributes` are the operator's, as text; `user` are those named `__name__`. `subgraphs`:
    whether the node has graphs of its own (control flow).
    """

    op: str
    name: str
    inputs: tuple[Output, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    user: Mapping[str, str] = field(default_factory=dict)
    subgraphs: bool = False

    @property
    def is_variable(self) -> bool:
        """Whether it is a parameter, an auxiliary state or an input."""
        return self.op == VARIABLE


@dataclass(frozen=True)
class Graph:
    """A whole graph: every node's inputs come before it. `heads` are its outputs, in order.

    `version` is the MXNet that wrote it, such as (1, 9, 1); None where the file does not say.
    `layout`: the keys that attributes stand under, of param, attr and attrs.
    """

    nodes: tuple[Node, ...]
    heads: tuple[Output, ...]
    version: tuple[int, int, int] | None = None
    layout: tuple[str, ...] = ()

    def variables(self) -> Iterator[str]:
        """The names of parameters, auxiliary states and inputs, in the file's order."""
        return (node.name for node in self.nodes if node.is_variable)

    def cut(self, heads: tuple[Output, ...]) -> Graph:
        """The part of the graph that `heads` need, renumbered; their order is kept."""
        wanted, waiting = set[int](), [head.node for head in heads]
        while waiting:
            number = waiting.pop()
            if number not in wanted:
                wanted.add(number)
                waiting.extend(source.node for source in self.nodes[number].inputs)
        if len(wanted) == len(self.nodes):
            return replace(self, heads=heads)
        place = {old: new for new, old in enumerate(sorted(wanted))}
        moved = tuple(
            replace(
                self.nodes[old],
                inputs=tuple(Output(place[i.node], i.number) for i in self.nodes[old].inputs),
            )
            for old in place
        )
        moved_heads = tuple(Output(place[head.node], head.number) for head in heads)
        return replace(self, nodes=moved, heads=moved_heads)


def read_symbol(path: Path) -> Graph:
    """The graph in a `-symbol.json`. Raises `GraphError` for what is none, with the place."""
    try:
        data = read_regular(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise GraphError(f"{safe(str(path))}: cannot be read as a graph: {error}") from None
    try:
        return parse_symbol(data)
    except GraphError as error:
        raise GraphError(f"{safe(str(path))}: {error.headline}", error.problems) from None


def parse_symbol(data: str | bytes) -> Graph:
    """The graph that a `-symbol.json` describes. Raises `GraphError`, with the place.

    UTF-8 is what MXNet writes; what an editor made UTF-16 or gave a byte-order mark is read too.
    Nodes that no output needs are dropped, as MXNet does when it loads a file.
    """
    if len(data) > MAX_BYTES:
        raise GraphError(f"has more than {MAX_BYTES:,} bytes: no graph has so many")
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data))
        content = json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
    except ValueError as error:
        raise GraphError(f"is no JSON: {safe(str(error))}") from None
    except RecursionError:
        raise GraphError("is nested too deeply for a graph") from None
    if not isinstance(content, dict) or not isinstance(content.get("nodes"), list):
        raise GraphError('is no graph of MXNet: it has no list "nodes"')
    found = content["nodes"]
    if len(found) > MAX_NODES:
        raise GraphError(f"has {len(found):,} nodes; at most {MAX_NODES:,} are read")
    nodes: list[Node] = []
    for number, node in enumerate(found):
        nodes.append(_node(node, number))
    heads = tuple(_outputs(content.get("heads"), len(nodes), "heads"))
    if not heads:
        raise GraphError('is no graph of MXNet: its list "heads" is empty')
    layout = tuple(key for key in LAYOUTS if any(key in node for node in found))
    return Graph(tuple(nodes), heads, _version(content), layout).cut(heads)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without duplicate keys: of two, another reader may take the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"an object has the key {twice[:80]!r} twice")
    return found


def _node(content: Any, number: int) -> Node:
    where = f"node {number}"
    if not isinstance(content, dict):
        raise GraphError(f"{where}: is no JSON object")
    op, name = (_text(content, key, where) for key in ("op", "name"))
    where = f"node {number} ({safe(name)[:200]})"
    attributes: dict[str, str] = {}
    user: dict[str, str] = {}
    for layout in LAYOUTS:
        stated = content.get(layout)
        if stated is None:
            continue
        if not isinstance(stated, dict):
            raise GraphError(f'{where}: its "{layout}" is no JSON object')
        for key, value in stated.items():
            if not isinstance(value, str) or max(len(key), len(value)) > MAX_VALUE:
                raise GraphError(f"{where}: its attribute {key[:80]!r} is no text")
            own = user if is_user(key) else attributes
            if own.setdefault(key, value) != value:
                raise GraphError(f"{where}: states two values of its attribute {key[:80]!r}")
    inputs = tuple(_outputs(content.get("inputs", []), number, where))
    if op == VARIABLE and inputs:
        raise GraphError(f"{where}: is a variable and has inputs")
    return Node(op, name, inputs, attributes, user, bool(content.get("subgraphs")))


def _text(content: Mapping[str, Any], key: str, where: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise GraphError(f'{where}: its "{key}" is no text of at most {MAX_NAME} characters')
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise GraphError(f'{where}: its "{key}" {value[:200]!r} has half a character')
    return value


# apache/mxnet src/c_api/c_api_common.h, kHiddenKeys: MXNet 0.8 wrote them without underscores
HIDDEN = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "profiler_scope")


def is_user(key: str) -> bool:
    """Whether an attribute is a note of the user's or the trainer's, none of the operator's."""
    return (
        (key[:2] == key[-2:] == "__" and len(key) > 4)
        or key.startswith(HIDDEN)
        or (key.endswith(tuple(f"_{hidden}" for hidden in HIDDEN)))
    )


def _outputs(content: Any, before: int, where: str) -> Iterator[Output]:
    """References to outputs of nodes below `before`."""
    if not isinstance(content, list):
        raise GraphError(f"{where}: is no list of [node, output]")
    if len(content) > MAX_REFERENCES:
        raise GraphError(
            f"{where}: has {len(content):,} inputs; at most {MAX_REFERENCES:,} are read"
        )
    for place, entry in enumerate(content):
        if (
            not isinstance(entry, list)
            or len(entry) not in (2, 3)
            or not all(type(n) is int and 0 <= n < 2**31 for n in entry)
        ):
            raise GraphError(f"{where}: its input {place} is no [node, output]")
        if entry[0] >= before:
            raise GraphError(
                f"{where}: takes node {entry[0]}, and only the {before} before it may be taken"
            )
        yield Output(entry[0], entry[1])


def _version(content: Mapping[str, Any]) -> tuple[int, int, int] | None:
    attrs = content.get("attrs")
    stated = attrs.get("mxnet_version") if isinstance(attrs, dict) else None
    if stated is None:
        return None
    if not isinstance(stated, list) or len(stated) != 2 or type(stated[1]) is not int:
        raise GraphError('"mxnet_version" is no ["int", number]')
    number = stated[1]
    if not 0 <= number < 10**6:
        raise GraphError('"mxnet_version" is no version of MXNet')
    return number // 10_000, number // 100 % 100, number % 100
