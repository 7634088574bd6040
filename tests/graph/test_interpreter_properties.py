"""What holds of the interpreter whatever the numbers are: inverses, adjoints, parts of a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from converter.graph.interpreter import convolution
from converter.graph.interpreter.operator import REFERENCES, Array

small = st.integers(1, 3)
seeds = st.integers(0, 2**32 - 1)


def compute(operator: str, *inputs: Array, **attributes: Any) -> Any:
    return REFERENCES[operator].function(*inputs, **attributes)


def numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
    """Attributes of a convolution, the shape of its data, the shape of its weight."""
    dimensions = draw(st.integers(1, 3))
    sizes = [draw(st.integers(1, 7)) for _ in range(dimensions)]
    kernel, stride, dilate = (tuple(draw(small) for _ in range(dimensions)) for _ in range(3))
    pad = tuple(draw(st.integers(0, 2)) for _ in range(dimensions))
    group = draw(small)
    channels, filters = group * draw(small), group * draw(small)
    windows = zip(sizes, kernel, dilate, pad, strict=True)
    assume(all(size + 2 * p > d * (k - 1) for size, k, d, p in windows))
    attributes = {
        "kernel": kernel,
        "stride": stride,
        "dilate": dilate,
        "pad": pad,
        "num_group": group,
        "no_bias": True,
        "layout": None,
    }
    shape = (draw(st.integers(1, 2)), channels, *sizes)
    return attributes, shape, (filters, channels // group, *kernel)


@given(convolutions(), seeds)
def test_deconvolution_is_the_adjoint_of_convolution(
    drawn: tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    attributes, shape, weight_shape = drawn
    data, weight = numbers(seed, *shape), numbers(seed + 1, *weight_shape)
    out = compute("Convolution", data, weight, **attributes, num_filter=weight_shape[0])
    other = numbers(seed + 2, *out.shape)
    windows = zip(
        shape[2:], *(attributes[k] for k in ("kernel", "stride", "dilate", "pad")), strict=True
    )
    adj = tuple((size + 2 * p - d * (k - 1) - 1) % s for size, k, s, d, p in windows)
    back = compute(
        "Deconvolution",
        other,
        weight,
        **attributes,
        num_filter=shape[1],
        adj=adj,
        target_shape=(),
    )
    assert back.shape == data.shape
    assert np.vdot(out, other) == pytest.approx(np.vdot(data, back), abs=1e-9)


@given(convolutions(), seeds, st.integers(1, 200))
def test_blocks_of_columns_change_nothing(
    drawn: tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]], seed: int, block: int
) -> None:
    attributes, shape, weight_shape = drawn
    data, weight = numbers(seed, *shape), numbers(seed + 1, *weight_shape)
    whole = compute("Convolution", data, weight, **attributes, num_filter=weight_shape[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "BLOCK", block)
        parts = compute("Convolution", data, weight, **attributes, num_filter=weight_shape[0])
    np.testing.assert_allclose(parts, whole, atol=1e-12)


@given(small, small, small, small, small, seeds)
def test_space_to_depth_and_back(n: int, c: int, h: int, w: int, b: int, seed: int) -> None:
    data = numbers(seed, n, c, h * b, w * b)
    there = compute("space_to_depth", data, block_size=b)
    assert np.array_equal(compute("depth_to_space", there, block_size=b), data)


@given(st.lists(small, min_size=1, max_size=4), small, st.data(), seeds)
def test_parts_are_put_together_again(
    shape: list[int], count: int, data: st.DataObject, seed: int
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] *= count
    whole = numbers(seed, *shape)
    parts = compute("SliceChannel", whole, num_outputs=count, axis=axis, squeeze_axis=False)
    assert np.array_equal(compute("Concat", *parts, dim=axis), whole)
    sections = compute(
        "_split_v2", whole, indices=(), axis=axis, squeeze_axis=False, sections=count
    )
    assert all(np.array_equal(*pair) for pair in zip(parts, sections, strict=True))


@given(st.lists(small, min_size=1, max_size=4), st.data(), seeds)
def test_flat_places_and_back(shape: list[int], data: st.DataObject, seed: int) -> None:
    places = np.random.default_rng(seed).integers(0, np.array(shape)[:, None], (len(shape), 5))
    flat = compute("_ravel_multi_index", places, shape=tuple(shape))
    assert np.array_equal(compute("_unravel_index", flat, shape=tuple(shape)), places)
    values = numbers(seed, *shape)
    assert np.array_equal(compute("gather_nd", values, places), values.reshape(-1)[flat])
    every = np.stack(np.unravel_index(np.arange(values.size), shape))
    spread = compute("scatter_nd", values.reshape(-1), every, shape=tuple(shape))
    assert np.array_equal(spread, values)


@given(st.integers(1, 5), small, small, st.data(), seeds)
def test_a_sequence_turned_twice(
    steps: int, batch: int, size: int, data: st.DataObject, seed: int
) -> None:
    lengths = np.array([data.draw(st.integers(1, steps)) for _ in range(batch)], np.float32)
    values = numbers(seed, steps, batch, size)

    def turned(array: Array) -> Array:
        found: Array = compute("SequenceReverse", array, lengths, use_sequence_length=True, axis=0)
        return found

    assert np.array_equal(turned(turned(values)), values)
    last = compute("SequenceLast", values, lengths, use_sequence_length=True, axis=0)
    assert np.array_equal(turned(values)[0], last)


@given(st.lists(small, min_size=1, max_size=4), st.data(), seeds)
def test_a_size_split_and_joined(shape: list[int], data: st.DataObject, seed: int) -> None:
    place = data.draw(st.integers(0, len(shape) - 1))
    first, second = data.draw(small), data.draw(small)
    shape[place] = first * second
    values = numbers(seed, *shape)
    how = {"reverse": False, "target_shape": (), "keep_highest": False}
    keep = (0,) * place
    apart = compute("Reshape", values, shape=(*keep, -4, first, -1, -2), **how)
    assert apart.shape == (*shape[:place], first, second, *shape[place + 1 :])
    assert np.array_equal(compute("Reshape", apart, shape=(*keep, -3, -2), **how), values)


@given(st.lists(small, min_size=1, max_size=3), st.booleans(), st.data(), seeds)
def test_sorting_agrees_with_itself(
    shape: list[int], ascending: bool, data: st.DataObject, seed: int
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    values = numbers(seed, *shape)
    places = compute("argsort", values, axis=axis, is_ascend=ascending, dtype="int64")
    ordered = compute("sort", values, axis=axis, is_ascend=ascending)
    assert np.array_equal(np.take_along_axis(values, places, axis), ordered)
    how = {"axis": axis, "is_ascend": ascending, "dtype": "int64", "k": 1}
    top, place = compute("topk", values, ret_typ="both", **how)
    assert np.array_equal(top, ordered.take([0], axis))
    assert np.array_equal(place, places.take([0], axis))
    mask = compute("topk", values, ret_typ="mask", **how)
    assert np.array_equal(values[mask == 1], values[np.isin(values, top)])


MODES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


@given(
    st.sampled_from(sorted(MODES)),
    st.integers(1, 4),
    small,
    small,
    small,
    st.integers(1, 2),
    st.booleans(),
    seeds,
)
def test_recurrent_steps_and_directions(
    mode: str, steps: int, batch: int, size: int, units: int, layers: int, both: bool, seed: int
) -> None:
    """One way, the steps are computed one by one; both ways, each way is one of its own."""
    gates, ways = MODES[mode], 2 if both else 1
    layers = 1 if both else layers
    count = sum(
        ways * gates * units * ((size if layer == 0 else units) + units + 2)
        for layer in range(layers)
    )
    data, parameters = numbers(seed, steps, batch, size), numbers(seed + 1, count)
    state = numbers(seed + 2, layers * ways, batch, units)
    cell = (numbers(seed + 3, layers * ways, batch, units),) if mode == "lstm" else ()
    how: dict[str, Any] = {
        "state_size": units,
        "mode": mode,
        "state_outputs": True,
        "projection_size": None,
        "lstm_state_clip_min": None,
        "lstm_state_clip_max": None,
        "use_sequence_length": False,
    }
    out, *states = compute(
        "RNN", data, parameters, state, *cell, num_layers=layers, bidirectional=both, **how
    )
    if both:
        weights, biases = parameters[: -2 * 2 * gates * units], parameters[-2 * 2 * gates * units :]
        for way, (weight, bias) in enumerate(
            zip(np.split(weights, 2), np.split(biases, 2), strict=True)
        ):
            one, *ends = compute(
                "RNN",
                data[::-1] if way else data,
                np.concatenate((weight, bias)),
                state[way : way + 1],
                *(part[way : way + 1] for part in cell),
                num_layers=1,
                bidirectional=False,
                **how,
            )
            part = out[..., way * units : (way + 1) * units]
            np.testing.assert_allclose(one, part[::-1] if way else part, atol=1e-12)
            for end, whole in zip(ends, states, strict=True):
                np.testing.assert_allclose(end, whole[way : way + 1], atol=1e-12)
        return
    last = [state, *cell]
    for step in range(steps):
        one, *last = compute(
            "RNN",
            data[step : step + 1],
            parameters,
            *last,
            num_layers=layers,
            bidirectional=False,
            **how,
        )
        np.testing.assert_allclose(one[0], out[step], atol=1e-12)
    for end, whole in zip(last, states, strict=True):
        np.testing.assert_allclose(end, whole, atol=1e-12)
