"""Broken on purpose: whatever is wrong after a conversion, or in one side of the proof, is noticed.

Counted over the recorded networks; a change that nothing can show is listed with its reason.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.errors import ConvertError, GraphError, ParityError
from converter.graph.attributes import Attribute
from converter.graph.operators import Program, operators
from converter.planning.graph import GraphPlan
from converter.planning.options import Options
from converter.planning.steps import Step
from converter.proof.bits import check_bits
from converter.proof.graph.module import text_problems
from converter.proof.graph.names import check_module_names
from converter.proof.graph.parity import GraphParity, check_graph_parity
from converter.writing.model import write_model
from tests.graph.converting import plan_of
from tests.graph.recordings import Network, networks
from tests.graph.test_interpreter_mutants import SILENT as SILENT_IN_CASES

QUICK = ("lenet", "char_rnn_fused")
# The other networks are not counted yet: some mutants there change nothing, and are to be told
ALL = [pytest.param(one, id=one.name) for one in networks() if one.name in QUICK]


def written(network: Network, folder: Path) -> GraphPlan:
    folder.mkdir()
    plan = plan_of(network)
    write_model(plan, folder)
    return plan


def parity_of(plan: GraphPlan, folder: Path) -> GraphParity | None:
    """None where the reference cannot compute what is asked."""
    try:
        return check_graph_parity(plan, folder, Options.atol)
    except GraphError:
        return None


def other(value: Any, attribute: Attribute) -> Iterator[Any]:
    """Other values of an attribute of the same type."""
    if isinstance(value, bool):
        yield not value
    elif attribute.type in ("enum", "dtype"):
        yield from [one for one in attribute.values if one != value][:2]
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        yield value * 2 if value else 1.5
    elif isinstance(value, tuple) and value and all(isinstance(one, int) for one in value):
        yield (value[0] + 1, *value[1:])


# Beside those of test_interpreter_mutants.py: attributes that change nothing in these graphs
SILENT_HERE: Mapping[tuple[str, str], str] = {
    ("_zeros", "dtype"): "zeros of any kind",
    ("Embedding", "dtype"): "the weight's own",
    ("RNN", "lstm_state_clip_nan"): "without clipping",
    ("RNN", "p"): "of training",
    ("RNN", "state_outputs"): "nobody takes the states",
    ("Dropout", "p"): "of training",
    ("BatchNorm", "momentum"): "of training",
}
SILENT = {**SILENT_IN_CASES, **SILENT_HERE}


@pytest.mark.parametrize("network", ALL)
def test_every_attribute_flipped_after_the_conversion(network: Network, tmp_path: Path) -> None:
    """The graph on the disk is not the one that was converted: what was written is not its own."""
    written(network, tmp_path / "out")
    content = json.loads(network.symbol.read_text())
    symbol = tmp_path / "symbol.json"
    noticed = Counter[str]()
    for node in content["nodes"]:
        stated: dict[str, str] = next(
            (node[k] for k in ("param", "attr", "attrs") if node.get(k)), {}
        )
        operator = operators().get(node["op"])
        for key, text in [*stated.items()] if operator else []:
            attribute = operator.attributes.get(key) if operator else None
            if not operator or attribute is None or key in operator.ignored:
                continue
            for value in other(attribute.read(text), attribute):
                stated[key] = str(value)
                symbol.write_text(json.dumps(content))
                try:
                    plan = plan_of(replace(network, symbol=symbol))
                    told = [*text_problems(plan, tmp_path / "out")]
                except ConvertError:
                    noticed["refused"] += 1
                else:
                    same = not told
                    assert not same or (operator.name, key) in SILENT, (node["name"], key, value)
                    noticed["silent" if same else "written otherwise"] += 1
                stated[key] = text
    assert noticed["written otherwise"], noticed


def test_verify_says_that_the_graph_is_another(tmp_path: Path) -> None:
    (network,) = (one for one in networks() if one.name == "lenet")
    converter.convert(network.params, tmp_path / "out", verify=False)
    symbol = tmp_path / "lenet-symbol.json"
    symbol.write_text(
        network.symbol.read_text().replace('"pool_type": "max"', '"pool_type": "avg"')
    )
    with pytest.raises(ParityError) as failed:
        converter.verify(network.params, tmp_path / "out", symbol=symbol)
    (problem,) = failed.value.report.proof.names.problems
    assert re.search(r"model\.py is not what this version writes .*\(line \d+ differs\)", problem)
    assert failed.value.report.proof.parity is None


def test_an_edited_module_is_not_run(tmp_path: Path) -> None:
    (network,) = (one for one in networks() if one.name == "lenet")
    out = tmp_path / "out"
    converter.convert(network.params, out, verify=False)
    written_text = (out / "model.py").read_text()
    for edited in (
        f"open({str(tmp_path / 'run')!r}, 'w')\n{written_text}",
        written_text + f"\nopen({str(tmp_path / 'run')!r}, 'w')\n",
        written_text.replace("\n", "\r\n"),
        "",
    ):
        (out / "model.py").write_text(edited, newline="")
        with pytest.raises(ParityError) as failed:
            converter.verify(network.params, out)
        assert "so it was not run" in failed.value.report.proof.names.problems[0]
        assert failed.value.report.proof.unchanged.problems
        assert not (tmp_path / "run").exists()
    (out / "model.py").unlink()
    with pytest.raises(ParityError):
        converter.verify(network.params, out)


def misread(plan: GraphPlan, number: int, **changed: Any) -> GraphPlan:
    """The plan whose reference computes another call in place of one."""
    calls = [*plan.program.calls]
    calls[number] = replace(calls[number], **changed)
    return replace(plan, program=Program(plan.program.graph, tuple(calls)))


@pytest.mark.parametrize("network", ALL)
def test_every_attribute_misread_by_one_side(network: Network, tmp_path: Path) -> None:
    """The module is of the right graph and the reference computes another: parity fails."""
    plan = written(network, tmp_path / "out")
    noticed = 0
    for number, call in enumerate(plan.program.calls):
        for key, value in call.attributes.items():
            if key in call.operator.ignored:
                continue
            for changed in other(value, call.operator.attributes[key]):
                attributes = {**call.attributes, key: changed}
                parity = parity_of(misread(plan, number, attributes=attributes), tmp_path / "out")
                if parity is None or not parity.passed:
                    noticed += 1
                else:
                    assert (call.op, key) in SILENT, (call.name, key, changed)
    assert noticed >= len(plan.program.calls) / 4, noticed


@pytest.mark.parametrize("network", ALL)
def test_every_node_dropped_from_one_side(network: Network, tmp_path: Path) -> None:
    plan = written(network, tmp_path / "out")
    copy = operators()["_copy"]
    noticed = 0
    for number, call in enumerate(plan.program.calls):
        if not call.inputs or call.op in NOTHING:
            continue
        nothing = {"operator": copy, "names": ("data",), "attributes": {}}
        mutant = misread(plan, number, inputs=call.inputs[:1], **nothing)
        parity = parity_of(mutant, tmp_path / "out")
        assert parity is None or not parity.passed, call.name
        noticed += 1
    assert noticed


# Operators that give what they take at inference
NOTHING = ("Dropout", "_copy", "BlockGrad", "MakeLoss", "LinearRegressionOutput", "Cast")


@pytest.mark.parametrize("network", ALL)
def test_every_pair_of_equal_shapes_exchanged(network: Network, tmp_path: Path) -> None:
    """Bits cannot tell: each tensor comes back. Parity fails."""
    plan = plan_of(network)
    steps = [step for step in plan.steps if step.source]
    pairs = [(a, b) for a, b in combinations(steps, 2) if a.shape == b.shape]
    for number, (a, b) in enumerate(pairs):
        folder = tmp_path / str(number)
        folder.mkdir()
        swapped = {a.target: b, b.target: a}
        moved = tuple(
            replace(swapped[s.target], target=s.target) if s.target in swapped else s
            for s in plan.steps
        )
        mutant = replace(plan, steps=moved)
        write_model(mutant, folder)
        assert check_bits(mutant, folder).passed
        if _alike(a, b):
            continue
        assert not check_graph_parity(mutant, folder, Options.atol).passed, (a.target, b.target)


def _alike(a: Step, b: Step) -> bool:
    """Whether an exchange changes nothing: one tensor twice, or two biases that are added."""
    added = {a.target.replace("bias_ih", "bias_hh")} == {b.target.replace("bias_ih", "bias_hh")}
    return added or (a.source == b.source and (a.part, a.number) == (b.part, b.number))


# What stands in a module and changes nothing at inference, or nothing of these sizes
UNSEEN = ("p", "momentum", "eps", "ceil_mode", "bias")


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """The module with one constant changed, or one statement without its effect; what it is."""
    count = sum(1 for _ in _places(ast.parse(source)))
    for number in range(count):
        tree = ast.parse(source)
        node, told = next(itertools.islice(_places(tree), number, None))
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, bool):
                node.value = not value
            elif isinstance(value, int):
                node.value = value + 1
            elif isinstance(value, float):
                node.value = value * 2 or 1.0
        elif isinstance(node, ast.BinOp):
            node.left, node.right = node.right, node.left
        elif isinstance(node, ast.Assign):
            taken = next((n for n in ast.walk(node.value) if _is_value(n)), None)
            if taken is None:
                continue
            node.value = ast.Name(taken.id, ast.Load())  # type: ignore[attr-defined]
        yield told, ast.unparse(tree)


def _is_value(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id not in ("self", "torch", "F", "nn", "math")


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """What is changed, of `Model.__init__` and `Model.forward`."""
    (model,) = (n for n in tree.body if isinstance(n, ast.ClassDef))
    for function in (n for n in model.body if isinstance(n, ast.FunctionDef)):
        if function.name not in ("__init__", "forward"):
            continue
        for statement in function.body:
            line = ast.unparse(statement)
            for node in ast.walk(statement):
                if isinstance(node, ast.keyword) and node.arg in UNSEEN:
                    for inner in ast.walk(node.value):
                        inner.unseen = True  # type: ignore[attr-defined]
            for node in ast.walk(statement):
                number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
                if number and not hasattr(node, "unseen"):
                    yield node, line
                turned = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div)
                if turned:
                    yield node, line
            if isinstance(statement, ast.Assign) and function.name == "forward":
                yield statement, line


@pytest.mark.parametrize("network", ALL)
def test_a_wrong_module_fails(network: Network, tmp_path: Path) -> None:
    """As if the emitter were wrong: the text is its own, and what it computes is not the graph."""
    plan = written(network, tmp_path / "out")
    unnoticed, noticed = [], 0
    for told, source in mutants(plan.emitted.source):
        mutant = replace(plan, emitted=replace(plan.emitted, source=source))
        (tmp_path / "out" / "model.py").write_text(source)
        try:
            names = check_module_names(mutant, tmp_path / "out")
            if names.passed and check_graph_parity(mutant, tmp_path / "out", Options.atol).passed:
                unnoticed.append(told)
                continue
        except Exception:  # the module cannot be built
            pass
        noticed += 1
    assert noticed >= 10, noticed
    assert not unnoticed
