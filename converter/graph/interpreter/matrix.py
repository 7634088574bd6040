"""Products of matrices: fully connected layers, dot products, attention's interleaved ones."""

from __future__ import annotations

import math

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, computes, require


@computes("FullyConnected")
def fully_connected(
    data: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    num_hidden: int,
    no_bias: bool,
    flatten: bool,
) -> Array:
    """The product with the transposed weight; with `flatten`, all but the batch is one dimension.

    apache/mxnet 1.9.1 src/operator/nn/fully_connected-inl.h.
    """
    require(no_bias == (bias is None), "no_bias does not agree with the inputs")
    flat = data.reshape(data.shape[0], -1) if flatten else data
    expected = (num_hidden, flat.shape[-1])
    require(weight.shape == expected, f"the weight has shape {weight.shape}, not {expected}")
    require(data.dtype == weight.dtype, f"{data.dtype} and {weight.dtype} are not the same dtype")
    rows = flat.reshape(-1, flat.shape[-1])
    out: Array = rows @ weight.T
    if bias is not None:
        require(bias.shape == (num_hidden,), f"the bias has shape {bias.shape}")
        out += bias
    return out.reshape(*flat.shape[:-1], num_hidden)


@computes("dot", without_effect=("forward_stype",))
def dot(lhs: Array, rhs: Array, *, transpose_a: bool, transpose_b: bool) -> Array:
    """The last axis of the left by the first of the right; transposed, the first by the last.

    apache/mxnet 1.9.1 src/operator/tensor/dot-inl.h, DotForward_: more than two dimensions are
    taken as two, and both vectors give (1,).
    """
    if lhs.ndim == rhs.ndim == 1:
        return np.asarray(lhs @ rhs).reshape(1)
    left = lhs.reshape(lhs.shape[0], -1).T if transpose_a else lhs.reshape(-1, lhs.shape[-1])
    right = rhs.reshape(-1, rhs.shape[-1]).T if transpose_b else rhs.reshape(rhs.shape[0], -1)
    shape = lhs.shape[1:] if transpose_a else lhs.shape[:-1]
    shape += rhs.shape[:-1] if transpose_b else rhs.shape[1:]
    return np.asarray(left @ right).reshape(shape)


@computes("batch_dot", without_effect=("forward_stype",))
def batch_dot(lhs: Array, rhs: Array, *, transpose_a: bool, transpose_b: bool) -> Array:
    """A product of matrices for each of the leading axes: apache/mxnet 1.9.1 tensor/dot-inl.h."""
    require(
        lhs.ndim == rhs.ndim > 2 and lhs.shape[:-2] == rhs.shape[:-2],
        f"{lhs.shape} and {rhs.shape} have not the same leading axes",
    )
    return np.asarray(
        (lhs.swapaxes(-1, -2) if transpose_a else lhs)
        @ (rhs.swapaxes(-1, -2) if transpose_b else rhs)
    )


@computes("_linalg_gemm2")
def linalg_gemm2(
    A: Array,  # noqa: N803  MXNet's names
    B: Array,  # noqa: N803
    *,
    transpose_a: bool,
    transpose_b: bool,
    alpha: float,
    axis: int,
) -> Array:
    """The product alpha × A B: apache/mxnet 1.9.1 src/operator/tensor/la_op.h."""
    if axis != -2:
        raise Unhandled("axis", axis)
    require(A.ndim == B.ndim > 1 and A.shape[:-2] == B.shape[:-2], "the leading axes differ")
    left = A.swapaxes(-1, -2) if transpose_a else A
    right = B.swapaxes(-1, -2) if transpose_b else B
    return np.asarray(left @ right * A.dtype.type(alpha))


