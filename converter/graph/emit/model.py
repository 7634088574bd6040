"""From a program to `model.py`: rules give each call its text, and what is needed gets a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from converter.errors import GraphError, safe
from converter.graph.emit import rules as _rules  # noqa: F401 (each registers itself)
from converter.graph.emit.emitted import Emitted
from converter.graph.emit.naming import Naming
from converter.graph.emit.site import RULES, VALUE, Scope, Site, Spec, Statement
from converter.graph.emit.template import fill
from converter.graph.emit.text import write
from converter.graph.operators import Program
from converter.graph.symbol import Output
from converter.graph.variables import needed_nodes


def emit(program: Program, specs: Mapping[Output, Spec], inputs: Collection[str]) -> Emitted:
    """The module that computes `program`, as text.

    `specs`: shape and dtype of every output that is needed, variables included. `inputs`: the names
    of the variables that the caller gives; the rest are parameters, or labels that only training
    takes.
    Raises `GraphError` with every node that cannot be written.
    """
    scope = Scope(program, specs, frozenset(inputs))
    calls = {call.number: call for call in program.calls}
    statements: list[Statement] = []
    same: dict[Output, Output] = {}  # outputs that are another's value
    problems: list[str] = []
    needed = needed_nodes(program)
    for call in (call for call in program.calls if call.number in needed):
        site = Site(call, scope, calls)
        try:
            found = _expression(site)
        except GraphError as error:
            problems += error.problems or (error.headline,)
            continue
        text, pattern = found if isinstance(found, tuple) else (found, "")
        text = VALUE.sub(lambda m: _value(same, Output(int(m[1]), int(m[2]))), text)
        if alias := VALUE.fullmatch(text):
            same[Output(call.number, 0)] = Output(int(alias[1]), int(alias[2]))
        else:
            statements.append(Statement(call, text, pattern))
    if problems:
        raise GraphError("the graph cannot be converted:", problems, nodes=True)
    heads = [same.get(head, head) for head in program.graph.heads]
    return write(Naming(scope, _needed(statements, heads), heads))


def _value(same: Mapping[Output, Output], output: Output) -> str:
    output = same.get(output, output)
    return f"\ue000{output.node}.{output.number}\ue001"


def _expression(site: Site) -> str | tuple[str, str]:
    operator = site.call.operator
    if operator.emit:
        return fill(operator.emit, site)
    if (found := RULES.get(operator.name)) is None:
        raise GraphError(f"{safe(site.call.name)} ({operator.name}): the operator is not supported")
    return found(site)


def _needed(statements: list[Statement], heads: list[Output]) -> list[Statement]:
    """The statements that the outputs need, in order."""
    needed = {head.node for head in heads}
    kept = []
    for statement in reversed(statements):
        if statement.call.number in needed:
            kept.append(statement)
            needed.update(output.node for output in statement.takes())
    return kept[::-1]
