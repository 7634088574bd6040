"""A directory broken on purpose: another graph, an edited module, a module that is wrong."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import converter
from converter.errors import ParityError
from converter.planning.options import Options
from converter.proof.graph.names import check_module_names
from converter.proof.graph.parity import check_graph_parity
from converter.writing.model import write_model
from tests.graph.converting import plan_of
from tests.graph.recordings import Network, networks

ALL = pytest.mark.parametrize("network", networks(), ids=str)


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


WHOLE = ("lenet", "char_rnn_fused")  # of which every mutant is run; of the others, some
SOME = 3
# What stands in a module and changes nothing at inference, or nothing of these sizes
UNSEEN = ("p", "momentum", "eps", "ceil_mode", "bias")
# The same of lines; no number here reaches 6, as one does in the recordings of clip
UNSEEN_LINES = re.compile(
    r".*(nn\.Dropout\(|requires_grad_\(|\.detach\(\)$| \* 1\.0$"
    r"|\.clamp\(0\.0, 6\.0\)$).*"
)


def mutants(source: str, count: int | None = None) -> Iterator[tuple[str, str]]:
    """The module with one constant changed, or one statement without its effect; what it is.

    Of all, or of so many that are spread over the module.
    """
    total = sum(1 for _ in _places(ast.parse(source)))
    for number in range(0, total, max(1, total // count) if count else 1):
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
            if UNSEEN_LINES.fullmatch(line):
                continue
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


@ALL
def test_a_wrong_module_fails(network: Network, tmp_path: Path) -> None:
    """As if the emitter were wrong: the text is its own, and what it computes is not the graph."""
    plan = plan_of(network)
    write_model(plan, tmp_path)
    unnoticed, noticed = [], 0
    count = None if network.name in WHOLE else SOME
    for told, source in mutants(plan.emitted.source, count):
        mutant = replace(plan, emitted=replace(plan.emitted, source=source))
        (tmp_path / "model.py").write_text(source)
        try:
            names = check_module_names(mutant, tmp_path)
            if names.passed and check_graph_parity(mutant, tmp_path, Options.atol).passed:
                unnoticed.append(told)
                continue
        except Exception:  # the module cannot be built
            pass
        noticed += 1
    assert noticed >= SOME
    assert not unnoticed