@computes("_linalg_gemm")
def linalg_gemm(
    A: Array,  # noqa: N803
    B: Array,  # noqa: N803
    C: Array,  # noqa: N803
    *,
    transpose_a: bool,
    transpose_b: bool,
    alpha: float,
    beta: float,
    axis: int,
) -> Array:
    """The sum alpha × A B + beta × C: apache/mxnet 1.9.1 src/operator/tensor/la_op.h."""
    product = linalg_gemm2(
        A, B, transpose_a=transpose_a, transpose_b=transpose_b, alpha=alpha, axis=axis
    )
    require(product.shape == C.shape, f"C has shape {C.shape}, and the product {product.shape}")
    return np.asarray(product + C * C.dtype.type(beta))


def _heads(data: Array, heads: int, parts: int) -> list[Array]:
    """(length, batch, heads × parts × units) → `parts` arrays of (batch × heads, length, units).

    Each head's queries, keys and values stand side by side: apache/mxnet 1.9.1
    src/operator/contrib/transformer.cc.
    """
    length, batch, width = data.shape
    require(
        heads > 0 == width % (heads * parts), f"{heads} heads of {parts} parts in {width} units"
    )
    split = data.reshape(length, batch * heads, parts, width // (heads * parts))
    return [split[:, :, part].swapaxes(0, 1) for part in range(parts)]


def _joined(values: Array, heads: int) -> Array:
    """(batch × heads, length, units) → (length, batch, heads × units)."""
    count, length, units = values.shape
    return values.swapaxes(0, 1).reshape(length, count // heads, heads * units)


@computes("_contrib_interleaved_matmul_selfatt_qk")
def selfatt_qk(queries_keys_values: Array, *, heads: int) -> Array:
    """Scores of self-attention, (batch × heads, length, length): contrib/transformer.cc, 1.9.1."""
    queries, keys, _ = _heads(queries_keys_values, heads, 3)
    return _scores(queries, keys)


@computes("_contrib_interleaved_matmul_selfatt_valatt")
def selfatt_valatt(queries_keys_values: Array, attention: Array, *, heads: int) -> Array:
    """Values weighted by attention, (length, batch, units): src/operator/contrib/transformer.cc."""
    return _joined(attention @ _heads(queries_keys_values, heads, 3)[2], heads)


@computes("_contrib_interleaved_matmul_encdec_qk")
def encdec_qk(queries: Array, keys_values: Array, *, heads: int) -> Array:
    """Scores of attention to another sequence: src/operator/contrib/transformer.cc."""
    return _scores(_heads(queries, heads, 1)[0], _heads(keys_values, heads, 2)[0])


@computes("_contrib_interleaved_matmul_encdec_valatt")
def encdec_valatt(keys_values: Array, attention: Array, *, heads: int) -> Array:
    """Values of another sequence weighted by attention: src/operator/contrib/transformer.cc."""
    return _joined(attention @ _heads(keys_values, heads, 2)[1], heads)


def _scores(queries: Array, keys: Array) -> Array:
    scale = queries.dtype.type(1 / math.sqrt(queries.shape[-1]))
    return np.asarray((queries * scale) @ keys.swapaxes(1, 2))


@computes("_contrib_div_sqrt_dim")
def div_sqrt_dim(data: Array) -> Array:
    """Divided by the root of the last axis' size: src/operator/contrib/transformer.cc."""
    return np.asarray(data / data.dtype.type(math.sqrt(data.shape[-1])))


@computes("Embedding", without_effect=("sparse_grad", "dtype"))
def embedding(data: Array, weight: Array, *, input_dim: int, output_dim: int) -> Array:
    """Rows of the weight, in its dtype; an index beyond them takes the nearest row.

    apache/mxnet 1.9.1 src/operator/tensor/indexing_op.cc, EmbeddingOpForwardDnsImpl.
    """
    expected = (input_dim, output_dim)
    require(weight.shape == expected, f"the weight has shape {weight.shape}, not {expected}")
    return np.asarray(weight[np.clip(data.astype(np.int64), 0, input_dim - 1)])
