"""The recordings hold every operator with every attribute away from its default."""

import json

import numpy as np
import pytest

from converter.graph.attributes import Attribute
from converter.graph.operators import Operator
from converter.graph.operators import operators as known
from converter.graph.symbol import parse_symbol, read_symbol
from converter.params import read_index
from tests.graph.recordings import (
    Case,
    Network,
    cases,
    cases_of,
    layouts,
    networks,
    operators,
)

# Attributes, or values of theirs, that no MXNet computes on a processor, or that only name a device
# or how fast something is
NOT_RECORDED = {
    ("*", "ctx"),
    ("*", "workspace"),
    ("*", "cudnn_tune"),
    ("*", "cudnn_off"),
    ("*", "forward_stype"),
    ("*", "dtype=bfloat16"),
    ("*", "min_calib_range"),
    ("*", "max_calib_range"),
    ("Convolution", "layout=NHWC"),
    ("Convolution", "layout=NDHWC"),
    ("Convolution_v1", "layout=NCHW"),
    ("Convolution_v1", "layout=NCDHW"),
    ("Convolution_v1", "layout=NHWC"),
    ("Convolution_v1", "layout=NDHWC"),
    ("Deconvolution", "layout=NHWC"),
    ("Deconvolution", "layout=NDHWC"),
    ("Dropout", "mode=always"),  # random
    ("Embedding", "dtype=int64"),
    ("Embedding", "dtype=int8"),
    ("RNN", "lstm_state_clip_min"),  # refused by 1.5.0, and without effect in 1.9.1
    ("RNN", "lstm_state_clip_max"),
    ("RNN", "lstm_state_clip_nan"),
    ("RNN", "use_sequence_length"),
    ("SequenceReverse", "axis"),  # must be 0
    ("_contrib_BatchNormWithReLU", "axis"),
    ("_contrib_BatchNormWithReLU", "output_mean_var"),
    ("_contrib_SyncBatchNorm", "output_mean_var"),  # memory that nobody wrote
    ("_contrib_gradientmultiplier", "is_int"),
    ("_eye", "dtype=int64"),
    ("_eye", "dtype=int8"),
    ("_eye", "dtype=uint8"),
    ("log_softmax", "use_length"),  # described, and its second input is not
    ("softmin", "use_length"),
    *(("norm", f"out_dtype={t}") for t in ("float16", "float64", "int32", "int64", "int8")),
}
OPERATORS = sorted({operator.name: operator for operator in known().values()}.values(), key=str)


def stated(operator: Operator) -> dict[str, set[str]]:
    """What the cases of an operator say of its attributes."""
    found: dict[str, set[str]] = {}
    for case in cases_of(operator.name):
        for node in parse_symbol(case.symbol).nodes:
            if not node.is_variable and known()[node.op] is operator:
                for key, text in node.attributes.items():
                    found.setdefault(key, set()).add(text)
    return found


def missing(key: str, attribute: Attribute, texts: set[str]) -> list[str]:
    """What of an attribute no case states."""
    if attribute.values:
        return [f"{key}={v}" for v in attribute.values if v not in texts | {attribute.default}]
    default = attribute.default
    away = [
        text for text in texts if default is None or attribute.read(text) != attribute.read(default)
    ]
    return [] if away else [key]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_every_attribute_is_recorded_away_from_its_default(operator: Operator) -> None:
    texts = stated(operator)
    assert set(texts) <= {*operator.attributes, *operator.ignored}
    lacking = [
        what
        for key, attribute in operator.attributes.items()
        for what in missing(key, attribute, texts.get(key, set()))
    ]
    excused = {what for name, what in NOT_RECORDED if name in ("*", operator.name)}
    assert [what for what in lacking if {what, what.split("=")[0]}.isdisjoint(excused)] == []


def test_what_is_excused_is_not_recorded() -> None:
    by_name = {operator.name: operator for operator in OPERATORS}
    for name, what in NOT_RECORDED:
        if name != "*":
            key = what.split("=")[0]
            texts = stated(by_name[name]).get(key, set())
            assert what in missing(key, by_name[name].attributes[key], texts)


def test_every_operator_has_a_recording() -> None:
    assert operators() == [operator.name for operator in sorted(OPERATORS, key=lambda o: o.name)]


@pytest.mark.parametrize("operator", operators())
def test_values_and_outputs_are_those_of_the_symbol(operator: str) -> None:
    for case in cases_of(operator):
        graph = parse_symbol(case.symbol)
        assert set(graph.variables()) == set(case.values)
        assert set(case.outputs) <= {"1.5.0", "1.9.1"}
        assert case.outputs
        for outputs in case.outputs.values():
            assert len(outputs) == len(graph.heads)


# What the two MXNets compute differently, and why: see the note of each case
DIFFERENT = {
    "Deconvolution:dilate-all",
    "SoftmaxOutput:image",
    "SoftmaxOutput:vector",
}


def apart(case: Case) -> float:
    """How far the two MXNets are from each other, relative to the largest number."""
    old, new = case.outputs["1.5.0"], case.outputs["1.9.1"]
    worst = 0.0
    for a, b in zip(old, new, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if a.dtype == np.float16:
            continue
        x, y = a.astype(float), b.astype(float)
        np.testing.assert_array_equal(np.isfinite(x), np.isfinite(y))
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]
        largest = np.max(np.abs(x), initial=1e-30)
        worst = max(worst, float(np.max(np.abs(x - y), initial=0) / largest))
    return worst


def test_the_two_mxnets_agree_but_where_a_note_says_why() -> None:
    both = [case for case in cases() if len(case.outputs) == 2]
    assert {str(case) for case in both if apart(case) > 3e-6} == DIFFERENT
    assert all(case.note for case in both if str(case) in DIFFERENT)


def test_an_array_that_two_cases_share_is_stored_once() -> None:
    case = cases_of("_copy")[0]
    assert json.loads(case.symbol)["heads"]
    assert case.outputs["1.5.0"][0] is case.outputs["1.9.1"][0]


@pytest.mark.parametrize("network", networks(), ids=str)
def test_a_network_is_whole(network: Network) -> None:
    graph = read_symbol(network.symbol)
    stored = {name.split(":", 1)[1] for name in read_index(network.params).tensors}
    variables = set(graph.variables())
    labels = {name for name in variables if name.endswith("label")}
    assert variables - stored - set(network.inputs) <= labels
    assert set(network.inputs) <= variables
    assert len(network.outputs) == len(graph.heads)
    calls = {node.name for node in graph.nodes if not node.is_variable}
    of_calls = {name.rsplit("_", 1)[0] for name in network.internals}
    assert not network.internals or calls <= of_calls | set(network.internals)
    assert all(np.isfinite(output).all() and output.size for output in network.outputs)


def test_every_layout_gives_the_same() -> None:
    same = [n for n in layouts() if n.name not in ("argmax-0.9.4", "param-names")]
    assert len(same) == 5
    for network in same:
        np.testing.assert_array_equal(network.outputs[0], same[0].outputs[0])


def test_operators_are_known_by_their_other_names() -> None:
    (network,) = [network for network in layouts() if network.name == "param-names"]
    names = {node.op for node in read_symbol(network.symbol).nodes if not node.is_variable}
    assert len(names) >= 18
    assert all(known()[name].name != name for name in names)
    assert network.outputs[0].std() > 1e-3


def test_an_early_argmax_is_over_all_axes() -> None:
    (network,) = [network for network in layouts() if network.name == "argmax-0.9.4"]
    np.testing.assert_array_equal(network.outputs[0].ravel(), network.inputs["data"].argmax())
