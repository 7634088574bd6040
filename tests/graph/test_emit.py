"""Generated modules compute what MXNet recorded, whether weights are theirs or are given."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from torch import nn

from converter.errors import GraphError
from converter.graph.emit import emit
from converter.graph.emit.names import MODULE
from converter.graph.emit.site import RULES
from converter.graph.operators import operators as known_operators
from converter.graph.operators import understand
from converter.graph.shapes import Spec, infer
from converter.graph.symbol import Output, parse_symbol
from tests.graph import recordings
from tests.graph import test_interpreter as reference
from tests.graph.emitting import (
    difference,
    emitted_network,
    emitted_of,
    inputs_of,
    labels,
    load,
    nodes,
    program_of,
    run,
    specs_of,
    versions,
    weights,
)
from tests.graph.making import Making
from tests.graph.recordings import Case, Network
from tests.graph.test_interpreter import computed

# What is refused although MXNet computes it, and why
REFUSED = {
    "BatchNorm:output_mean_var": "no graph uses these outputs; in training they are the batch's",
    "BatchNorm_v1:output_mean_var": "no graph uses these outputs; in training they are the batch's",
    "LayerNorm:output_mean_var": "no graph uses these outputs",
    "GroupNorm:output_mean_var": "no graph uses these outputs",
    "Pooling:avg-volume-full-pad-count_include_pad-False": "MXNet divides 0 by 0",
    "_arange:float16": "MXNet rounds the step to an integer",
    "_hypot_scalar:int32": "hypot of integers",
    "_linalg_gemm:axis": "matrices along another axis",
    "_linalg_gemm2:axis": "matrices along another axis",
    "SoftmaxOutput:image": "MXNet's own builds disagree: the note of the recording says how",
    "SoftmaxOutput:vector": "the same",
}
# What differs, in which version, and why
DIFFERENT = {
    ("Deconvolution:dilate-all", "1.5.0"): "MXNet's own kernel is wrong",
}
TOLERANCE = 1e-5
HALF = 2e-3  # of what is computed in float16, whose numbers have 11 bits
# PyTorch's own, of a layer that only projections have
QUIET = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def compared(case: Case) -> Iterator[tuple[str, str, float | str]]:
    """A case's differences: version, how its weights come in, and the difference or the refusal."""
    try:
        program = program_of(case)
    except GraphError as error:
        for version in versions(case):
            yield version, "own", str(error)
        return
    every = [name for name in program.variables().values() if name not in labels(program)]
    for version in versions(case):
        for how, inputs in (("own", inputs_of(program)), ("given", every)):
            if how == "given" and inputs == inputs_of(program):
                continue
            try:
                found = run(emitted_of(case, version, inputs), case.values)
            except GraphError as error:
                yield version, how, str(error)
            else:
                pairs = zip(found, case.outputs[version], strict=True)
                yield version, how, max((difference(a, b) for a, b in pairs), default=0.0)


