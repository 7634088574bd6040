"""Whole networks, as people's programs write them: every output, and every node, as recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from converter.graph.interpreter.operator import REFERENCES
from converter.graph.operators import Program, understand
from converter.graph.outputs import cut_at
from converter.graph.symbol import read_symbol
from converter.params import load_params
from tests.graph.recordings import Network, layouts, networks
from tests.graph.test_interpreter import computed

TOLERANCE = 1e-5  # of an output's largest value


def values_of(network: Network) -> dict[str, np.ndarray]:
    """The parameters by the names of their variables, and the inputs."""
    params = load_params(network.params)
    return {name.split(":")[-1]: array for name, array in params.items()} | {**network.inputs}


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, by the largest recorded value."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    largest = np.abs(wanted).max(initial=0)
    return float(
        np.abs(np.subtract(found, wanted, dtype=np.float64)).max(initial=0) / (largest or 1)
    )


@pytest.mark.parametrize("network", [*networks(), *layouts()], ids=str)
def test_every_output_of_a_network(network: Network) -> None:
    found = computed(understand(read_symbol(network.symbol)), values_of(network))
    for one, wanted in zip(found, network.outputs, strict=True):
        assert difference(one, wanted) <= TOLERANCE


@pytest.mark.parametrize("network", [n for n in networks() if n.internals], ids=str)
def test_every_node_of_a_network(network: Network) -> None:
    names = [*network.internals]
    program = understand(cut_at(read_symbol(network.symbol), names))
    found = computed(program, values_of(network))
    for name, one in zip(names, found, strict=True):
        assert difference(one, network.internals[name]) <= TOLERANCE, name


def unread(program: Program) -> set[str]:
    """Parameters of which no value matters: gamma under fix_gamma, and labels."""
    variables, found = program.variables(), set[str]()
    for call in program.calls:
        for name, source in zip(call.names, call.inputs, strict=True):
            fixed = name == "gamma" and call.attributes.get("fix_gamma")
            if source.node in variables and (fixed or name in REFERENCES[call.op].unread):
                found.add(variables[source.node])
    return found


def same(program: Program, values: Mapping[str, np.ndarray], network: Network) -> bool:
    found = computed(program, values)
    pairs = zip(found, network.outputs, strict=True)
    return all(difference(*pair) <= TOLERANCE for pair in pairs)


def test_parameters_of_one_shape_do_not_change_places() -> None:
    """Each is swapped with the next of its shape: no network computes what it did before.

    But for the two biases of an LSTM, of which only the sum counts.
    """
    seen: Counter[str] = Counter()
    silent = []
    for network in networks():
        program = understand(read_symbol(network.symbol))
        values = values_of(network)
        last: dict[tuple[int, ...], str] = {}
        for name in program.variables().values():
            if name in network.inputs or name in unread(program) or name not in values:
                continue
            shape = values[name].shape
            other, last[shape] = last.get(shape), name
            if other is None or np.array_equal(values[name], values[other]):
                continue
            swapped = {**values, name: values[other], other: values[name]}
            seen[network.name] += 1
            if same(program, swapped, network):
                silent.append((other, name))
    biases = [name for pair in silent for name in pair]
    assert all("lstm" in name or name.startswith(("left_", "right_")) for name in biases)
    assert all(name.endswith(("i2h_bias", "h2h_bias")) for name in biases)  # they are added
    assert seen.total() > 150
