"""Broken on purpose: every mutant of every recorded network is noticed, or has a reason not to be.

What notices them is counted: fixtures/graph/controls.json, made by `python -m tools.graph_controls`
and shown in docs/graph.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from converter.errors import GraphError
from converter.graph.emit import emit
from converter.graph.shapes import infer
from converter.planning.graph import GraphPlan
from converter.planning.options import Options
from converter.proof.bits import check_bits
from converter.proof.graph.parity import check_graph_parity
from converter.writing.model import write_model
from tests.graph.controls import IMPOSSIBLE, SURVIVES, Judge, Judged, counts
from tests.graph.mutating import Mutant, mutated
from tests.graph.reasons import DROPS, FLIPS
from tests.graph.recordings import ROOT, networks

COUNTS = json.loads((ROOT / "controls.json").read_text("utf-8"))
SOME = 6  # changed attributes of each network of which the module is written
ROUNDED = 2  # mutants whose outcome another build of NumPy may decide otherwise
Of = tuple[str, Judge, tuple[Judged, ...]]


@pytest.fixture(scope="module", params=networks(), ids=str)
def judged(request: pytest.FixtureRequest) -> Of:
    """Every mutant of a network; pytest runs all tests of one network before the next."""
    judge = Judge(request.param)
    return request.param.name, judge, tuple(judge.judged(mutant) for mutant in judge.mutants())


def test_every_mutant_is_noticed_or_makes_no_difference(judged: Of) -> None:
    name, _, found = judged
    assert not [str(one.mutant) for one in found if one.outcome == SURVIVES]
    here, known = counts(found), COUNTS[name]
    assert here["mutants"] == known["mutants"]
    for outcome, number in here.items():
        assert abs(number - known[outcome]) <= ROUNDED, (outcome, "run tools.graph_controls")


def sample(found: Sequence[Judged]) -> Iterator[Judged]:
    """One that the proof notices, one that it does not; of another kind in each network."""
    for proof in (True, False):
        ones = [one for one in found if one.proof == proof and one.outcome != IMPOSSIBLE]
        kinds = sorted({one.mutant.kind for one in ones})
        kind = kinds[len(found) % len(kinds)]
        ones = [one for one in ones if one.mutant.kind == kind]
        yield ones[len(found) % len(ones)]


def test_the_proof_itself_says_so(judged: Of, tmp_path: Path) -> None:
    """What controls.py computes of the proof is what the proof does: of a sample, really run."""
    _, judge, found = judged
    for number, one in enumerate(sample(found)):
        folder = tmp_path / str(number)
        folder.mkdir()
        swapped = one.mutant.kind == "swap"
        plan = exchanged(judge.plan, one.mutant) if swapped else misread(judge.plan, one.mutant)
        write_model(plan, folder)
        if swapped:
            assert check_bits(plan, folder).passed  # each tensor comes back
        parity = check_graph_parity(plan, folder, Options.atol)
        assert parity.passed != one.proof, str(one.mutant)


def misread(plan: GraphPlan, mutant: Mutant) -> GraphPlan:
    """The plan whose reference computes another call in place of one; the module is right."""
    return replace(plan, program=mutated(plan.program, mutant))


def exchanged(plan: GraphPlan, mutant: Mutant) -> GraphPlan:
    """The plan that writes two tensors of the module in each other's place."""
    a, b = mutant.steps
    instead = {a.target: b, b.target: a}
    steps = (replace(instead.get(step.target, step), target=step.target) for step in plan.steps)
    return replace(plan, steps=tuple(steps))


def test_where_the_module_stays_the_same_so_does_what_the_reference_computes(judged: Of) -> None:
    """Of a graph with another attribute another module is written, or the two agree on both."""
    _, judge, found = judged
    plan = judge.plan
    known = {**plan.parameters, **{one.name: one.spec for one in plan.inputs}}
    flips = [one for one in found if one.mutant.kind == "flip" and one.outcome != IMPOSSIBLE]
    for one in flips[:: max(1, len(flips) // SOME)]:
        program = mutated(plan.program, one.mutant)
        try:
            emitted = emit(program, infer(program, known), [*plan.emitted.inputs])
        except GraphError:
            continue  # refused before anything is written
        assert emitted.source != plan.emitted.source or not one.proof, str(one.mutant)


def test_every_reason_is_one_of_some_mutant() -> None:
    """Over all networks: a reason that nothing needs any more goes."""
    needed = {reason for one in COUNTS.values() for reason in one["reasons"]}
    assert {why for *_, why in FLIPS} | {why for *_, why in DROPS} <= needed


def test_there_are_mutants_of_every_network() -> None:
    assert COUNTS.keys() == {network.name for network in networks()}
    assert sum(one["mutants"] for one in COUNTS.values()) > 5000
    assert all(one["proof"] > 0 < one["the network's recordings"] for one in COUNTS.values())