@QUIET
@pytest.mark.parametrize("operator", recordings.operators())
def test_recordings(operator: str) -> None:
    problems = []
    for case in recordings.cases_of(operator):
        half = any(value.dtype == np.float16 for value in case.values.values())
        half |= any(o.dtype == np.float16 for outs in case.outputs.values() for o in outs)
        for version, how, found in compared(case):
            name = str(case)
            if name in REFUSED:
                fine = (isinstance(found, str) and "not supported" in found) or how == "given"
                fine |= isinstance(found, str)
            elif (name, version) in DIFFERENT:
                fine = isinstance(found, str) or found > 1e-2
            elif how == "given" and isinstance(found, str):
                fine = "is computed: not supported" in found or "are computed: not" in found
            else:
                fine = not isinstance(found, str) and found <= (HALF if half else TOLERANCE)
            if not fine:
                problems.append(f"{case} {version} {how}: {found}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("ascending", [False, True])
def test_of_equal_values_the_first_comes_first(ascending: bool) -> None:
    """As the reference has it: else a graph that ties decide differs from it by chance."""
    made = Making()
    x = made.variable("data")
    how = {"axis": 1, "is_ascend": ascending}
    (both, _), *heads = (
        made.call("topk", kind, x, k=40, ret_typ=kind, **how)
        for kind in ("both", "indices", "mask")
    )
    heads += [(both, 0), (both, 1), made.call("argsort", "argsort", x, **how)]
    heads += [made.call(name, name, x, axis=1) for name in ("argmax", "argmin")]
    program = made.program(*heads)
    values = {"data": np.random.default_rng(0).integers(0, 4, (3, 500)).astype(np.float32)}
    found = run(emit(program, specs_of(program, values), ["data"]), values)
    for ours, theirs in zip(found, computed(program, values), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_every_excuse_names_a_recording() -> None:
    known = {str(case): case for case in recordings.cases()}
    assert set(REFUSED) <= set(known)
    assert all(version in known[name].outputs for name, version in DIFFERENT)


def test_every_supported_operator_is_written_one_way_and_recorded() -> None:
    supported = {o.name: o for o in known_operators().values() if o.supported}
    templates = {name for name, operator in supported.items() if operator.emit}
    assert not templates & RULES.keys()
    assert templates | RULES.keys() == supported.keys()
    assert supported.keys() == set(recordings.operators())


@pytest.mark.parametrize("network", [*recordings.networks(), *recordings.layouts()], ids=str)
def test_networks(network: Network) -> None:
    emitted, program, values = emitted_network(network)
    found, outputs = nodes(emitted, values)
    for ours, theirs in zip(outputs, network.outputs, strict=True):
        assert difference(ours, theirs) <= TOLERANCE
    calls = {call.number: call for call in program.calls}
    names = [calls[o.node].name for o in found]
    for output, value in found.items():
        call = calls[output.node]
        recorded = network.internals.get(f"{call.name}_output")
        if recorded is not None and names.count(call.name) == 1 and call.outputs == 1:
            assert difference(value, recorded) <= TOLERANCE, call.name


def test_each_statement_holds_the_outputs_that_its_line_says() -> None:
    """Of a graph with every kind of target: one, several, some not needed, a tuple's items."""
    (network,) = (n for n in recordings.networks() if n.name == "gluon_gru")
    emitted, _, values = emitted_network(network)
    assert {len(line) for line in emitted.lines} == {1, 4, 5}
    found, _ = nodes(emitted, values)
    assert found.keys() == {output for line in emitted.lines for output in line}


def test_names_of_a_module_are_kept_from_submodules() -> None:
    module = nn.Module()
    assert {name for name in dir(module) if not name.startswith("_")} <= MODULE


@pytest.mark.parametrize(("steps", "batch"), [(5, 2), (2, 2)])
def test_a_state_has_the_size_of_the_batch_even_where_there_are_as_many_steps(
    steps: int, batch: int
) -> None:
    """The first state of an RNN has the batch's size, which MXNet infers from both ends."""
    made = Making()
    data = made.variable("data")
    states = [made.call("_zeros", f"state{n}", shape="(1, 0, 3)") for n in range(2)]
    packed = made.variable("packed")
    made.call("RNN", "lstm", data, packed, *states, mode="lstm", num_layers=1, state_size=3)
    program = made.program((4, 0), states[0])
    shapes = {"data": (steps, batch, 4), "packed": (4 * 3 * (4 + 3 + 2),)}
    specs = infer(program, {n: Spec(s, np.dtype(np.float32)) for n, s in shapes.items()})
    assert "torch.zeros((1, data.shape[1], 3)" in emit(program, specs, ["data"]).source


def test_what_the_reference_refuses_is_not_written() -> None:
    """Else a module would be written that nothing can prove."""
    assert {*reference.REFUSED} <= {*REFUSED}


SYMBOL = {
    "nodes": [
        {"op": "null", "name": "data", "inputs": []},
        {"op": "null", "name": "w", "inputs": []},
        {"op": "FullyConnected", "name": "a", "inputs": [[0, 0], [1, 0]]},
        {"op": "FullyConnected", "name": "b", "inputs": [[2, 0], [1, 0]]},
        {"op": "elemwise_mul", "name": "c", "inputs": [[3, 0], [0, 0]]},
        {"op": "null", "name": "bias", "inputs": []},
        {"op": "FullyConnected", "name": "d", "inputs": [[4, 0], [1, 0], [5, 0]]},
        {"op": "broadcast_add", "name": "e", "inputs": [[6, 0], [5, 0]]},
    ],
    "heads": [[7, 0, 0]],
    "attrs": {"mxnet_version": ["int", 10901]},
}
for place in (2, 3):
    SYMBOL["nodes"][place]["attrs"] = {"num_hidden": "3", "no_bias": "True"}  # type: ignore[index]
SYMBOL["nodes"][6]["attrs"] = {"num_hidden": "3"}  # type: ignore[index]


def test_weights_that_a_graph_shares_are_shared() -> None:
    program = understand(parse_symbol(json.dumps(SYMBOL)))
    values = {
        "data": np.arange(6, dtype=np.float32).reshape(2, 3),
        "w": np.arange(9, dtype=np.float32).reshape(3, 3),
        "bias": np.ones(3, np.float32),
    }
    emitted = emit(program, specs_of(program, values), ["data"])
    model = load(emitted)["Model"]()
    model.load_state_dict(weights(emitted, values))
    assert list(model.state_dict()) == ["w.weight", "d.weight", "d.bias"] or list(
        model.state_dict()
    ) == [p.key for p in emitted.parameters]
    assert len(list(model.parameters())) == 2
    x, w = values["data"], values["w"]
    wanted = (((x @ w.T) @ w.T) * x) @ w.T + 1 + 1
    (found,) = run(emitted, values, model)
    np.testing.assert_allclose(found, wanted)


def test_equal_shaped_parameters_swapped_give_something_else() -> None:
    """A negative control: each pair of parameters of one shape matters in its place."""
    (network,) = (n for n in recordings.networks() if n.name == "resnet_v1")
    emitted, _, values = emitted_network(network)
    outputs = run(emitted, values)
    names = sorted({p.source for p in emitted.parameters if p.source})
    swapped = 0
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            if values[one].shape == values[other].shape:
                found = run(emitted, {**values, one: values[other], other: values[one]})
                changed = difference(found[0], outputs[0]) > TOLERANCE
                equal = np.array_equal(values[one], values[other])
                assert changed or equal, (one, other)
                swapped += changed
    assert swapped > 20


@pytest.mark.parametrize("name", ["resnet_v1", "mobilenet_v2", "fcn", "arcface", "bert_0.8.3"])
def test_other_sizes_of_batch(name: str) -> None:
    """Twice the items give twice the outputs: no size of the recording stands in the code."""
    (network,) = (n for n in recordings.networks() if n.name == name)
    emitted, program, values = emitted_network(network)
    doubled = {n: np.concatenate([values[n], values[n]]) for n in emitted.inputs}
    outputs = run(emitted, {**values, **doubled})
    for place, (ours, theirs) in enumerate(zip(outputs, network.outputs, strict=True)):
        if ours.shape[0] == 2 * theirs.shape[0]:
            wanted = np.concatenate([theirs, theirs])
            assert difference(ours, wanted) <= TOLERANCE, program.graph.heads[place]
        else:  # a loss, the mean of all items
            assert ours.shape == theirs.shape == (1,)


def test_a_node_that_cannot_be_written_is_named() -> None:
    symbol = {
        "nodes": [
            {"op": "null", "name": "data", "inputs": []},
            {"op": "mean", "name": "whole", "inputs": [[0, 0]]},
            {"op": "round", "name": "fine", "inputs": [[0, 0]]},
            {"op": "sqrt", "name": "root\n", "inputs": [[2, 0]]},
            {"op": "Group", "name": "x", "inputs": []},
        ][:4],
        "heads": [[1, 0, 0], [3, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }
    program = understand(parse_symbol(json.dumps(symbol)))
    spec = Spec((2, 3), np.dtype(np.int32))
    specs = {Output(number, 0): spec for number in range(4)}
    with pytest.raises(GraphError) as error:
        emit(program, specs, ["data"])
    assert len(error.value.problems) == 2
    assert "whole (mean): integers are not supported" in error.value.problems
    assert "\n" not in "".join(error.value.problems)
