"""Recurrent layers, and operators along time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from converter.graph.emit.literals import literal
from converter.graph.emit.rules.layers import keywords
from converter.graph.emit.site import Piece, Site, rule
from converter.graph.symbol import Output

MODES = {
    "lstm": ("nn.LSTM", 4, ""),
    "gru": ("nn.GRU", 3, ""),
    "rnn_tanh": ("nn.RNN", 1, ""),
    "rnn_relu": ("nn.RNN", 1, 'nonlinearity="relu"'),
}


@dataclass(frozen=True)
class Part:
    """Values [start, start + size) of a variable, as part of a packed vector."""

    output: Output
    start: int
    size: int


@rule("RNN")
def rnn(site: Site) -> tuple[str, str]:
    """`nn.LSTM`, `nn.GRU` or `nn.RNN`; gates stand in the same order as PyTorch's.

    MXNet packs all weights, then all biases, by layer, direction, input and hidden
    (apache/mxnet 1.9.1, `src/operator/rnn-inl.h`). A state of zeros is PyTorch's default.
    """
    site.one_dtype()
    a = site.attributes
    kind, gates, more = MODES[a["mode"]]
    inside, hidden, layers = site.shape()[-1], a["state_size"], a["num_layers"]
    directions = 2 if a["bidirectional"] else 1
    if site.rank() != 3 or min(hidden, layers) < 1:
        raise site.refuse(f"state_size={hidden}, num_layers={layers}, {site.rank()} axes")
    projected = a["projection_size"] or 0
    if projected and a["mode"] != "lstm":
        raise site.refuse("projection_size without mode=lstm")
    shapes, state = [], projected or hidden
    for layer in range(layers):
        size = inside if layer == 0 else state * directions
        weights = [(gates * hidden, size), (gates * hidden, state)]
        shapes += (weights + [(projected, hidden)] * bool(projected)) * directions
    shapes += [(gates * hidden,)] * (2 * layers * directions)
    pieces = _unpacked(site, shapes)
    each = 3 if projected else 2
    biases = pieces[each * layers * directions :]
    named = {}
    for layer in range(layers):
        for direction in range(directions):
            at = layer * directions + direction
            end = f"l{layer}{'_reverse' if direction else ''}"
            tensors = pieces[each * at : each * (at + 1)]
            named[f"weight_ih_{end}"], named[f"weight_hh_{end}"] = tensors[:2]
            named[f"bias_ih_{end}"], named[f"bias_hh_{end}"] = biases[2 * at : 2 * at + 2]
            if projected:
                named[f"weight_hr_{end}"] = tensors[2]
    options = {
        "num_layers": (str(layers), "1"),
        "dropout": (literal(a["p"] if layers > 1 else 0.0), "0.0"),
        "bidirectional": (literal(directions == 2), "False"),
        "proj_size": (str(projected), "0"),
    }
    arguments = [str(inside), str(hidden), *keywords(options), *([more] if more else [])]
    module = site.module(kind, arguments, named)
    states = [name for name in ("state", "state_cell") if site.has(name)]
    given = ""
    if not all(_zeros(site, name) for name in states):
        texts = [site[name] for name in states]
        given = f", ({', '.join(texts)})" if len(texts) > 1 else f", {texts[0]}"
    pattern = "{}, _"
    if a["state_outputs"]:
        pattern = "{}, ({}, {})" if a["mode"] == "lstm" else "{}, {}"
    return f"{module}({site['data']}{given})", pattern


def _zeros(site: Site, name: str) -> bool:
    """Whether a state is `_zeros`."""
    output = site.call.input(name)
    call = None if output is None else site.calls.get(output.node)
    return call is not None and call.op == "_zeros"


def _unpacked(site: Site, shapes: list[tuple[int, ...]]) -> list[Piece]:
    """The packed vector as tensors of these shapes. Raises `GraphError` where that cannot be."""
    packed = site.call.input("parameters")
    assert packed is not None
    parts = [*_parts(site, packed)]
    wanted = sum(map(math.prod, shapes))
    if sum(part.size for part in parts) != wanted:
        raise site.refuse(f"its parameters are not {wanted} values of parameters of the file")
    pieces = []
    for shape in shapes:
        size, part = math.prod(shape), parts[0]
        if part.size < size:
            raise site.refuse("its parameters are joined in an order that is not supported")
        variable = site.scope.variable(part.output)
        dtype = site.scope.specs[part.output].dtype
        pieces.append(Piece(shape, dtype, variable, part.start, part.start + size))
        rest = Part(part.output, part.start + size, part.size - size)
        parts[:1] = [rest] if rest.size else []
    return pieces


def _parts(site: Site, output: Output) -> Iterator[Part]:
    """The variables that a packed vector is made of, through reshaping and joining."""
    if site.scope.variable(output) is not None:
        yield Part(output, 0, math.prod(site.scope.specs[output].shape))
        return
    call = site.calls.get(output.node)
    if call is not None and call.op in ("Reshape", "Flatten", "_copy"):
        yield from _parts(site, call.inputs[0])
    elif (
        call is not None
        and call.op in ("Concat", "_rnn_param_concat")
        and all(len(site.scope.specs[i].shape) == 1 for i in call.inputs)
    ):
        for i in call.inputs:
            yield from _parts(site, i)
    else:
        raise site.refuse("its parameters are computed: not supported")


@rule("SequenceMask")
def sequence_mask(site: Site) -> str:
    """Values behind each sequence's end replaced."""
    if not site.has("sequence_length"):
        return site["data"]
    return f"sequence_mask({_lengths(site)}, {literal(site.attributes['value'])}{_axis(site)})"


@rule("SequenceLast")
def sequence_last(site: Site) -> str:
    """Each sequence's last value."""
    if not site.has("sequence_length"):
        return f"{site['data']}[{':, ' * site.axis(site.attributes['axis'])}-1]"
    return f"sequence_last({_lengths(site)}{_axis(site)})"


@rule("SequenceReverse")
def sequence_reverse(site: Site) -> str:
    """Each sequence backwards."""
    if site.attributes["axis"] != 0:
        raise site.refuse("axis other than 0")
    if not site.has("sequence_length"):
        return f"{site['data']}.flip(0)"
    return f"sequence_reverse({_lengths(site)})"


def _lengths(site: Site) -> str:
    if site.rank() < 2:
        raise site.refuse(f"a value with {site.rank()} axes")
    return f"{site['data']}, {site['sequence_length']}"


def _axis(site: Site) -> str:
    axis = site.attributes["axis"]
    if axis not in (0, 1):
        raise site.refuse(f"axis={axis}")
    return ", axis=1" if axis else ""
