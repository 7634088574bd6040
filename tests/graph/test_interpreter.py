"""The interpreter computes what real MXNet 1.5.0 and 1.9.1 recorded, node by node."""

from __future__ import annotations

import gc
import json
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.errors import GraphError
from converter.graph.interpreter import run
from converter.graph.interpreter.operator import REFERENCES
from converter.graph.operators import Program, operators, understand
from converter.graph.symbol import Output, parse_symbol, read_symbol
from converter.params import load_params
from tests.graph import recordings
from tests.graph.recordings import Case

TOLERANCE = 1e-5  # of the largest value of an output
HALF = 1e-3  # where float16 takes part: one number of it is rounded by up to 4.9e-4
MOVING = ("shape", "parts", "indexing", "creation")  # modules that compute no new number

# Cases that are refused, and why; those that operators.toml refuses are refused before
REFUSED = {
    "SoftmaxOutput:image": "MXNet's own builds disagree: the note of the recording says how",
    "SoftmaxOutput:vector": "the same",
}
# Versions of MXNet whose own arithmetic is wrong
WRONG = {("Deconvolution:dilate-all", "1.5.0"): "its own kernel, as the recording's note says"}


def computed(program: Program, values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The graph's outputs."""
    variables = program.variables().items()
    held = {Output(node, 0): values[name] for node, name in variables if name in values}
    for call, outputs in run(program, values):
        held |= {Output(call.number, n): output for n, output in enumerate(outputs)}
    return [held[head] for head in program.graph.heads]


def agrees(case: Case, found: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether an output is the recorded one."""
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return False
    if wanted.dtype.kind != "f" or REFERENCES[case.operator].function.__module__.endswith(MOVING):
        return np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f")
    half = any(array.dtype == np.float16 for array in (*case.values.values(), wanted))
    finite = np.isfinite(wanted)
    if not np.array_equal(found[~finite], wanted[~finite], equal_nan=True):
        return False
    largest = np.abs(wanted[finite], dtype=np.float64).max(initial=0)
    difference = np.abs(np.subtract(found[finite], wanted[finite], dtype=np.float64))
    return bool((difference <= largest * (HALF if half else TOLERANCE)).all())


def supported(case: Case) -> Program | None:
    """The graph of a case, or None for what operators.toml refuses."""
    try:
        return understand(parse_symbol(case.symbol))
    except GraphError as error:
        if "is not supported" not in str(error):
            raise
        return None


@pytest.mark.parametrize("operator", recordings.operators())
def test_every_recording(operator: str) -> None:
    for case in recordings.cases_of(operator):
        if (program := supported(case)) is None:
            continue
        if str(case) in REFUSED:
            with pytest.raises(GraphError):
                computed(program, case.values)
            continue
        found = computed(program, case.values)
        for version, wanted in case.outputs.items():
            agree = all(agrees(case, *pair) for pair in zip(found, wanted, strict=True))
            assert agree != ((str(case), version) in WRONG), f"{case}, MXNet {version}"


def test_the_exceptions_are_cases() -> None:
    names = {str(case) for case in recordings.cases()}
    assert names >= {*REFUSED, *(name for name, _ in WRONG)}


def test_few_recordings_are_refused() -> None:
    cases = [*recordings.cases()]
    assert len(cases) > 1500
    assert sum(supported(case) is None for case in cases) < 50


def test_every_supported_operator_and_attribute_is_known() -> None:
    supported = {op.name: op for op in operators().values() if op.supported}
    assert {*supported} == {*REFERENCES}
    for name, reference in REFERENCES.items():
        operator = supported[name]
        assert reference.attributes <= {*operator.attributes}, name
        assert {*operator.attributes} <= reference.attributes | reference.without_effect, name
        assert not reference.attributes & {*operator.ignored}, name
        assert {*operator.labels} <= reference.unread, name


def test_no_attribute_is_declared_without_effect_that_has_one() -> None:
    """What operators.toml does not ignore, and no recording shows, this module must not ignore."""
    only_here = {
        (name, attribute)
        for name, reference in REFERENCES.items()
        for attribute in reference.without_effect
        & {*operators()[name].attributes} - {*operators()[name].ignored}
    }
    assert only_here == {
        ("RNN", "lstm_state_clip_nan"),  # without the bounds, which are refused
        ("amp_multicast", "num_outputs"),  # the number of inputs
        ("add_n", "num_args"),  # the same
    }


def graph(*nodes: tuple[str, str, list[Any], dict[str, str]], heads: list[int]) -> Program:
    """A graph of (operator, name, inputs, attributes)."""
    entries = [
        {
            "op": op,
            "name": name,
            "attrs": attributes,
            "inputs": [[n, 0, 0] if isinstance(n, int) else n for n in inputs],
        }
        for op, name, inputs, attributes in nodes
    ]
    content = {
        "nodes": entries,
        "heads": [[head, 0, 0] for head in heads],
        "attrs": {"mxnet_version": ["int", 10901]},
    }
    return understand(parse_symbol(json.dumps(content)))


def test_what_no_later_call_needs_is_freed() -> None:
    names = [f"n{n}" for n in range(6)]
    program = graph(
        ("null", "data", [], {}),
        ("relu", names[0], [0], {}),
        ("exp", names[1], [1], {}),
        ("SliceChannel", names[2], [2], {"num_outputs": "2"}),
        ("elemwise_add", names[3], [[3, 1, 0], [3, 1, 0]], {}),
        ("exp", names[4], [4], {}),
        ("Concat", names[5], [5, 2], {"num_args": "2"}),
        heads=[6],
    )
    living: dict[str, list[weakref.ref[np.ndarray]]] = {}
    alive = []
    for call, outputs in run(program, {"data": np.ones((1, 4), np.float32)}):
        living[call.name] = [weakref.ref(output) for output in outputs]
        del outputs
        gc.collect()
        alive.append(
            {name for name, refs in living.items() if any(ref() is not None for ref in refs)}
        )
    assert alive == [
        {"n0"},
        {"n1"},
        {"n1", "n2"},  # n2's first output is needed by nobody
        {"n1", "n3"},
        {"n1", "n4"},
        {"n5"},
    ]


def test_a_variable_is_taken_when_a_call_needs_it_and_not_kept() -> None:
    taken: list[str] = []

    class Lazy(dict[str, np.ndarray]):
        def __getitem__(self, name: str) -> np.ndarray:
            taken.append(name)
            return super().__getitem__(name)

    one = np.ones(2, np.float32)
    program = graph(
        ("null", "a", [], {}),
        ("null", "b", [], {}),
        ("exp", "first", [0], {}),
        ("elemwise_mul", "second", [2, 1], {}),
        heads=[3],
    )
    steps = run(program, Lazy(a=one, b=one))
    next(steps)
    assert taken == ["a"]
    next(steps)
    assert taken == ["a", "b"]


def test_labels_and_what_only_they_need_are_not_computed() -> None:
    program = graph(
        ("null", "data", [], {}),
        ("null", "label", [], {}),
        ("Reshape", "labels", [1], {"shape": "(-1,)"}),
        ("SoftmaxOutput", "softmax", [0, 2], {}),
        heads=[3],
    )
    ran = [call.name for call, _ in run(program, {"data": np.zeros((2, 3), np.float32)})]
    assert ran == ["softmax"]


def test_everything_without_a_value_is_named_at_once() -> None:
    program = graph(
        ("null", "a", [], {}),
        ("null", "b\n", [], {}),
        ("elemwise_add", "sum", [0, 1], {}),
        heads=[2],
    )
    with pytest.raises(GraphError, match="no value") as error:
        next(run(program, {}))
    assert error.value.problems == ("a", "b\\n")


@pytest.mark.parametrize(
    ("op", "attributes", "shapes"),
    [
        (
            "Convolution",
            {"kernel": "(3, 3)", "num_filter": "4"},
            [(1, 2, 8, 8), (4, 3, 3, 3), (4,)],
        ),
        (
            "Convolution",
            {"kernel": "(9, 9)", "num_filter": "4"},
            [(1, 2, 4, 4), (4, 2, 9, 9), (4,)],
        ),
        ("FullyConnected", {"num_hidden": "4"}, [(1, 3), (4, 2), (4,)]),
        ("elemwise_add", {}, [(2, 3), (3, 2)]),
        ("Reshape", {"shape": "(5, -1)"}, [(2, 3)]),
        ("Concat", {"num_args": "2"}, [(2, 3), (3, 3)]),
        ("sum", {"axis": "7"}, [(2, 3)]),
        ("transpose", {"axes": "(0, 0)"}, [(2, 3)]),
        ("Pooling", {"kernel": "(2,)", "pool_type": "lp"}, [(1, 1, 4)]),
        ("slice_axis", {"axis": "1", "begin": "2", "end": "9"}, [(2, 3)]),
        ("tile", {"reps": "(-1,)"}, [(2, 3)]),
    ],
)
def test_what_does_not_fit_names_the_node(
    op: str, attributes: dict[str, str], shapes: list[tuple[int, ...]]
) -> None:
    variables: list[tuple[str, str, list[Any], dict[str, str]]]
    variables = [("null", f"v{n}", [], {}) for n in range(len(shapes))]
    program = graph(
        *variables,
        (op, "the/node\n", [*range(len(shapes))], attributes),
        heads=[len(shapes)],
    )
    values = {f"v{n}": np.zeros(shape, np.float32) for n, shape in enumerate(shapes)}
    with pytest.raises(GraphError, match=r"the/node\\n") as error:
        list(run(program, values))
    assert op in str(error.value)


def test_two_dtypes_are_not_added() -> None:
    program = graph(
        ("null", "a", [], {}),
        ("null", "b", [], {}),
        ("broadcast_add", "sum", [0, 1], {}),
        heads=[2],
    )
    with pytest.raises(GraphError, match="float32 and int32 are not the same dtype"):
        list(run(program, {"a": np.ones(2, np.float32), "b": np.ones(2, np.int32)}))


def real() -> list[Path]:
    """Graphs with what MXNet computed beside them (`X.npz`), if a folder of them is named."""
    folder = os.environ.get("BORT_CONVERT_GRAPHS")
    return sorted(Path(folder).glob("*-symbol.json")) if folder else []


@pytest.mark.parametrize("symbol", real(), ids=lambda path: path.name)
def test_real_graphs_of_a_folder(symbol: Path) -> None:
    """One more check, of files that the project must not have: BORT_CONVERT_GRAPHS names them."""
    prefix = symbol.name.removesuffix("-symbol.json")
    program = understand(read_symbol(symbol))
    with np.load(symbol.with_name(f"{prefix}.npz")) as recorded:
        wanted = [recorded[name] for name in sorted(recorded.files) if name.startswith("out_")]
        inputs = {name[3:]: recorded[name] for name in recorded.files if name.startswith("in_")}
    (params,) = symbol.parent.glob(f"{prefix}-*.params")
    values = {name.split(":")[-1]: array for name, array in load_params(params).items()}
    found = computed(program, values | inputs)
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max()
