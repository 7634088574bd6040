"""The text of `model.py`: imports, helpers, the class, `load`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from converter.graph.emit.emitted import Emitted, Parameter
from converter.graph.emit.helpers import helpers, needed, uses
from converter.graph.emit.layout import layout
from converter.graph.emit.literals import literal
from converter.graph.emit.names import RESERVED, Names
from converter.graph.emit.naming import Naming
from converter.graph.emit.site import Statement
from converter.graph.outputs import NAMED
from converter.graph.symbol import Output

NAME = re.compile(r"(?<![.\w])[A-Za-z]\w*")
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
HEAD = '"""A network of MXNet\'s as a PyTorch module: `load()` returns it with its weights."""'
LOAD = '''\
def load(directory: str | Path | None = None) -> Model:
    """The model in eval mode, with the weights of `model.safetensors` or its shards."""
    from safetensors.torch import load_file

    directory = Path(__file__).parent if directory is None else Path(directory)
    model, weights = Model(), {}
    for file in sorted(directory.glob("model*.safetensors")):
        weights.update(load_file(file))
    model.load_state_dict(weights)
    return model.eval()'''


def write(naming: Naming) -> Emitted:
    """The whole file, and what it holds."""
    parameters = tuple(naming.parameters())
    model = "\n".join(_model(naming))
    mentioned = {*NAME.findall(model)}
    used = needed(mentioned)
    blocks = [*(helpers()[name] for name in used), model, LOAD]
    mentioned |= {name for helper in used for name in uses(helper)}
    imports = ["import math"] if "math" in mentioned else []
    imports += ["from pathlib import Path", "", "import torch"]
    if "F" in mentioned:
        imports.append("import torch.nn.functional as F")
    imports.append(f"from torch import {'Tensor, ' if 'Tensor' in mentioned else ''}nn")
    source = "\n\n\n".join(["\n".join([HEAD, "", *imports]), *blocks]) + "\n"
    return Emitted(source, parameters, naming.inputs, _unused(naming, parameters), naming.lines())


def _model(naming: Naming) -> Iterator[str]:
    """The lines of the class."""
    specs, nodes = naming.scope.specs, naming.nodes
    yield "class Model(nn.Module):"
    yield '    """Comments give the shapes that come of those in `inputs`."""'
    yield ""
    known = {
        node.name: specs[Output(n, 0)] for n, node in enumerate(nodes) if node.name in naming.inputs
    }
    inputs = ", ".join(
        f'"{name}": ({literal(known[variable].shape)}, {literal(np.dtype(known[variable].dtype))})'
        for variable, name in naming.inputs.items()
    )
    yield from layout(f"inputs = {{{inputs}}}", 4)
    yield from layout(f"outputs = {_strings(_outputs(naming))}", 4)
    construct = [*_construct(naming)]
    if construct:
        yield ""
        yield "    def __init__(self) -> None:"
        yield "        super().__init__()"
        yield from construct
    frozen = [f"self.{name}" for name, module in naming.modules() if module.frozen]
    if frozen:
        yield ""
        yield '    def train(self, mode: bool = True) -> "Model":'
        yield "        super().train(mode)"
        why = "stored statistics in training too: use_global_stats"
        yield from _each(frozen, "norm", ".eval()", why)
        yield "        return self"
    yield ""
    arguments = ", ".join(["self", *(f"{name}: Tensor" for name in naming.inputs.values())])
    heads = [naming.value(head) for head in naming.heads]
    result = "Tensor" if len(heads) == 1 else f"tuple[{', '.join(['Tensor'] * len(heads))}]"
    if len(heads) > 4:
        result = "tuple[Tensor, ...]"
    yield from layout(f"def forward({arguments}) -> {result}:", 4)
    before = ""
    for statement, targets in zip(naming.statements, naming.targets, strict=True):
        comment = _comment(naming, statement)
        text = f"{targets} = {naming.text(statement.text)}"
        yield from layout(text, 8, comment if comment != before else "")
        before = comment
    yield from layout(f"return {', '.join(heads)}", 8)


def _construct(naming: Naming) -> Iterator[str]:
    for name, piece in sorted(naming.raw, key=lambda raw: not raw[1].trained):
        dtype = np.dtype(piece.dtype)
        more = "" if dtype == np.float32 else f", dtype={literal(dtype)}"
        sizes = ", ".join(map(str, piece.shape)) or "()"
        zeros = f"torch.zeros({sizes}{more})"
        if piece.trained:
            yield from layout(f"self.{name} = nn.Parameter({zeros})", 8)
        else:
            yield from layout(f'self.register_buffer("{name}", {zeros})', 8)
    for name, module in naming.modules():
        yield from layout(f"self.{name} = {module.constructor}", 8)
        for tensor, first in naming.ties:
            if tensor.rpartition(".")[0] == name:
                yield from layout(f"self.{tensor} = self.{first}", 8)
    fixed = [
        f"self.{name}.{key}"
        for name, module in naming.modules()
        for key, piece in module.pieces
        if not piece.trained and key not in BUFFERS
    ]
    yield from _each(fixed, "tensor", ".requires_grad_(False)", "not trained, as in MXNet")


def _each(values: list[str], name: str, call: str, why: str) -> Iterator[str]:
    """One call for every one of these values."""
    if len(values) == 1:
        yield from layout(values[0] + call, 8, why)
    elif values:
        yield from layout(f"for {name} in ({', '.join(values)}):", 8, why)
        yield f"            {name}{call}"


def _comment(naming: Naming, statement: Statement) -> str:
    """The shapes of what a statement computes, with the dtypes that are not float32."""
    found = []
    for output in statement.outputs():
        spec = naming.scope.specs.get(output)
        if output not in naming.values or spec is None:
            continue
        dtype = np.dtype(spec.dtype)
        found.append(literal(tuple(spec.shape)) + ("" if dtype == np.float32 else f" {dtype}"))
    return found[0] + f" × {len(found)}" if len({*found}) == 1 < len(found) else ", ".join(found)


def _outputs(naming: Naming) -> list[str]:
    """The outputs' names as MXNet lists them: a node's name and `_output`."""
    taken = Names(frozenset(RESERVED))
    found = []
    calls = {call.number: call for call in naming.scope.program.calls}
    for head in naming.scope.program.graph.heads:
        node, call = naming.nodes[head.node], calls.get(head.node)
        ending = ""
        if call is not None:
            named = NAMED.get(call.op, ())
            numbered = f"output{head.number}" if call.outputs > 1 else "output"
            ending = f"_{named[head.number] if len(named) == call.outputs else numbered}"
        found.append(taken.new(f"{node.name}{ending}", "output"))
    return found


def _strings(values: list[str]) -> str:
    return (
        "("
        + "".join(f'"{value}", ' for value in values).removesuffix(
            " " if len(values) == 1 else ", "
        )
        + ")"
    )


def _unused(naming: Naming, parameters: tuple[Parameter, ...]) -> dict[str, str]:
    """The variables that no tensor of the module holds, and why."""
    held = {parameter.source for parameter in parameters} | naming.inputs.keys()
    return {
        node.name: naming.scope.reasons.get(node.name, "no output needs it at inference")
        for node in naming.nodes
        if node.is_variable and node.name not in held
    }
