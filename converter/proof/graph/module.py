"""The module of a written directory: only text that we write ourselves is ever executed.

The emitter makes `model.py` from checked identifiers and literals; a file on the disk may hold
anything. So the text is compared with what the emitter makes of the graph now, byte for byte, and
that very text is what runs.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from converter.errors import ConvertError
from converter.files.regular import read_regular
from converter.planning.base import MODULE_FILE
from converter.planning.graph import GraphPlan
from converter.proof import mapped

MAX_BYTES = 2**26  # of model.py
OBSERVE = "__observe__"
# What the observer gets: the number of the statement, and the values that its targets hold
Observer = Callable[[int, tuple[Any, ...]], tuple[Any, ...]]


def text_problems(plan: GraphPlan, directory: Path) -> Iterator[str]:
    """Why the `model.py` of a directory must not be run: it is not what the graph becomes."""
    expected = plan.emitted.source
    try:
        found = read_regular(directory / MODULE_FILE, MAX_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        yield f"{MODULE_FILE} cannot be read: {getattr(error, 'strerror', None) or error}"
        return
    if found == expected:
        return
    pairs = zip(found.splitlines(), expected.splitlines(), strict=False)
    line = next((n for n, (a, b) in enumerate(pairs, 1) if a != b), None)
    where = f"line {line} differs" if line else "it ends elsewhere"
    yield (
        f"{MODULE_FILE} is not what this version writes for the graph ({where}), so it was not "
        "run and nothing is proven of it: it was edited, or is of another graph or version"
    )


def load_module(plan: GraphPlan, directory: Path, observer: Observer | None = None) -> ModuleType:
    """The module that `import model` gives, run from the text that was compared.

    observer: called behind every assignment of `Model.forward`; the targets get what it returns.
    """
    tree = ast.parse(plan.emitted.source)
    if observer:
        lines = [len(outputs) for outputs in plan.emitted.lines]
        _observe(_forward(tree), lines)
    module = ModuleType("model")
    module.__dict__["__file__"] = str(directory / MODULE_FILE)
    module.__dict__[OBSERVE] = observer
    ast.fix_missing_locations(tree)
    exec(compile(tree, str(directory / MODULE_FILE), "exec"), module.__dict__)
    return module


@contextmanager
def loaded(module: ModuleType, directory: Path) -> Iterator[Any]:
    """The model that `load()` of a written module gives; it is only to be run.

    The weights of a large one stay in their file, and in memory only while they are needed: `load`
    is run on the meta device, where it compares names and shapes and copies nothing, and the
    model is given the file's tensors, mapped. Where the model has them in another dtype, `load`
    copies them, and they are in memory.
    """
    import torch
    from safetensors.torch import load_file

    files = sorted(directory.glob("model*.safetensors"))
    if sum(file.stat().st_size for file in files) > mapped.SMALL:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "for .*: copying from a non-meta parameter")
            model = module.load()
        stored = {name: tensor for file in files for name, tensor in load_file(file).items()}
        state = model.state_dict()
        floats = [tensor.dtype for tensor in state.values() if tensor.is_floating_point()]
        floats += [parameter.dtype for parameter in model.parameters()]
        same = all(stored[name].dtype == state[name].dtype for name in state)
        if same and {*floats} <= {torch.float32}:  # what is streamed is computed in float32
            model.load_state_dict(stored, assign=True)
            del stored, state
            with mapped.streamed(model, directory):
                yield model
            return
    yield module.load()


def _forward(tree: ast.Module) -> ast.FunctionDef:
    """The definition of `Model.forward`."""
    (cls,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Model")
    (found,) = (n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "forward")
    return found


def _observe(forward: ast.FunctionDef, lines: Sequence[int]) -> None:
    """Insert a call of the observer behind every assignment."""
    body: list[ast.stmt] = []
    number = 0
    for statement in forward.body:
        body.append(statement)
        if isinstance(statement, ast.Assign):
            body.append(_observation(number, statement, lines[number]))
            number += 1
    if number != len(lines):
        raise ConvertError(f"{MODULE_FILE}: has {number} assignments, and {len(lines)} are known")
    forward.body = body


def _observation(number: int, statement: ast.Assign, count: int) -> ast.stmt:
    """`(a, b) = __observe__(number, (a, b))`; of one name for several outputs, `a = …(…, a)`."""
    names = [name for name in _names(statement.targets[0]) if name != "_"]
    many = len(names) == 1 and count > 1
    if not many and len(names) != count:
        raise ConvertError(f"{MODULE_FILE}: line {statement.lineno} holds {len(names)} values")

    def targets(context: ast.expr_context) -> ast.expr:
        if many:
            return ast.Name(names[0], context)
        return ast.Tuple([ast.Name(name, context) for name in names], context)

    call = ast.Call(ast.Name(OBSERVE, ast.Load()), [ast.Constant(number), targets(ast.Load())], [])
    return ast.Assign([targets(ast.Store())], call)


def _names(target: ast.expr) -> Iterator[str]:
    """The names that a target binds, from left to right."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            yield from _names(one)
