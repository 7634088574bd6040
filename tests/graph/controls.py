"""Every mutant of every recorded network, and what notices it; counted.

A graph that is misread is misread by both sides of the proof. So a mutant is judged thrice: does
the proof fail where one side alone has it; do the recordings of the network by real MXNet fail
where both have it; and if not, do those of the operator, under the same change. What nothing
notices has a reason (reasons.py), which is checked.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from converter.errors import GraphError
from converter.graph.interpreter.run import computed_nodes
from converter.graph.operators import Program
from converter.graph.symbol import Output
from converter.planning.graph import GraphPlan, output_name
from converter.planning.options import Options
from converter.proof.graph.difference import ROWS, measure, measure_rows
from converter.proof.graph.inputs import sizes_to_try
from converter.proof.graph.inputs import values_of as values_of_proof
from converter.proof.graph.parity import NODE
from tests.graph import recordings
from tests.graph.converting import plan_of
from tests.graph.mutating import Ground, Mutant, drops, flips, is_refused, mutated, swaps
from tests.graph.reasons import reason_of
from tests.graph.recordings import Network
from tests.graph.test_interpreter import REFUSED, WRONG, agrees, computed, supported
from tests.graph.test_interpreter_networks import TOLERANCE, difference, values_of

# What became of a mutant
IMPOSSIBLE = "refused"
RECORDED, OPERATOR, SILENT = "the network's recordings", "the operator's", "no difference"
SURVIVES = "survives"


@dataclass(frozen=True)
class Judged:
    """A mutant, what notices it, whether the proof does too, and why nothing can."""

    mutant: Mutant
    outcome: str
    proof: bool = False
    reason: str = ""


def counts(found: Sequence[Judged]) -> dict[str, int]:
    """How many mutants there are, of each outcome, and how many fail the proof."""
    outcomes = Counter(one.outcome for one in found)
    return {
        "mutants": len(found),
        **{outcome: outcomes[outcome] for outcome in (IMPOSSIBLE, RECORDED, OPERATOR, SILENT)},
        "proof": sum(one.proof for one in found),
    }


class Judge:
    """The values of a network's nodes: with the recorded inputs, and with those of the proof."""

    def __init__(self, network: Network) -> None:
        self.plan = plan_of(network)
        self.values = values_of(network)
        program = self.plan.program
        self._recorded = Ground(program, self.values)
        self._wanted = wanted(network, self.plan)
        parameters = {k: v for k, v in self.values.items() if k not in network.inputs}
        self._proof = [
            Ground(program, {**parameters, **values_of_proof(self.plan, specs)})
            for specs in sizes_to_try(self.plan)
        ]
        self._seen = {output for line in self.plan.emitted.lines for output in line}
        self._rows = {call.number for call in program.calls if call.op in ROWS}

    def mutants(self) -> Iterator[Mutant]:
        """Every one."""
        yield from flips(self.plan.program)
        yield from drops(self.plan.program)
        yield from swaps(self.plan, self.values)

    def judged(self, mutant: Mutant) -> Judged:
        """What notices a mutant."""
        if is_refused(mutant):
            return Judged(mutant, IMPOSSIBLE)
        try:
            proof, recorded = self.proof_fails(mutant), self.recordings_fail(mutant)
        except GraphError:
            return Judged(mutant, IMPOSSIBLE)
        if recorded:
            return Judged(mutant, RECORDED, proof)
        if reason := reason_of(mutant, [self._recorded, *self._proof]):
            return Judged(mutant, SILENT, proof, reason)
        if mutant.before and noticed(mutant.kind, mutant.before.op, mutant.key, mutant.change):
            return Judged(mutant, OPERATOR, proof)
        return Judged(mutant, SURVIVES, proof)

    def proof_fails(self, mutant: Mutant) -> bool:
        """Whether parity would, were the mutant in the reference and the module right.

        The module gives what the reference gives without the mutant: no network is off by more
        than parity allows. At every node it gets the reference's numbers, so that the first one
        that is compared and differs decides. Of two tensors that are exchanged, which side has
        them so makes no difference.
        """
        if mutant.kind != "swap":
            computed = computed_nodes(mutated(self.plan.program, mutant))
            if not {output.node for output in self._seen} <= computed:
                return True  # the module computes a node that the reference leaves out
        for ground in self._proof:
            for output, array in ground.changed(mutant):
                known = ground.held[output]
                far = (measure_rows if output.node in self._rows else measure)(array, known)
                if output in self._seen and far > NODE:
                    return True
                if output in self.plan.program.graph.heads and far > Options.atol:
                    return True
        return False

    def recordings_fail(self, mutant: Mutant) -> bool:
        """Whether MXNet recorded something else of this network."""
        for output, array in self._recorded.changed(mutant):
            known = self._wanted.get(output)
            if known is None:
                continue
            if (array.shape, array.dtype) != (known.shape, known.dtype):
                return True
            if not difference(array, known) <= TOLERANCE:
                return True
        return False


def wanted(network: Network, plan: GraphPlan) -> Mapping[Output, np.ndarray]:
    """What MXNet recorded of a network's nodes: of all, or of the last."""
    program = plan.program
    names = Counter(call.name for call in program.calls)
    outputs = [Output(c.number, n) for c in program.calls for n in range(c.outputs)]
    named = {output_name(program, o): o for o in outputs if names[_node(program, o)] == 1}
    found = {named[name]: a for name, a in network.internals.items() if name in named}
    return found | dict(zip(program.graph.heads, network.outputs, strict=True))


def _node(program: Program, output: Output) -> str:
    return program.graph.nodes[output.node].name


@functools.cache
def noticed(kind: str, operator: str, key: str, change: str) -> bool:
    """Whether the recordings of an operator by real MXNet fail under the same change of it."""
    return any(
        _fails(case, program, mutant)
        for case in recordings.cases_of(operator)
        if str(case) not in REFUSED and (program := supported(case)) is not None
        for mutant in (flips if kind == "flip" else drops)(program)
        if mutant.before
        and (mutant.before.op, mutant.key, mutant.change) == (operator, key, change)
    )


def _fails(case: recordings.Case, program: Program, mutant: Mutant) -> bool:
    if is_refused(mutant):
        return False
    try:
        found = computed(mutated(program, mutant), case.values)
    except GraphError:
        return True
    return any(
        not all(agrees(case, *pair) for pair in zip(found, known, strict=True))
        for version, known in case.outputs.items()
        if (str(case), version) not in WRONG
    )
