"""Recurrent layers, from one packed vector of parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from converter.graph.interpreter.elementwise import sigmoid
from converter.graph.interpreter.operator import Array, Unhandled, computes, require

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


class Layer(NamedTuple):
    """What one layer has in one direction: weights (gates × state, size), and biases."""

    input_weight: Array
    state_weight: Array
    projection: Array | None
    input_bias: Array
    state_bias: Array


def _unpacked(
    parameters: Array, size: int, state: int, layers: int, directions: int, gates: int, project: int
) -> Iterator[Layer]:
    """The layers and, within each, the directions: all weights come first, then all biases.

    apache/mxnet 1.9.1 src/operator/rnn-inl.h, GetRnnParamSize, and rnn_impl.h.
    """
    place = 0

    def next_part(*shape: int) -> Array:
        nonlocal place
        begin, place = place, place + int(np.prod(shape))
        require(place <= parameters.size, f"{parameters.size} parameters are too few")
        return parameters[begin:place].reshape(shape)

    recurrent = project or state
    weights = []
    for layer in range(layers):
        for _ in range(directions):
            inputs = size if layer == 0 else recurrent * directions
            weights.append(
                (
                    next_part(gates * state, inputs),
                    next_part(gates * state, recurrent),
                    next_part(project, state) if project else None,
                )
            )
    for weight in weights:
        yield Layer(*weight, next_part(gates * state), next_part(gates * state))
    require(place == parameters.size, f"{parameters.size} parameters, and {place} are needed")


@computes("RNN", without_effect=("p", "lstm_state_clip_nan"))
def rnn(
    data: Array,
    parameters: Array,
    state: Array,
    state_cell: Array | None = None,
    sequence_length: Array | None = None,
    *,
    state_size: int,
    num_layers: int,
    bidirectional: bool,
    mode: str,
    state_outputs: bool,
    projection_size: int | None,
    lstm_state_clip_min: float | None,
    lstm_state_clip_max: float | None,
    use_sequence_length: bool,
) -> Array | tuple[Array, ...]:
    """Layers over (steps, batch, size); with `state_outputs`, the last states come out too.

    Gates: of lstm input, forget, cell, output; of gru reset, update, new. Lengths and clipping
    MXNet computes on a GPU alone: apache/mxnet 1.9.1 src/operator/rnn-inl.h, RNNOp.
    """
    if use_sequence_length or sequence_length is not None:
        raise Unhandled("use_sequence_length", use_sequence_length)
    if lstm_state_clip_min is not None or lstm_state_clip_max is not None:
        raise Unhandled("lstm_state_clip_min", lstm_state_clip_min)
    if mode not in GATES:
        raise Unhandled("mode", mode)
    require((mode == "lstm") == (state_cell is not None), "state_cell is there for lstm alone")
    project = projection_size or 0
    if project and mode != "lstm":
        raise Unhandled("projection_size", projection_size)
    directions = 2 if bidirectional else 1
    for other in (parameters, state, *([] if state_cell is None else [state_cell])):
        require(other.dtype == data.dtype, f"{data.dtype} and {other.dtype} are not the same dtype")
    expected = (num_layers * directions, data.shape[1], project or state_size)
    require(state.shape == expected, f"the state has shape {state.shape}, not {expected}")
    layers = _unpacked(
        parameters, data.shape[2], state_size, num_layers, directions, GATES[mode], project
    )
    hidden: list[Array] = []
    cells: list[Array] = []
    out = data
    for _ in range(num_layers):
        found = []
        for direction in range(directions):
            first = state[len(hidden)]
            cell = np.empty(0, data.dtype) if state_cell is None else state_cell[len(hidden)]
            steps = out[::-1] if direction else out
            result, last, cell = _layer(mode, next(layers), steps, first, cell)
            hidden.append(last)
            cells.append(cell)
            found.append(result[::-1] if direction else result)
        out = np.concatenate(found, 2)
    require(next(layers, None) is None, "a layer is left over")
    if not state_outputs:
        return out
    return (out, np.stack(hidden), np.stack(cells)) if mode == "lstm" else (out, np.stack(hidden))


def _layer(
    mode: str, layer: Layer, data: Array, hidden: Array, cell: Array
) -> tuple[Array, Array, Array]:
    """All steps of one layer in one direction, the last hidden state and the last cell."""
    steps, batch, _ = data.shape
    flat = np.ascontiguousarray(data).reshape(steps * batch, -1)
    inputs = (flat @ layer.input_weight.T + layer.input_bias).reshape(steps, batch, -1)
    out = np.empty((steps, *hidden.shape), data.dtype)
    for step, given in enumerate(inputs):
        recurrent = hidden @ layer.state_weight.T + layer.state_bias
        match mode:
            case "lstm":
                gates = np.split(given + recurrent, 4, axis=1)
                cell = sigmoid(gates[1]) * cell + sigmoid(gates[0]) * np.tanh(gates[2])
                hidden = sigmoid(gates[3]) * np.tanh(cell)
                if layer.projection is not None:
                    hidden = hidden @ layer.projection.T
            case "gru":
                (r, z, n), (hr, hz, hn) = np.split(given, 3, axis=1), np.split(recurrent, 3, axis=1)
                update = sigmoid(z + hz)
                hidden = (1 - update) * np.tanh(n + sigmoid(r + hr) * hn) + update * hidden
            case "rnn_tanh":
                hidden = np.tanh(given + recurrent)
            case "rnn_relu":
                hidden = np.maximum(given + recurrent, 0)
        out[step] = hidden
    return out, hidden, cell
