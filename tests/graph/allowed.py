"""What may stand in a generated `model.py`, whatever the graph: used by tests and by fuzzing.

Nothing of a graph but its structure, checked identifiers and literals may reach the source. So its
AST consists of few node types, names that it defines itself, and functions listed here.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import string
import tokenize
from collections.abc import Mapping
from importlib.resources import files

IMPORTS = {
    "import math",
    "from pathlib import Path",
    "import torch",
    "import torch.nn.functional as F",
    "from torch import Tensor, nn",
    "from torch import nn",
}
STATEMENTS = (ast.Assign, ast.Return, ast.Expr, ast.For)
EXPRESSIONS = (
    *(ast.Call, ast.Attribute, ast.Name, ast.Constant, ast.Tuple, ast.List, ast.Dict),
    *(ast.Subscript, ast.Slice, ast.UnaryOp, ast.BinOp, ast.Compare, ast.keyword, ast.expr_context),
    *(ast.operator, ast.unaryop, ast.cmpop),
)
BUILTINS = {"sum", "int", "tuple", "super"}
TEXTS = {  # all strings that a call may have, beside the names of buffers
    *("trunc", "floor", "bilinear", "replicate", "reflect", "relu", "wrap", "raise", "clip"),
    *("max", "avg", "sum", "lp", "valid", "full", "same", "corner", "center"),
}
TORCH = """
Tensor abs acos arange arccos arccosh arcsin arcsinh arctan arctanh bfloat16 bool cat ceil clamp cos
cosh deg2rad diag div dot erf erfinv exp expm1 eye float16 float32 float64 floor full full_like
hypot inf int32 int64 int8 lgamma linalg log log10 log1p log2 log_softmax logical_and logical_or
logical_xor matmul maximum minimum mul ones ones_like pow rad2deg reciprocal rsqrt sigmoid sign sin
sinh softmax sort sqrt square stack tan tanh tensor tensordot topk trunc uint8 vector_norm where
zeros zeros_like
"""
FUNCTIONAL = """
adaptive_avg_pool2d avg_pool1d avg_pool2d avg_pool3d conv1d conv2d conv3d conv_transpose1d
conv_transpose2d conv_transpose3d elu embedding gelu grid_sample group_norm instance_norm
interpolate layer_norm leaky_relu linear local_response_norm max_pool1d max_pool2d max_pool3d pad
prelu relu selu softplus softsign
"""
METHODS = """
amax amin argmax argmin bool chunk clamp detach device diagonal double expand expand_as flatten flip
float half int long mean movedim nan_to_num nansum numel permute pow prod repeat_interleave reshape
scatter shape sqrt square squeeze sum t tensor_split tile to transpose tril triu unbind unsqueeze
"""
MODULES = """
BatchNorm1d BatchNorm2d BatchNorm3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d
ConvTranspose3d Dropout Embedding GRU GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LSTM
LayerNorm Linear Module PReLU Parameter RNN RReLU
"""
OF = {"torch": set(TORCH.split()), "F": set(FUNCTIONAL.split()), "nn": set(MODULES.split())}
COMMENT = re.compile(
    r"# (not trained, as in MXNet|stored statistics in training too: use_global_stats"
    r"|\([0-9, ]*\)( [a-z]+[0-9]*)?(, \([0-9, ]*\)( [a-z]+[0-9]*)?)*( × [0-9]+)?)"
)
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}", re.ASCII)


def check(source: str) -> None:
    """Raise `AssertionError` for a source that has anything else in it."""
    assert not {*source} - {*string.printable[:95], "\n", "×", "²"}, "an odd character"
    tree = ast.parse(source)
    known = _helpers()
    within: set[int] = set()  # lines of helpers, whose comments are theirs
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in known:
            within |= {*range(node.lineno, (node.end_lineno or 0) + 1)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.start[0] not in within:
            assert COMMENT.fullmatch(token.string), token.string
    docstring, *body = tree.body
    assert isinstance(docstring, ast.Expr)
    helpers = set()
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert ast.unparse(node) in IMPORTS, ast.unparse(node)
        elif isinstance(node, ast.FunctionDef) and node.name in known:
            assert ast.dump(node) == known[node.name], node.name
            helpers.add(node.name)
        elif isinstance(node, ast.ClassDef):
            _check_model(node, helpers)
        else:
            assert isinstance(node, ast.FunctionDef), ast.unparse(node)
            assert node.name == "load", node.name


@functools.cache
def _helpers() -> Mapping[str, str]:
    """The helpers' ASTs, by name."""
    found = {}
    for file in (files("converter.graph") / "runtime").iterdir():
        if file.name.endswith(".py"):
            for node in ast.parse(file.read_text("utf-8")).body:
                if isinstance(node, ast.FunctionDef):
                    found[node.name] = ast.dump(node)
    return found


