"""`inspect` of a graph: what is in it, what is missing, what is easily got wrong."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import converter
from converter.errors import GraphError
from converter.graph.facts import GraphFacts, graph_facts
from converter.params import read_index, save_params
from converter.report.graph_inspection import graph_json, graph_lines
from tests.cli.test_main import invoke
from tests.conftest import ROOT
from tests.graph.making import LENET, Making, lenet

SCHEMA = json.loads((ROOT / "converter/report/graph_inspection.schema.json").read_text())


def norms(gammas: dict[str, float], **attributes: str) -> tuple[Making, dict[str, Any]]:
    """A BatchNorm for each gamma, one behind the other, and values for all."""
    made = Making()
    x = made.variable("data", __shape__="(1, 2, 4, 4)")
    values: dict[str, Any] = {}
    for name in gammas:
        ends = ("gamma", "beta", "moving_mean", "moving_var")
        x = made.layer("BatchNorm", name, x, *ends, **attributes)
        for end in ends:
            kind = "aux" if end.startswith("moving") else "arg"
            values[f"{kind}:{name}_{end}"] = np.full(2, gammas[name], np.float32)
    return made, values


def facts(made: Making, values: dict[str, Any], folder: Path) -> GraphFacts:
    """What is told of a graph beside its parameters; the data fits the schema."""
    save_params(folder / "net-0003.params", values, force=True)
    (folder / "net-symbol.json").write_text(made.text())
    found = converter.inspect_graph(folder / "net-symbol.json")
    jsonschema.validate(json.loads(json.dumps(graph_json(found))), SCHEMA)
    assert [*graph_lines(found)]
    return found


def arrays(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    return {f"arg:{name}": np.zeros(shape, np.float32) for name, shape in shapes.items()}


def test_a_network_is_told_with_the_shapes_that_follow(tmp_path: Path) -> None:
    found = facts(lenet(), arrays(LENET), tmp_path)
    assert found.graph.version == (1, 9, 1)
    assert found.operators == {
        "Convolution": 2, "Activation": 2, "Pooling": 2, "FullyConnected": 2, "Flatten": 1,
        "SoftmaxOutput": 1,
    }  # fmt: skip
    assert found.outputs == (("softmax_output", (1, 10)),)
    lines = [*graph_lines(found)]
    assert lines[0] == "net-symbol.json: a graph of 10 nodes, written by MXNet 1.9.1"
    assert any(line.startswith("input data: 1×1×28×28 float32 (follows from") for line in lines)
    assert lines[-4:] == [
        "output softmax_output: 1×10",
        "parameters: 8 in net-0003.params",
        "labels, which are gone at inference: softmax_label",
        "can be converted",
    ]


def test_what_is_missing_and_what_is_left_over_is_told(tmp_path: Path) -> None:
    values = arrays({**LENET, "gone": (1,)})
    del values["arg:fc1_bias"]
    found = facts(lenet(), values, tmp_path)
    lines = [*graph_lines(found)]
    assert "without a value there: fc1_bias" in lines
    assert "in the file, and not in the graph: arg:gone" in lines
    assert "can be converted" not in lines


def test_a_graph_alone_is_told_without_its_parameters(tmp_path: Path) -> None:
    path = tmp_path / "net-symbol.json"
    path.write_text(lenet().text())
    found = converter.inspect_graph(path)
    assert found.params is None
    assert "parameters: 8; no parameters file was looked at" in [*graph_lines(found)]
    assert found.outputs == (("softmax_output", None),)


def test_of_several_epochs_the_last_is_looked_at(tmp_path: Path) -> None:
    facts(lenet(), arrays(LENET), tmp_path)
    save_params(tmp_path / "net-0010.params", arrays({"fc1_bias": (10,)}))
    assert converter.inspect_graph(tmp_path / "net-symbol.json").params == "net-0010.params"


def test_an_input_that_must_be_said_and_shapes_that_do_not_fit_are_told(tmp_path: Path) -> None:
    made = Making()
    made.layer(
        "Convolution", "conv", made.variable("data"), "weight", kernel="(3, 3)", num_filter=8,
        no_bias=True,
    )  # fmt: skip
    found = facts(made, arrays({"conv_weight": (8, 3, 3, 3)}), tmp_path)
    assert found.asked == ("--input data=1,3,H,W",)
    assert "to convert it, say: --input data=1,3,H,W" in [*graph_lines(found)]
    found = facts(lenet(), arrays(LENET | {"conv1_weight": (50, 7, 5, 5)}), tmp_path)
    (misfit,) = found.misfits
    assert misfit.startswith("conv1 (Convolution): makes (?, 20, ?, ?) on one side, and (?, 7, ?, ")
    assert "conv1_weight (50, 7, 5, 5)" in misfit
    assert "cannot be converted as it is:" in [*graph_lines(found)]


def test_what_is_not_supported_is_told_by_node_and_the_rest_all_the_same(tmp_path: Path) -> None:
    made = lenet()
    made.call("Custom", "mine", (len(made.nodes) - 1, 0), made.variable("more"), op_type="x")
    found = facts(made, arrays(LENET), tmp_path)
    assert [(p.operator, p.nodes) for p in found.problems] == [("Custom", ("mine",))]
    assert [*found.inputs] == ["data", "more"]
    assert found.variables.labels == ("softmax_label",)
    assert found.outputs == (("mine_output", None),)
    assert any("--output NODE" in line for line in graph_lines(found))


# Traps


def test_a_gamma_that_mxnet_does_not_use_is_a_trap(tmp_path: Path) -> None:
    made, values = norms({"one": 1.0, "two": 0.5}, eps="1e-5")
    (trap,) = facts(made, values, tmp_path).traps
    assert (trap.kind, trap.nodes) == ("stale_gamma", ("two",))
    made, values = norms({"one": 1.0, "two": 0.5}, eps="1e-5", fix_gamma="False")
    assert not facts(made, values, tmp_path).traps


def test_an_epsilon_left_at_mxnets_default_is_a_trap(tmp_path: Path) -> None:
    made, values = norms({"one": 1.0, "two": 1.0})
    next(n for n in made.nodes if n["name"] == "two")["attrs"]["eps"] = "0.001"
    (trap,) = facts(made, values, tmp_path).traps
    assert (trap.kind, trap.nodes) == ("default_epsilon", ("one",))
    assert "(2 in all)" in trap.told


@pytest.mark.parametrize(
    ("attributes", "kinds"),
    [
        ({"pooling_convention": "full"}, ["full_pooling"]),
        ({"pooling_convention": "valid"}, []),
        ({"pooling_convention": "full", "global_pool": "True"}, []),
    ],
)
def test_pooling_that_rounds_up_is_a_trap(
    attributes: dict[str, str], kinds: list[str], tmp_path: Path
) -> None:
    made = Making()
    made.call("Pooling", "pool", made.variable("data"), kernel="(3, 3)", **attributes)
    assert [trap.kind for trap in facts(made, {}, tmp_path).traps] == kinds


def test_preprocessing_in_the_graph_is_told(tmp_path: Path) -> None:
    made = Making()
    x = made.call("_copy", "id", made.variable("data"))
    x = made.call("_minus_scalar", "minus", x, scalar=127.5)
    x = made.call("_mul_scalar", "mul", x, scalar=0.0078125)
    made.call("relu", "a", x)
    (trap,) = facts(made, {}, tmp_path).traps
    assert trap.told == "the graph itself computes, of data: minus 127.5, mul 0.0078125"
    made.call("relu", "b", (0, 0))  # something else takes the data as it is
    made.call("elemwise_add", "sum", (4, 0), (5, 0))
    assert not facts(made, {}, tmp_path).traps


def test_names_of_a_file_are_safe_on_a_terminal(tmp_path: Path) -> None:
    made = Making()
    made.call("\x1b[2J", "\x1b[1m", made.variable("\x1b[0m"))
    found = facts(made, {"arg:\x1b[3m": np.zeros(1, np.float32)}, tmp_path)
    assert found.problems[0].text.isprintable()
    result = invoke("inspect", tmp_path / "net-symbol.json")
    assert "\x1b" not in result.stdout


# The command


def test_inspect_takes_a_graph_a_folder_and_an_archive(tmp_path: Path) -> None:
    facts(lenet(), arrays(LENET), tmp_path)
    result = invoke("inspect", tmp_path / "net-symbol.json")
    assert result.exit_code == 0
    assert "can be converted" in result.stdout
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("net-0003.params", "net-symbol.json"):
            tar.add(tmp_path / name, name)
    for source in (tmp_path, archive, tmp_path / "net-0003.params"):
        result = invoke("inspect", source)
        assert "conv0_weight" in result.stdout, source
        assert "net-symbol.json: a graph of 10 nodes" in result.stdout, source
        found = json.loads(invoke("inspect", source, "--json").stdout)
        jsonschema.validate(found["graph"], SCHEMA)
        assert found["graph_unread"] is None
    found = json.loads(invoke("inspect", tmp_path / "net-symbol.json", "--json").stdout)
    assert [*found] == ["graph"]
    jsonschema.validate(found["graph"], SCHEMA)


def test_a_graph_that_cannot_be_read_hides_no_tensor(tmp_path: Path) -> None:
    facts(lenet(), arrays(LENET), tmp_path)
    (tmp_path / "net-symbol.json").write_text("{")
    result = invoke("inspect", tmp_path)
    assert "conv0_weight" in result.stdout
    assert "net-symbol.json: is no JSON" in result.stdout
    result = invoke("inspect", tmp_path / "net-symbol.json")
    assert result.exit_code == 1
    assert "net-symbol.json: is no JSON" in result.stderr


def test_a_graph_that_is_none_is_refused_by_file() -> None:
    with pytest.raises(GraphError, match=r"net-symbol\.json: is no JSON"):
        graph_facts("net-symbol.json", b"\x80")


def test_real_graphs_are_told_with_the_shapes_of_their_recordings() -> None:
    """Graphs that real MXNet wrote: each network of the fixtures is told without a problem."""
    folder = ROOT / "fixtures" / "graph" / "networks"
    symbols = sorted(folder.glob("*-symbol.json"))
    assert symbols
    for symbol in symbols:
        found = converter.inspect_graph(symbol)
        assert not found.problems, symbol
        assert not found.misfits, symbol
        if found.params:
            assert not found.variables.missing, symbol
            assert read_index(folder / found.params).tensors
