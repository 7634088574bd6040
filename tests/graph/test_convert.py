"""The whole line by the graph: recorded networks are converted, proven, and as MXNet computed."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

import converter
from converter.cli.main import main
from converter.errors import GraphError, OptionError, PlanError
from converter.files.staging import RECORD_FILE
from converter.report.record import GraphReport
from tests.graph.converting import checkpoint, recording, said
from tests.graph.making import Making
from tests.graph.recordings import Network, layouts, networks
from tests.memory import peak
from tests.report.cards import loaded

SCHEMA = json.loads(files("converter.report").joinpath("conversion.schema.json").read_text("utf-8"))
FILES = ["README.md", RECORD_FILE, "model.py", "model.safetensors"]
LENET = next(network for network in networks() if network.name == "lenet")


@pytest.mark.parametrize("network", [*networks(), *layouts()], ids=str)
def test_a_network_is_converted_and_computes_what_mxnet_computed(
    network: Network, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    converter.convert(network.params, out, way="graph", symbol=network.symbol, inputs=said(network))
    assert sorted(path.name for path in out.iterdir()) == FILES
    golden = recording(network, tmp_path / "golden.npz")
    report = converter.verify(network.params, out, symbol=network.symbol, golden=golden, atol=1e-5)
    assert isinstance(report, GraphReport)
    assert report.passed
    assert report.proof is not None
    assert report.proof.parity is not None
    assert len(report.proof.parity.runs) >= 2, "of two sizes"
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads((out / RECORD_FILE).read_text()))


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--src", str(LENET.symbol), "--dst", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "lenet-0000.params: lenet-symbol.json, a graph of 11 nodes → model.py",
        "by its graph: lenet-0000.params is of no family here",
        "input data: 1×1×20×20 float32 (follows from the weights)",
        "output: softmax_output",
    ]
    assert "bits    passed  8 tensors identical" in lines
    assert "names   passed  8 of Model in model.py" in lines
    assert lines[-1] == f"wrote {out}"
    report = json.loads(CliRunner().invoke(main, [*arguments, "--force", "--json"]).stdout)
    assert report["way"] == "graph"
    assert report["inputs"][0]["shape"] == [1, 1, 20, 20]
    dry = CliRunner().invoke(main, [*arguments[:2], "--dry-run"])
    assert dry.exit_code == 0
    assert "conv1_weight" in dry.stdout
    assert "output: softmax_output" in dry.stdout


def test_without_proof_torch_is_not_imported(tmp_path: Path) -> None:
    report = converter.convert(LENET.params, tmp_path / "out", verify=False)
    assert not report.passed
    card = (tmp_path / "out" / "README.md").read_text()
    assert "`--no-verify` was given" in card
    assert loaded(tmp_path / "out").data.library_name == "pytorch"
    assert "License: not stated" in card
    shown = repr(converter.verify(LENET.params, tmp_path / "out"))
    assert "parity  passed" in shown
    assert len(shown.split("\n")) <= 10
    facts = repr(converter.inspect_graph(LENET.symbol))
    assert facts.startswith("<GraphFacts of lenet-symbol.json: 11 nodes of ")


MEASURED = """
import sys, converter
converter.convert(*sys.argv[1:], way="graph", inputs=["data=1,4,1024"], verify=False)
"""


def test_memory_does_not_grow_with_the_weights(tmp_path: Path) -> None:
    """A packed vector of 134 MB, which becomes sixteen tensors, and a weight of 41 MB."""
    size, layers, hidden = 1024, 4, 10_000
    made = Making()
    x = made.call("SwapAxis", "turn", made.variable("data"), dim1=0, dim2=1)
    packed = made.variable("lstm_parameters")
    states = [made.call("_zeros", f"zeros{n}", shape=f"({layers}, 0, {size})") for n in range(2)]
    x = made.call(
        "RNN", "lstm", x, packed, *states, mode="lstm", num_layers=layers, state_size=size
    )
    x = made.call("Reshape", "flat", x, shape="(-3, 0)")
    made.layer("FullyConnected", "dense", x, "weight", "bias", num_hidden=hidden)
    shapes = {
        "lstm_parameters": (layers * 8 * size * (size + 1),),
        "dense_weight": (hidden, size),
        "dense_bias": (hidden,),
    }
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    taken, _ = peak(MEASURED, checkpoint(tmp_path, made, arrays), tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > 170_000_000
    assert taken < 64_000_000


def test_the_same_conversion_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        converter.convert(LENET.params, tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_cast_is_proven_and_its_rounding_said(tmp_path: Path) -> None:
    report = converter.convert(LENET.params, tmp_path / "out", dtype="float16")
    assert report.proof.bits.cast == 8
    (rounding,) = report.proof.parity.rounding
    assert 0 < rounding.relative < 0.01


def test_shards_are_loaded(tmp_path: Path) -> None:
    report = converter.convert(LENET.params, tmp_path / "out", max_shard_size=4000)
    assert len(report.files) > 1
    assert report.passed


def test_cut_at_a_node(tmp_path: Path) -> None:
    cut = ["pooling1", "conv1_output"]
    with pytest.raises(GraphError, match="say them:\n  - --input data=1,1,H,W"):
        converter.convert(LENET.params, tmp_path / "out", outputs=cut)
    report = converter.convert(
        LENET.params, tmp_path / "out", outputs=cut, inputs=["data=1,1,20,20"]
    )
    assert report.plan.outputs == ("pooling1_output", "conv1_output")
    assert report.plan.dropped["arg:fullyconnected0_weight"] == "--output cuts it off"
    golden = tmp_path / "golden.npz"
    arrays: dict[str, Any] = {
        "input:data": LENET.inputs["data"],
        "output:0": LENET.internals["pooling1_output"],
        "output:1": LENET.internals["conv1_output"],
    }
    np.savez(golden, **arrays)
    assert converter.verify(LENET.params, tmp_path / "out", golden=golden, atol=1e-5).passed


def test_what_is_said_of_the_other_way_is_refused(tmp_path: Path) -> None:
    for said_wrongly in (
        {"way": "graph", "family": "bert"},
        {"inputs": ["data=1,1,20,20"], "backbone": True},
        {"way": "table", "outputs": ["conv1"]},
    ):
        with pytest.raises(OptionError, match="said of"):
            converter.convert(LENET.params, tmp_path / "out", **said_wrongly)
    with pytest.raises(PlanError, match="of no family here"):
        converter.convert(LENET.params, tmp_path / "out", way="table")
    assert not (tmp_path / "out").exists()


def test_a_file_of_no_family_without_its_graph_names_symbol(tmp_path: Path) -> None:
    alone = tmp_path / "net-0003.params"
    alone.write_bytes(LENET.params.read_bytes())
    (tmp_path / "lenet-symbol.json").write_bytes(LENET.symbol.read_bytes())
    with pytest.raises(PlanError) as refused:
        converter.convert(alone, tmp_path / "out")
    assert "net-symbol.json" in refused.value.problems[-1]
    assert "say --symbol FILE (lenet-symbol.json is beside it" in refused.value.problems[-1]
    report = converter.convert(alone, tmp_path / "out", symbol=tmp_path / "lenet-symbol.json")
    assert report.passed


@pytest.mark.parametrize(
    ("text", "options", "told", "way"),
    [
        ('{"nodes": [', {}, "lenet-symbol.json: the graph cannot be read: is no JSON", "copy it"),
        ("", {"outputs": ["tanh"]}, "the graph cannot be cut there", "the last nodes are"),
        ("", {"inputs": ["data=1,3,20,20"]}, "do not fit", "tell, it is --input data=1,1,20,20"),
        ("", {"inputs": ["data=1,1,99,99"]}, "do not fit", "tell, it is --input data=1,1,20,20"),
        ('"Custom"', {}, "cannot be converted:", "what comes before such a node: --output"),
    ],
    ids=["no graph", "no such node", "channels", "size", "operator"],
)
def test_a_refusal_says_the_way_on_that_there_is(
    text: str, options: dict[str, Any], told: str, way: str, tmp_path: Path
) -> None:
    """No cut helps a file that cannot be read, and no copy of the file a name that is not there."""
    symbol = tmp_path / "lenet-symbol.json"
    whole = LENET.symbol.read_text()
    symbol.write_text(whole.replace('"Flatten"', text) if text == '"Custom"' else text or whole)
    with pytest.raises(GraphError) as refused:
        converter.convert(LENET.params, tmp_path / "out", symbol=symbol, way="graph", **options)
    assert told in refused.value.headline
    assert any(way in problem for problem in refused.value.problems)
    cut = any("such a node" in problem for problem in refused.value.problems)
    assert cut == (text == '"Custom"')


def test_parameters_of_another_network_say_where_to_look(tmp_path: Path) -> None:
    other = next(network for network in networks() if network.name == "fcn")
    with pytest.raises(PlanError, match="do not fit") as refused:
        converter.convert(LENET.params, tmp_path / "out", symbol=other.symbol, way="graph")
    assert "say --symbol FILE" in refused.value.problems[-1]


def test_a_family_that_fits_wins_unless_told(fixtures: Path, tmp_path: Path) -> None:
    src = fixtures / "scopes" / "gluonnlp-0.10.0" / "bort_decoder-0000.params"
    config = {"num_attention_heads": 4}
    assert converter.convert(src, tmp_path / "a", family="bort", config=config).plan.name == "bort"
    with pytest.raises(PlanError, match=r"bort_decoder-symbol\.json: --as graph"):
        converter.convert(src, tmp_path / "b", family="bort")
    with pytest.raises(GraphError, match="say them") as refused:
        converter.convert(src, tmp_path / "b", way="graph")
    assert any(line.startswith("--input ") for line in refused.value.problems)


def test_unsupported_nodes_are_refused_all_at_once(tmp_path: Path) -> None:
    text = LENET.symbol.read_text()
    symbol = tmp_path / "lenet-symbol.json"
    symbol.write_text(text.replace('"Flatten"', '"Custom"').replace('"tanh"', '"swish"'))
    params = tmp_path / "lenet-0000.params"
    params.write_bytes(LENET.params.read_bytes())
    with pytest.raises(GraphError) as refused:
        converter.convert(params, tmp_path / "out")
    told = str(refused.value)
    assert told.startswith(
        "lenet-0000.params is of no family here, and by its graph, lenet-symbol.json: the graph"
    )
    assert "flatten0 (Custom): the operator is not supported" in told
    assert "--output NODE" in told
    assert "bort-convert export" in told
    assert "Activation: act_type='swish' is not one of" in told
    assert "3 nodes (" in told
    assert not (tmp_path / "out").exists()
