"""Attributes become values of checked types; what is not known is refused, all at once."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import GraphError
from converter.graph import operators as module
from converter.graph.attributes import Attribute
from converter.graph.operators import operators, understand
from converter.graph.shapes.rules import RULES
from converter.graph.shapes.two_way import TWO_WAY
from converter.graph.symbol import Node, Output, parse_symbol
from tests.graph.making import Making

TYPES = ("bool", "int", "float", "shape", "bounds", "floats", "string", "enum", "dtype")
HOSTILE = ["__import__('os')", "lambda: 0", "1 if True else 2", "[x for x in (1,)]", "1\n2", "١",
           "1_0", "0x10", "1e9999", "nan", "((1,),)", "(1, 2", "{1: 2}", "1j", "é", "(,)", "\x00",
           "", "(" * 300, ",".join(["1"] * 1025), "1" * 200]  # fmt: skip


def problems(made: Making) -> tuple[str, ...]:
    with pytest.raises(GraphError) as refusal:
        made.program()
    return refusal.value.problems


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "True", True),
        ("bool", "true", True),
        ("bool", "1", True),
        ("bool", "False", False),
        ("bool", "0", False),
        ("int", "-3", -3),
        ("int", "3L", 3),
        ("int", "-9223372036854775808", -(2**63)),
        ("float", "1e-05", 1e-5),
        ("float", ".5", 0.5),
        ("float", "-2", -2.0),
        ("float", "inf", math.inf),
        ("shape", "(2, 2)", (2, 2)),
        ("shape", "(2L, 2L)", (2, 2)),
        ("shape", "[2,2]", (2, 2)),
        ("shape", "(2,)", (2,)),
        ("shape", "2", (2,)),
        ("shape", "()", ()),
        ("shape", "( )", ()),
        ("bounds", "(None, -1)", (None, -1)),
        ("floats", "(0.1,2)", (0.1, 2.0)),
        ("string", "__import__('os')", "__import__('os')"),
    ],
)
def test_a_value_is_what_mxnet_reads(kind: str, text: str, value: Any) -> None:
    found = Attribute(kind).read(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["bool", "int", "float", "shape", "bounds", "floats", "enum"])
def test_nothing_is_evaluated_and_nothing_is_guessed(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"is |has "):
        Attribute(kind, values=("a", "b")).read(text)


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "9" * 20, "1.0"])
@pytest.mark.parametrize("kind", ["int", "shape", "bounds"])
def test_an_integer_has_64_bits(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match="is no integer of 64 bits"):
        Attribute(kind).read(text)


@given(st.sampled_from(TYPES), st.text(max_size=30))
def test_any_text_is_a_value_of_the_type_or_refused(kind: str, text: str) -> None:
    try:
        found = Attribute(kind, values=("relu",)).read(text)
    except ValueError:
        return
    assert isinstance(found, bool | int | float | str | tuple)
    assert kind in ("string", "float", "floats") or len(str(found)) <= 3 * len(text) + 8


def test_what_is_not_stated_has_mxnets_default() -> None:
    made = Making()
    made.layer(
        "Convolution", "conv", made.variable("data"), "weight", "bias", kernel="(3, 3)",
        num_filter=8,
    )  # fmt: skip
    (call,) = made.program().calls
    assert call.attributes["num_group"] == 1
    assert call.attributes["no_bias"] is False
    assert call.names == ("data", "weight", "bias")
    assert call.stated == {"kernel", "num_filter"}
    assert call.input("weight") == Output(1, 0)
    assert call.input("gamma") is None


def test_everything_that_is_not_supported_is_told_at_once_by_node() -> None:
    made = Making()
    x = made.variable("data")
    x = made.call("_contrib_quantize", "q", x)
    x = made.call("Activation", "act", x, act_type="swish")
    x = made.call("relu", "r", x, no=1)
    x = made.call("Pooling", "pool", x, kernel="(a, b)")
    made.call("elemwise_add", "add", x)
    assert problems(made) == (
        "q (_contrib_quantize): the operator is not supported",
        "act (Activation): act_type='swish' is not one of relu, sigmoid, softrelu, softsign, tanh",
        "r (relu): has no attribute no",
        "pool (Pooling): kernel='(a, b)' is no integer of 64 bits",
        "add (elemwise_add): has 1 inputs, and needs 2 (lhs, rhs)",
    )


def test_of_very_many_problems_the_first_are_told_and_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_PROBLEMS", 2)
    made = Making()
    x = made.variable("data")
    for n in range(5):
        x = made.call(f"Custom{n}", f"c{n}", x)
    assert problems(made)[1:] == ("c1 (Custom1): the operator is not supported", "… and 3 more")


@pytest.mark.parametrize("op", ["Cast", "amp_cast", "_zeros", "_arange", "one_hot"])
def test_bfloat16_is_refused_by_name(op: str) -> None:
    """What MXNet 1.9.1 computes in it differs between processors with and without avx512_bf16."""
    made = Making()
    inputs = [made.variable("x")] if operators()[op].inputs else []
    more = {"Cast": {}, "amp_cast": {}, "one_hot": {"depth": 2}}
    made.call(op, "made", *inputs, dtype="bfloat16", **more.get(op, {"shape": "(2,)", "start": 0}))
    assert any("dtype=bfloat16 is not supported" in problem for problem in problems(made))


def test_nodes_with_the_same_problem_are_told_together() -> None:
    made = Making()
    x = made.variable("data")
    for n in range(6):
        x = made.call("Custom", f"c{n}", x)
    assert problems(made) == ("Custom: the operator is not supported: 6 nodes (c0, c1, c2, c3, …)",)


@pytest.mark.parametrize(
    ("op", "attributes", "told"),
    [
        ("SliceChannel", {"num_outputs": 0}, "has 0 outputs; 1 to 4,096 are read"),
        ("SliceChannel", {"num_outputs": 10**18}, "outputs; 1 to 4,096 are read"),
        ("SliceChannel", {"num_outputs": 10**19}, "is no integer of 64 bits"),
        ("SliceChannel", {}, "its attribute num_outputs is missing"),
        ("Concat", {"num_args": 2}, "has 1 inputs, and num_args=2"),
        ("add_n", {"num_args": 7}, "has 1 inputs, and num_args=7"),
        ("_foreach", {}, "the operator is not supported"),
    ],
)
def test_wrong_counts_are_refused(op: str, attributes: dict[str, object], told: str) -> None:
    made = Making()
    made.call(op, "node", made.variable("data"), **attributes)
    assert problems(made)[0].endswith(told)


def test_an_output_that_a_node_does_not_have_is_refused_wherever_it_is_taken() -> None:
    made = Making()
    made.call("relu", "a", (made.variable("data")[0], 1))
    made.call("relu", "b", (1, 1))
    (problem,) = problems(made)
    assert problem == "relu: takes an output that its node does not have: 2 nodes (a, b)"
    made.nodes.pop()
    made.nodes[1]["inputs"] = [[0, 0]]
    with pytest.raises(GraphError, match=r"a \(relu\): has no output 3, a head"):
        made.program((1, 3))


def test_a_call_of_nothing_is_refused_and_so_is_one_with_graphs_of_its_own() -> None:
    made = Making()
    made.call("Concat", "none", num_args=0)
    assert problems(made) == ("none (Concat): has 0 inputs, and num_args=0",)
    made.nodes[0] |= {"op": "_zeros", "attrs": {"shape": "(1,)"}, "subgraphs": [{}]}
    assert problems(made) == ("none (_zeros): the operator is not supported",)


def test_what_mxnet_0_8_leaves_out_is_added_by_name() -> None:
    nodes: list[dict[str, Any]] = [
        {"op": "null", "name": "data", "inputs": [], "param": {}},
        {"op": "null", "name": "bn_gamma", "inputs": [], "param": {}},
        {"op": "null", "name": "bn_beta", "inputs": [], "param": {}},
        {"op": "BatchNorm", "name": "bn", "inputs": [[0, 0], [1, 0], [2, 0]], "param": {}},
        {"op": "SoftmaxOutput", "name": "softmax", "inputs": [[3, 0]], "param": {}},
    ]
    made = Making()
    made.nodes = nodes
    content = made.content()
    with pytest.raises(GraphError, match="has 3 inputs, and needs 5"):
        made.program()
    del content["attrs"]
    program = understand(parse_symbol(json.dumps(content)))
    assert [*program.variables().values()] == [
        "data", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var", "softmax_label",
    ]  # fmt: skip
    assert [call.number for call in program.calls] == [5, 7]
    assert program.graph.heads == (Output(7, 0),)
    assert program.graph.nodes[7] == Node("SoftmaxOutput", "softmax", (Output(5, 0), Output(6, 0)))


def test_every_operator_that_is_supported_has_a_rule_for_its_shapes() -> None:
    supported = {op.name for op in operators().values() if op.supported}
    assert supported - RULES.keys() == set()
    assert {*RULES, *TWO_WAY} <= {op.name for op in operators().values()}
