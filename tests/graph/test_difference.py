"""How outputs are compared: in their order, and as rows where a rounding decides the order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converter.planning.file import plan_file
from converter.planning.graph import GraphPlan
from converter.proof.graph.difference import measure, measure_rows
from converter.proof.graph.parity import compare_outputs
from tests.graph.converting import checkpoint
from tests.graph.making import Making

BOXES = np.array([[[9, 1, 2, 3], [8, 4, 5, 6], [7, 7, 8, 9]]], np.float32)
OTHER = [
    ("in order", BOXES, 0),
    ("two swapped", BOXES[:, [1, 0, 2]], 0),
    ("one twice", BOXES[:, [0, 0, 2]], 3 / 9),
    ("a number changed", BOXES + np.array([0, 0, 0, 0.9], np.float32), 0.1),
    ("another shape", BOXES[:, :2], np.inf),
]


@pytest.mark.parametrize(("name", "made", "wanted"), OTHER)
def test_rows_are_compared_with_the_nearest(name: str, made: np.ndarray, wanted: float) -> None:
    assert measure_rows(made, BOXES) == pytest.approx(wanted)
    assert (measure(made, BOXES) > 0) == (name != "in order")


@pytest.mark.parametrize("op", ["topk", "sort"])
def test_only_what_topk_picks_may_have_moved_and_by_one_place(op: str, tmp_path: Path) -> None:
    made = Making()
    x = made.layer(
        "FullyConnected",
        "dense",
        made.variable("data"),
        "weight",
        num_hidden=3,
        no_bias=True,
        flatten=False,
    )
    attributes = {"k": 3, "ret_typ": "value"} if op == "topk" else {}
    picked = made.call(op, "picked", x, axis=1, **attributes)
    made.call("relu", "out", picked)
    path = checkpoint(tmp_path, made, {"dense_weight": np.eye(3, dtype=np.float32)})
    plan = plan_file(path, way="graph", inputs=["data=1,3,3"])
    assert isinstance(plan, GraphPlan)
    (head,) = plan.program.graph.heads
    boxes = BOXES[..., :3]
    (found,) = compare_outputs(plan, {head: boxes[:, [1, 0, 2]]}, {head: boxes})
    assert (found.rows, found.relative == 0) == (op == "topk", op == "topk")
    for other in ([0, 0, 2], [1, 2, 0], [2, 1, 0]):
        (found,) = compare_outputs(plan, {head: boxes[:, other]}, {head: boxes})
        assert found.relative > 0.1


def test_numbers_without_rows_are_compared_in_order() -> None:
    """Places of shape (batch, k): an item of the batch is no row."""
    places = np.array([[3, 1], [2, 0]], np.float32)
    assert measure_rows(places[::-1], places, within=1) == measure(places[::-1], places) > 0
