"""The JSON of a graph: MXNet's four layouts, and text that is meant to do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import GraphError
from converter.graph import symbol
from converter.graph.operators import understand
from converter.graph.symbol import Node, Output, is_user, parse_symbol, read_symbol
from tests.graph.making import Making, lenet
from tests.memory import peak

NAMES = ["__import__('os').system('x')", "\"'\\\n\r\t\0", "class", "__class__", "а", "x" * 1024, ""]


def node(op: str, name: str, inputs: list[list[int]], **more: Any) -> dict[str, Any]:
    return {"op": op, "name": name, "inputs": inputs, **more}


def refused(content: Any) -> str:
    with pytest.raises(GraphError) as refusal:
        parse_symbol(content if isinstance(content, str | bytes) else json.dumps(content))
    assert str(refusal.value).isprintable()
    return str(refusal.value)


@pytest.mark.parametrize("layout", ["param", "attr", "attrs"])
def test_attributes_stand_under_any_of_three_keys_and_notes_are_told_apart(layout: str) -> None:
    stated = {"act_type": "relu", "__lr_mult__": "2", "ctx_group": "a", "w_lr_mult": "3"}
    nodes = [node("null", "x", []), node("Activation", "a", [[0, 0]], **{layout: stated})]
    graph = parse_symbol(json.dumps({"nodes": nodes, "heads": [[1, 0]]}))
    assert graph.version is None
    assert graph.nodes[1].attributes == {"act_type": "relu"}
    assert graph.nodes[1].user == {k: v for k, v in stated.items() if k != "act_type"}


def test_one_attribute_with_two_values_is_refused() -> None:
    nodes = [node("null", "x", [], attr={"a": "1"}, attrs={"a": "1"})]
    parse_symbol(json.dumps({"nodes": nodes, "heads": [[0, 0]]}))
    nodes[0]["attrs"] = {"a": "2"}
    assert "states two values of its attribute 'a'" in refused({"nodes": nodes, "heads": [[0, 0]]})


def test_the_version_is_told_in_three_numbers() -> None:
    assert parse_symbol(lenet().text()).version == (1, 9, 1)
    content = lenet().content()
    for wrong in ([], "1.9.1", ["int", -1], ["int", 10**30], ["int", True], ["int", "10901"]):
        content["attrs"] = {"mxnet_version": wrong}
        assert "mxnet_version" in refused(content)


def test_nodes_that_no_output_needs_are_dropped_and_the_others_renumbered() -> None:
    made = Making()
    made.variable("unused")
    made.call("relu", "out", made.variable("data"))
    assert parse_symbol(made.text()).nodes == (
        Node("null", "data"),
        Node("relu", "out", (Output(0, 0),)),
    )


def test_two_nodes_may_share_one_name() -> None:
    made = Making()
    made.call("elemwise_add", "same", made.variable("same"), made.variable("same"))
    assert [n.name for n in parse_symbol(made.text()).nodes] == ["same"] * 3


@pytest.mark.parametrize("name", NAMES)
def test_a_name_may_be_any_text(name: str) -> None:
    made = Making()
    made.call("relu", name, made.variable(name))
    program = understand(parse_symbol(made.text()))
    assert program.calls[0].name == name
    made.nodes[1]["op"] = name or "null"
    if name:
        with pytest.raises(GraphError) as refusal:
            understand(parse_symbol(made.text()))
        assert "not supported" in str(refusal.value)
        assert "\0" not in str(refusal.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_what_an_editor_made_of_the_file_is_read(encoding: str, tmp_path: Path) -> None:
    made = Making()
    made.call("relu", "é😀", made.variable("data"))
    content = json.dumps(made.content(), ensure_ascii=False)
    path = tmp_path / "net-symbol.json"
    path.write_bytes(content.encode(encoding))
    assert read_symbol(path) == parse_symbol(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"\x80\x02}q\x00.", "is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" + "9" * 5000 + "]", "is no JSON"),
        ('{"nodes": NaN}', "NaN is no number of JSON"),
        ('{"nodes": [], "nodes": [], "heads": []}', "the key 'nodes' twice"),
        ("[]", 'no list "nodes"'),
        ('{"nodes": {}}', 'no list "nodes"'),
        ('{"nodes": [], "heads": []}', '"heads" is empty'),
        ('{"nodes": [], "heads": [[0, 0]]}', "heads: takes node 0"),
        ('{"nodes": []}', "heads: is no list"),
        ('{"nodes": [1], "heads": [[0, 0]]}', "node 0: is no JSON object"),
    ],
)
def test_what_is_no_graph_is_refused(content: str | bytes, told: str) -> None:
    assert told in refused(content)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": [[2, 0]]}, "takes node 2, and only the 2 before it"),  # itself
        ({"inputs": [[3, 0]]}, "takes node 3, and only the 2 before it"),  # what comes later
        ({"inputs": [[-1, 0]]}, "input 0 is no [node, output]"),
        ({"inputs": [[0, 0], [0]]}, "input 1 is no [node, output]"),
        ({"inputs": [[0, 0, 0, 0]]}, "input 0 is no [node, output]"),
        ({"inputs": [[0, True]]}, "input 0 is no [node, output]"),
        ({"inputs": [[0, 2**31]]}, "input 0 is no [node, output]"),
        ({"inputs": [[0.0, 0]]}, "input 0 is no [node, output]"),
        ({"inputs": [[[[[0]]], 0]]}, "input 0 is no [node, output]"),
        ({"inputs": {}}, "is no list of [node, output]"),
        ({"inputs": None}, "is no list of [node, output]"),
        ({"inputs": [[0, 0]] * 65_537}, "65,537 inputs"),
        ({"name": None}, '"name" is no text'),
        ({"name": "x" * 1025}, '"name" is no text'),
        ({"name": "\ud800"}, "has half a character"),
        ({"op": 1}, '"op" is no text'),
        ({"attrs": []}, '"attrs" is no JSON object'),
        ({"attrs": {"act_type": 1}}, "attribute 'act_type' is no text"),
        ({"attrs": {"a": "x" * 65_537}}, "attribute 'a' is no text"),
        ({"op": "null"}, "is a variable and has inputs"),
    ],
)
def test_a_wrong_node_is_refused_by_number_and_name(change: dict[str, Any], told: str) -> None:
    nodes = [node("null", "a", []), node("null", "b", []), node("relu", "c", [[0, 0]]), {}]
    nodes[2] |= change
    message = refused({"nodes": nodes[:3], "heads": [[2, 0]]})
    assert told in message
    assert message.startswith("node 2")


def test_a_file_of_too_many_nodes_or_bytes_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = lenet().text()
    monkeypatch.setattr(symbol, "MAX_NODES", 3)
    assert "20 nodes; at most 3 are read" in refused(content)
    monkeypatch.setattr(symbol, "MAX_BYTES", 9)
    assert "has more than 9 bytes" in refused(content)
    path = tmp_path / "net-symbol.json"
    path.write_text(content)
    with pytest.raises(GraphError, match=r"net-symbol\.json: cannot be read as a graph: it has mo"):
        read_symbol(path)


# Of the JSON that is read, the kinds of which Python makes most
LARGEST = {
    "lists": ("[]", "nodes; at most"),
    "objects": ('{"":0}', "nodes; at most"),
    "texts": ('"\u4e00\u4e01"', "nodes; at most"),
    "nodes": ('{"op":"null","name":"","inputs":[]}', "nodes; at most"),
}
MEASURED = """
import sys
from converter.errors import GraphError
from converter.graph.symbol import MAX_BYTES, parse_symbol
unit = sys.argv[1]
count = MAX_BYTES // len(unit.encode() + b",") - 10
text = '{"nodes":[' + ",".join([unit] * count) + '],"heads":[[0,0]]}'
try:
    parse_symbol(text.encode())
except GraphError as refusal:
    print(refusal)
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", LARGEST)
def test_the_largest_files_take_less_than_a_gigabyte(kind: str) -> None:
    unit, told = LARGEST[kind]
    taken, message = peak(MEASURED, unit)
    assert told in message
    assert taken < 2**30


@given(st.text(max_size=20))
def test_only_notes_are_told_apart_from_attributes(key: str) -> None:
    assert is_user(f"__{key}x__")
    assert not is_user("act_type")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["nodes", "heads", "op", "name", "inputs", "attrs", "attr", "param"])
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_read_or_refused(content: Any) -> None:
    told = ""
    try:
        parse_symbol(json.dumps(content))
    except GraphError as refusal:
        told = str(refusal)
    assert told.isprintable()