def _check_model(model: ast.ClassDef, helpers: set[str]) -> None:
    assert model.name == "Model"
    assert [ast.unparse(base) for base in model.bases] == ["nn.Module"]
    functions = [node for node in model.body if isinstance(node, ast.FunctionDef)]
    assert {f.name for f in functions} <= {"__init__", "train", "forward"}
    members = {
        target.attr
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    }
    members |= {
        str(node.args[0].value)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "self.register_buffer"
        and isinstance(node.args[0], ast.Constant)
    }
    assert all(IDENTIFIER.fullmatch(name) for name in members), members
    for node in model.body:
        if isinstance(node, ast.FunctionDef):
            _check_function(node, members, helpers)
        elif isinstance(node, ast.Assign):  # inputs and outputs
            assert ast.unparse(node.targets[0]) in ("inputs", "outputs")
            for value in ast.walk(node.value):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    assert IDENTIFIER.fullmatch(value.value), value.value
                else:
                    _check_expression(value, set(), members, helpers)
        else:
            assert isinstance(node, ast.Expr), ast.unparse(node)  # the docstring
            assert isinstance(node.value, ast.Constant)


def _check_function(function: ast.FunctionDef, members: set[str], helpers: set[str]) -> None:
    arguments = {argument.arg for argument in function.args.args}
    taken = function.args
    more = [*taken.kwonlyargs, *taken.posonlyargs, taken.vararg, taken.kwarg]
    assert not any(more), "forward has arguments of other kinds"
    assert not function.decorator_list
    known = {*arguments, "norm", "tensor"} | {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for name in known - {"_"}:
        assert IDENTIFIER.fullmatch(name), name
    assert not known & (helpers | OF.keys() | BUILTINS), known
    for statement in function.body:
        assert isinstance(statement, STATEMENTS), ast.unparse(statement)
        for node in ast.walk(statement):
            if not isinstance(node, STATEMENTS):
                _check_expression(node, known, members, helpers)


def _check_expression(node: ast.AST, known: set[str], members: set[str], helpers: set[str]) -> None:
    assert isinstance(node, EXPRESSIONS), ast.dump(node)[:200]
    if isinstance(node, ast.Name):
        names = known | helpers | BUILTINS | OF.keys()
        assert node.id in names, node.id
    elif isinstance(node, ast.Attribute):
        base = ast.unparse(node.value)
        if base == "self":
            allowed = members | {"training", "register_buffer"}
        elif base in OF:
            allowed = OF[base]
        elif base == "torch.linalg":
            allowed = {"vector_norm"}
        elif base == "super()":
            allowed = {"__init__", "train"}
        else:
            allowed = {*METHODS.split(), "requires_grad_", "eval"}
            if base.startswith("self."):
                allowed |= {"weight", "bias", "running_mean", "running_var"}
        assert node.attr in allowed, f"{base}.{node.attr}"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        assert node.value in TEXTS | members, node.value
    elif isinstance(node, ast.Constant):
        assert node.value is None or isinstance(node.value, (bool, int, float)), node.value
