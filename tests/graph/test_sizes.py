"""What the variables of a graph are, and which sizes of the inputs follow from the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from converter.errors import GraphError, OptionError
from converter.graph.shapes import Spec, infer
from converter.graph.sizes import Input, inputs_with_sizes, parse_input
from converter.graph.symbol import Output
from converter.graph.variables import inputs_of, needed_nodes
from tests.graph.making import LENET, Making, lenet

FLOAT16, FLOAT32, INT32 = (np.dtype(name) for name in ("float16", "float32", "int32"))


def specs(shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any] = FLOAT32) -> dict[str, Spec]:
    return {name: Spec(shape, dtype) for name, shape in shapes.items()}


def sizes(made: Making, shapes: Mapping[str, tuple[int, ...]], **said: tuple[int, ...]) -> Input:
    """The only input of a graph whose parameters have these shapes."""
    program = made.program()
    inputs = inputs_of(program, [f"arg:{name}" for name in shapes]).inputs
    known = {name: (shape, None) for name, shape in said.items()}
    (found,) = inputs_with_sizes(program, inputs, specs(shapes), known)
    infer(program, specs(shapes) | {found.name: found.spec})  # what is told fits
    return found


# Which variable is what


@pytest.mark.parametrize("kind", ["arg:", ""])
def test_a_file_tells_parameters_from_inputs_and_labels_disappear(kind: str) -> None:
    names = [f"{kind}{name}" for name in LENET]
    found = inputs_of(lenet().program(), names)
    assert dict(found.parameters) == {name: f"{kind}{name}" for name in LENET}
    assert (found.inputs, found.labels, found.missing, found.unused) == (
        ("data",),
        ("softmax_label",),
        (),
        (),
    )


def test_parameters_without_a_value_and_values_without_a_parameter_are_all_told() -> None:
    names = [f"arg:{name}" for name in LENET if not name.startswith("fc")]
    found = inputs_of(lenet().program(), [*names, "arg:gone", "aux:bn_moving_mean"])
    assert found.missing == ("fc0_weight", "fc0_bias", "fc1_weight", "fc1_bias")
    assert found.unused == ("arg:gone", "aux:bn_moving_mean")
    assert found.inputs == ("data",)


def test_a_label_may_be_reshaped_on_its_way_and_nothing_of_it_is_needed() -> None:
    made = Making()
    x = made.layer("FullyConnected", "fc", made.variable("data"), "weight", "bias", num_hidden=4)
    label = made.call("Reshape", "flat", made.variable("label"), shape="(-1,)")
    made.call("SoftmaxOutput", "softmax", x, label)
    program = made.program()
    found = inputs_of(program, ["arg:fc_weight", "arg:fc_bias"])
    assert (found.inputs, found.labels) == (("data",), ("label",))
    flat = next(call.number for call in program.calls if call.name == "flat")
    assert flat not in needed_nodes(program)
    known = specs({"fc_weight": (4, 3), "fc_bias": (4,), "data": (2, 3)})
    assert Output(flat, 0) not in infer(program, known)


def test_a_label_that_something_else_takes_is_an_input() -> None:
    made = Making()
    data, label = made.variable("data"), made.variable("label")
    made.call("SoftmaxOutput", "softmax", made.call("elemwise_add", "sum", data, label), label)
    assert inputs_of(made.program(), []).inputs == ("data", "label")


def test_an_initializer_makes_a_variable_a_parameter() -> None:
    made = Making()
    data = made.variable("data")
    anchors = made.variable("anchors", __init__='["zeros", {}]')
    made.call("broadcast_add", "moved", data, anchors)
    found = inputs_of(made.program(), [])
    assert (found.inputs, found.missing) == (("data",), ("anchors",))


def test_two_nodes_of_one_name_have_one_value() -> None:
    made = Making()
    data, one, two = made.variable("data"), made.variable("w_weight"), made.variable("w_weight")
    made.call("broadcast_add", "b", made.call("broadcast_add", "a", data, one), two)
    program = made.program()
    assert dict(inputs_of(program, ["w_weight"]).parameters) == {"w_weight": "w_weight"}
    found = infer(program, specs({"data": (2, 3), "w_weight": (1, 3)}))
    assert [found[Output(n, 0)].shape for n in range(3)] == [(2, 3), (1, 3), (1, 3)]


# What follows from the weights


def test_a_picture_follows_from_the_dense_layer_behind_it() -> None:
    found = sizes(lenet(), LENET)
    assert found.spec == Spec((1, 1, 28, 28), FLOAT32)
    assert found.told == "follows from the weights"
    assert found.assumed[0] == "a batch of 1"
    assert found.assumed[1].startswith("square, 28 wide, so that fc0_weight (500, 800) fits")


def test_a_said_size_is_taken_and_one_that_does_not_fit_is_refused_with_both_shapes() -> None:
    assert sizes(lenet(), LENET, data=(7, 1, 31, 28)).told == "said"
    with pytest.raises(GraphError) as refusal:
        sizes(lenet(), LENET, data=(1, 1, 32, 32))
    (problem,) = refusal.value.problems
    assert "fc0 (FullyConnected): weight fc0_weight is (500, 800)" in problem
    assert "flat of (1, 1250) it must be (500, 1250)" in problem


def test_channels_follow_from_a_grouped_convolution_and_the_rest_is_asked_for() -> None:
    made = Making()
    x = made.call("_mul_scalar", "scaled", made.variable("data"), scalar=0.1)
    made.layer(
        "Convolution", "conv", x, "weight", kernel="(3,)", num_filter=8, num_group=4, no_bias=True
    )
    with pytest.raises(GraphError) as refusal:
        sizes(made, {"conv_weight": (8, 3, 3)})
    assert refusal.value.problems == ("--input data=1,12,W",)


def test_behind_a_global_pooling_every_size_fits_and_none_is_assumed() -> None:
    made = Making()
    x = made.layer(
        "Convolution", "conv", made.variable("data"), "weight", kernel="(3, 3)",
        num_filter=8, no_bias=True,
    )  # fmt: skip
    x = made.call("Pooling", "pool", x, global_pool=True, pool_type="avg", kernel="(7, 7)")
    made.layer("FullyConnected", "fc", x, "weight", num_hidden=2, no_bias=True)
    with pytest.raises(GraphError) as refusal:
        sizes(made, {"conv_weight": (8, 3, 3, 3), "fc_weight": (2, 8)})
    assert refusal.value.problems == ("--input data=1,3,H,W",)


def test_of_a_size_that_fits_no_square_nothing_is_assumed() -> None:
    with pytest.raises(GraphError) as refusal:
        sizes(lenet(), LENET | {"fc0_weight": (500, 50 * 3 * 5)})
    assert refusal.value.problems == ("--input data=1,1,H,W",)
    assert sizes(lenet(), LENET | {"fc0_weight": (500, 750)}, data=(1, 1, 24, 32)).told == "said"


def test_features_follow_from_a_dense_layer() -> None:
    made = Making()
    made.layer("FullyConnected", "fc", made.variable("data"), "weight", "bias", num_hidden=8)
    found = sizes(made, {"fc_weight": (8, 784), "fc_bias": (8,)})
    assert found.spec.shape == (1, 784)
    assert found.assumed == ("2 dimensions", "a batch of 1")


@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh"])
def test_features_follow_from_the_packed_parameters_of_an_rnn(mode: str) -> None:
    made = Making()
    data = made.variable("data")
    names = ["rnn_parameters", "begin_state", *(["begin_cell"] if mode == "lstm" else [])]
    made.call(
        "RNN", "rnn", data, *map(made.variable, names), state_size=8, num_layers=2, mode=mode,
        bidirectional=True, state_outputs=True,
    )  # fmt: skip
    program = made.program()
    gates = {"lstm": 4, "gru": 3, "rnn_tanh": 1}[mode]
    length = gates * 2 * 8 * ((5 + 8 + 2) + (16 + 8 + 2))
    known = specs({"rnn_parameters": (length,)})
    inputs = inputs_of(program, ["rnn_parameters"]).inputs
    assert inputs == ("data", *names[1:])
    with pytest.raises(GraphError) as refusal:
        inputs_with_sizes(program, inputs, known, {})
    assert refusal.value.problems[0] == "--input data=?,?,5"
    found = inputs_with_sizes(program, inputs, known, {"data": ((7, 3, 5), None)})
    assert [i.spec.shape for i in found] == [(7, 3, 5), *[(4, 3, 8)] * (len(inputs) - 1)]


def test_steps_and_features_follow_where_an_rnn_is_unrolled() -> None:
    made = Making()
    data, weight = made.variable("data"), made.variable("h_weight")
    steps = made.call("SliceChannel", "step", data, num_outputs=3, axis=1, squeeze_axis=True)
    state = made.call("_zeros", "begin", shape="(0, 4)")
    for n in range(3):
        new = made.call(
            "FullyConnected", f"new{n}", (steps[0], n), weight, num_hidden=4, no_bias=True
        )
        state = made.call("elemwise_add", f"state{n}", new, state)
    found = sizes(made, {"h_weight": (4, 6)})
    assert found.spec.shape == (1, 3, 6)


def test_what_the_file_states_counts_and_what_it_leaves_open_is_inferred() -> None:
    made = Making()
    data = made.variable("data", __shape__="(0, 784)", __dtype__="2")
    made.call("_mul_scalar", "scaled", data, scalar=2)
    assert sizes(made, {}).spec == Spec((1, 784), FLOAT16)
    made.nodes[0]["attrs"] = {"__shape__": "(3, 784)", "__dtype__": "-1"}
    found = sizes(made, {})
    assert (found.spec, found.told, found.assumed) == (
        Spec((3, 784), FLOAT32),
        "stated by the file",
        (),
    )
    made.nodes[0]["attrs"] = {"__shape__": "__import__('os')", "__dtype__": "9"}
    with pytest.raises(GraphError) as refusal:
        sizes(made, {})
    assert refusal.value.problems == ("--input data=SHAPE",)


def test_an_input_has_the_dtype_of_the_weights_it_meets_and_ids_have_not() -> None:
    made = Making()
    ids, scale = made.variable("ids"), made.variable("scale")
    rows = made.layer("Embedding", "embed", ids, "weight", input_dim=9, output_dim=4)
    made.call("broadcast_mul", "scaled", rows, made.call("sqrt", "root", scale))
    program = made.program()
    known = specs({"embed_weight": (9, 4)}, FLOAT16)
    said = {"ids": ((1, 3), None), "scale": ((1, 1, 1), None)}
    found = inputs_with_sizes(program, ("ids", "scale"), known, said)
    assert [i.spec.dtype for i in found] == [FLOAT32, FLOAT16]
    found = inputs_with_sizes(program, ("ids", "scale"), known, said | {"ids": ((1, 3), INT32)})
    assert found[0].spec.dtype == INT32


def test_every_input_that_is_missing_is_asked_for_at_once() -> None:
    made = Making()
    one, two = made.variable("one"), made.variable("two")
    made.call("broadcast_add", "sum", one, two)
    with pytest.raises(GraphError) as refusal:
        inputs_with_sizes(made.program(), ("one", "two"), {}, {})
    assert refusal.value.problems == ("--input one=SHAPE", "--input two=SHAPE")
    with pytest.raises(OptionError, match="has no input three; its inputs are one, two"):
        inputs_with_sizes(made.program(), ("one", "two"), {}, {"three": ((1,), None)})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data=1,3,112,112", ("data", (1, 3, 112, 112), None)),
        ("a=b:c=(1, 128):int32", ("a=b:c", (1, 128), INT32)),
        ("x=7", ("x", (7,), None)),
        ("x=(7,)", ("x", (7,), None)),
    ],
)
def test_an_input_is_said_by_name_and_shape(text: str, found: object) -> None:
    assert parse_input(text) == found


@pytest.mark.parametrize(
    "text",
    ["data", "=1,3", "data=", "data=1,,3", "data=0,3", "data=-1,3", "data=1,3:int33", "data=1.5",
     "data=" + ",".join("1" * 33), "data=9999999999", "data=1,3:", "data=١,3", "data=1;3"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match=r"data=1,3,224,224"):
        parse_input(text)


def test_a_length_follows_from_a_dense_layer_over_all_steps() -> None:
    made = Making()
    rows = made.layer(
        "Embedding", "embed", made.variable("ids"), "weight", input_dim=9, output_dim=4
    )
    rows = made.call("expand_dims", "channel", rows, axis=1)
    x = made.layer(
        "Convolution", "conv", rows, "weight", kernel="(3, 4)", num_filter=5, no_bias=True
    )
    made.layer("FullyConnected", "fc", x, "weight", num_hidden=2, no_bias=True)
    shapes = {"embed_weight": (9, 4), "conv_weight": (5, 1, 3, 4), "fc_weight": (2, 5 * 18)}
    found = sizes(made, shapes)
    assert found.spec.shape == (1, 20)
    assert found.assumed == (
        "a batch of 1, a length of 20, so that fc_weight (2, 90) fits (no other fits)",
    )


def test_a_length_follows_where_not_even_the_rank_is_known() -> None:
    made = Making()
    rows = made.layer(
        "Embedding", "embed", made.variable("ids"), "weight", input_dim=9, output_dim=4
    )
    made.layer("FullyConnected", "fc", rows, "weight", num_hidden=2, no_bias=True)
    found = sizes(made, {"embed_weight": (9, 4), "fc_weight": (2, 28)})
    assert found.spec.shape == (1, 7)
    assert found.assumed[0].startswith("2 dimensions, a batch of 1, a length of 7, so that fc_")


def test_a_length_follows_where_the_features_are_known() -> None:
    made = Making()
    data = made.variable("data")
    x = made.layer(
        "FullyConnected", "each", data, "weight", num_hidden=3, flatten=False, no_bias=True
    )
    made.layer("FullyConnected", "fc", x, "weight", num_hidden=2, no_bias=True)
    made.nodes[0]["attrs"] = {"__shape__": "(0, 0, 4)"}
    found = sizes(made, {"each_weight": (3, 4), "fc_weight": (2, 3 * 6)})
    assert found.spec.shape == (1, 6, 4)
