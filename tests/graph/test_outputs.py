"""Outputs by the names that MXNet gives them, and the graph cut there."""

from __future__ import annotations

import pytest

from converter.errors import GraphError
from converter.graph.operators import understand
from converter.graph.outputs import cut_at, output_names
from converter.graph.symbol import Graph, Output, parse_symbol
from tests.graph.making import Making, lenet


def graph(made: Making) -> Graph:
    return parse_symbol(made.text())


def several() -> Making:
    """Nodes with several outputs, and one that is not supported."""
    made = Making()
    data = made.variable("data_0")
    made.call("SliceChannel", "split", data, num_outputs=3)
    made.call(
        "RNN", "rnn", (1, 2), made.variable("p"), made.variable("s"), state_size=2, num_layers=1,
        mode="gru", state_outputs=True,
    )  # fmt: skip
    made.call("Custom", "mine", (4, 0), (4, 1), op_type="x")
    made.call("elemwise_add", "add_output", (5, 0), (5, 1))
    return made


@pytest.mark.parametrize("name", ["fc0", "fc0_output"])
def test_a_graph_is_cut_at_a_node_and_needs_less(name: str) -> None:
    cut = cut_at(graph(lenet()), [name])
    assert [cut.nodes[head.node].name for head in cut.heads] == ["fc0"]
    names = [*cut.variables()]
    assert "fc1_weight" not in names
    assert "softmax_label" not in names
    assert names[0] == "data"
    understand(cut)


@pytest.mark.parametrize(
    ("name", "node", "number"),
    [
        ("split_output1", "split", 1),
        ("split_output2", "split", 2),
        ("rnn_output", "rnn", 0),
        ("rnn_state_output", "rnn", 1),
        ("data_0", "data_0", 0),
        ("mine_output1", "mine", 1),
        ("add_output", "add_output", 0),
        ("add_output_output", "add_output", 0),
    ],
)
def test_an_output_has_the_name_that_mxnet_lists(name: str, node: str, number: int) -> None:
    (head,) = cut_at(graph(several()), [name]).heads
    cut = cut_at(graph(several()), [name])
    assert (cut.nodes[head.node].name, head.number) == (node, number)


def test_outputs_keep_the_order_they_are_asked_for_in() -> None:
    cut = cut_at(graph(several()), ["split_output2", "data_0", "split_output0"])
    assert [(cut.nodes[h.node].name, h.number) for h in cut.heads] == [
        ("split", 2),
        ("data_0", 0),
        ("split", 0),
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fc", "no node and no output is called 'fc': near are fc1, fc0"),
        ("fc0_output1", "called 'fc0_output1': near are fc0, fc1"),
        ("zzz", "called 'zzz': the last nodes are pool1, flat, fc0, fc1, softmax"),
        ("", "no node and no output is called ''"),
        ("\x1b[2J", r"called '\x1b[2J'"),
    ],
)
def test_a_name_that_is_none_is_refused_with_those_that_are_near(name: str, told: str) -> None:
    with pytest.raises(GraphError) as refusal:
        cut_at(graph(lenet()), [name])
    assert told in str(refusal.value)


def test_every_wrong_name_is_told_at_once_and_so_is_what_means_several() -> None:
    made = several()
    made.call("relu", "twice", made.call("relu", "twice", (6, 0)))
    with pytest.raises(GraphError) as refusal:
        cut_at(graph(made), ["split", "twice", "twice_output", "nothing"])
    assert refusal.value.problems == (
        "split has 3 outputs; name one: split_output0, split_output1, split_output2",
        "2 nodes are called twice, and none can be told",
        "2 nodes are called twice, and none can be told",
        "no node and no output is called 'nothing': the last nodes are "
        "rnn, mine, add_output, twice, twice",
    )


def test_what_stands_behind_a_cut_need_not_be_supported() -> None:
    with pytest.raises(GraphError, match="mine"):
        understand(graph(several()))
    program = understand(cut_at(graph(several()), ["rnn_state_output"]))
    assert program.graph.heads == (Output(4, 1),)


def test_outputs_have_the_names_that_cut_there() -> None:
    names = ["split_output2", "data_0", "rnn_state_output", "add_output_output"]
    assert [*output_names(cut_at(graph(several()), names))] == names
