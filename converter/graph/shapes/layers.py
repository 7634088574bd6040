"""Shapes of layers: convolutions, pooling, dense layers, normalization, RNNs and loss heads."""

from __future__ import annotations

from collections.abc import Sequence

from converter.graph.shapes.rules import At, Shape, Unfit, product, rule, shown

LAST = ("NWC", "NHWC", "NDHWC")  # layouts with the channels last


def spatial(at: At, kernel: Shape) -> tuple[Shape, bool]:
    """The data's shape with channels second, and whether the layout has them last."""
    data = at.rank(0, len(kernel) + 2)
    last = at["layout"] in LAST
    return (data[0], data[-1], *data[1:-1]) if last else data, last


def placed(shape: Shape, last: bool) -> Shape:
    """A shape with channels second in the layout of the call."""
    return (shape[0], *shape[2:], shape[1]) if last else shape


def groups(at: At, channels: int) -> tuple[int, int]:
    """num_filter and num_group, where they divide what they must."""
    filters, group = at["num_filter"], at["num_group"]
    if filters < 1 or group < 1 or channels % group or filters % group:
        raise Unfit(
            f"{at.tensor(0)} is {shown(at.data)}, and num_group={group} does not divide its "
            f"channels or num_filter={filters}"
        )
    return filters, group


@rule("Convolution", "Convolution_v1")
def convolution(at: At) -> Sequence[Shape]:
    """src/operator/nn/convolution.cc, ConvolutionShape."""
    kernel = at.positive("kernel", len(at["kernel"]))
    if len(kernel) not in (1, 2, 3):
        raise Unfit(f"kernel={kernel} is for no 1-D, 2-D or 3-D convolution")
    (batch, channels, *sizes), last = spatial(at, kernel)
    rank = len(kernel)
    stride, dilate = at.positive("stride", rank), at.positive("dilate", rank)
    pad = at.positive("pad", rank, 0, 0)
    filters, group = groups(at, channels)
    at.must("weight", placed((filters, channels // group, *kernel), last))
    at.must("bias", (filters,))
    out = []
    for size, k, s, d, p in zip(sizes, kernel, stride, dilate, pad, strict=True):
        reach = d * (k - 1) + 1
        if reach > size + 2 * p:
            raise too_small(at, reach)
        out.append((size + 2 * p - reach) // s + 1)
    return [placed((batch, filters, *out), last)]


def too_small(at: At, reach: int) -> Unfit:
    """That a kernel is larger than what it slides over."""
    return Unfit(f"{at.tensor(0)} is {shown(at.data)}, smaller than the kernel's {reach}")


@rule("Deconvolution")
def deconvolution(at: At) -> Sequence[Shape]:
    """src/operator/nn/deconvolution.cc, DeconvolutionShape; InferPad in deconvolution-inl.h."""
    kernel = at.positive("kernel", len(at["kernel"]))
    if len(kernel) not in (1, 2, 3):
        raise Unfit(f"kernel={kernel} is for no 1-D, 2-D or 3-D deconvolution")
    (batch, channels, *sizes), last = spatial(at, kernel)
    rank = len(kernel)
    stride, dilate = at.positive("stride", rank), at.positive("dilate", rank)
    pad, adj = at.positive("pad", rank, 0, 0), at.positive("adj", rank, 0, 0)
    target = at.positive("target_shape", rank, 0, 0)
    filters, group = groups(at, channels)
    at.must("weight", placed((channels, filters // group, *kernel), last))
    at.must("bias", (filters,))
    out = []
    for n, size in enumerate(sizes):
        full = stride[n] * (size - 1) + dilate[n] * (kernel[n] - 1) + 1
        if any(target):
            left = full - target[n]
            if left < 0:
                raise Unfit(f"target_shape={target} is more than {full}, which can be reached")
            out.append(full - 2 * ((left + 1) // 2) + left % 2)
        else:
            if adj[n] >= stride[n]:
                raise Unfit(f"adj={adj} is not below stride={stride}")
            out.append(full - 2 * pad[n] + adj[n])
    if min(out) < 1:
        raise Unfit(f"pad={pad} leaves nothing of {at.tensor(0)} {shown(at.data)}")
    return [placed((batch, filters, *out), last)]


@rule("Pooling", "Pooling_v1")
def pooling(at: At) -> Sequence[Shape]:
    """src/operator/nn/pooling.cc, PoolingShape."""
    data = at.rank(0, 3, 4, 5)
    last = at.call.attributes.get("layout") in LAST
    batch, channels, *sizes = (data[0], data[-1], *data[1:-1]) if last else data
    if at["global_pool"]:
        return [placed((batch, channels, *(1 for _ in sizes)), last)]
    rank = len(sizes)
    kernel, stride = at.positive("kernel", rank), at.positive("stride", rank)
    if at["pooling_convention"] == "same":  # MXNet asks for three numbers there
        pad: Shape = (0,) * rank
        if rank > 1 or any(at["pad"]):
            raise Unfit("pooling_convention=same is for 1-D data without pad")
    else:
        pad = at.positive("pad", rank, 0, 0)
    out = []
    for size, k, s, p in zip(sizes, kernel, stride, pad, strict=True):
        padded = size + 2 * p
        if k > padded:
            raise too_small(at, k)
        match at["pooling_convention"]:
            case "valid":
                out.append((padded - k) // s + 1)
            case "full":
                out.append(-(-(padded - k) // s) + 1)
            case _:
                out.append(-(-padded // s))
    return [placed((batch, channels, *out), last)]


@rule("FullyConnected")
def fully_connected(at: At) -> Sequence[Shape]:
    """src/operator/nn/fully_connected.cc, FullyConnectedShape."""
    data, hidden = at.data, at["num_hidden"]
    if not data or hidden < 1:
        raise Unfit(f"num_hidden={hidden} of {at.tensor(0)} {shown(data)} is no dense layer")
    size = product(data[1:]) if at["flatten"] else data[-1]
    at.must("weight", (hidden, size))
    at.must("bias", (hidden,), (hidden, 1))
    return [(data[0], hidden) if at["flatten"] else (*data[:-1], hidden)]


@rule("Flatten")
def flatten(at: At) -> Sequence[Shape]:
    """src/operator/tensor/matrix_op-inl.h, FlattenShape."""
    if not at.data:
        raise Unfit("a single number cannot be flattened")
    return [(at.data[0], product(at.data[1:]))]


@rule("BatchNorm", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU", "BatchNorm_v1")
def batch_norm(at: At) -> Sequence[Shape]:
    """src/operator/nn/batch_norm.cc, BatchNormShape; mean and variance are outputs 1 and 2."""
    axis = at.counted(at.call.attributes.get("axis", 1), "axis")
    channels = (at.data[axis],)
    for name in at.call.names[1:]:
        at.must(name, channels)
    return [at.data, channels, channels]


@rule("LayerNorm")
def layer_norm(at: At) -> Sequence[Shape]:
    """src/operator/nn/layer_norm.cc, LayerNormShape; mean and deviation are outputs 1 and 2."""
    axis = at.axis("axis")
    at.must("gamma", (at.data[axis],))
    at.must("beta", (at.data[axis],))
    kept = tuple(1 if n == axis else size for n, size in enumerate(at.data))
    return [at.data, kept, kept]


@rule("GroupNorm")
def group_norm(at: At) -> Sequence[Shape]:
    """src/operator/nn/group_norm.cc, GroupNormShape; mean and deviation are outputs 1 and 2."""
    if len(at.data) < 3:
        raise Unfit(f"{at.tensor(0)} is {shown(at.data)}, and must have 3 dimensions or more")
    group = at["num_groups"]
    if group < 1 or at.data[1] % group:
        raise Unfit(f"num_groups={group} does not divide the channels of {shown(at.data)}")
    at.must("gamma", (group,))
    at.must("beta", (group,))
    return [at.data, (at.data[0], group), (at.data[0], group)]


@rule("InstanceNorm")
def instance_norm(at: At) -> Sequence[Shape]:
    """src/operator/instance_norm-inl.h, InferShape."""
    if len(at.data) < 3:
        raise Unfit(f"{at.tensor(0)} is {shown(at.data)}, and must have 3 dimensions or more")
    at.must("gamma", (at.data[1],))
    at.must("beta", (at.data[1],))
    return [at.data]


@rule("LeakyReLU")
def leaky_relu(at: At) -> Sequence[Shape]:
    """src/operator/leaky_relu.cc, LeakyReLUShape: prelu's gamma is per channel, or one."""
    if at["act_type"] == "prelu" and len(at.data) > 1:
        at.must("gamma", (at.data[1],), (1,), at.data)
    return [at.data, at.data]


@rule("SoftmaxOutput", "LinearRegressionOutput", "LogisticRegressionOutput")
@rule("MAERegressionOutput", "SVMOutput")
def loss_head(at: At) -> Sequence[Shape]:
    """As the data, whatever the label: src/operator/softmax_output.cc, regression_output-inl.h."""
    return [at.data]


GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


def rnn_parameters(at: At, size: int) -> int:
    """src/operator/rnn-inl.h, GetRnnParamSize: how long the packed vector is."""
    hidden, projected = at["state_size"], at["projection_size"]
    directions = 2 if at["bidirectional"] else 1
    out = hidden if projected is None else projected
    rows = hidden * directions * GATES[at["mode"]]
    first, later = (size + out + 2) * rows, (out * directions + out + 2) * rows
    more = 0 if projected is None else projected * hidden * at["num_layers"] * directions
    return int(first + (at["num_layers"] - 1) * later + more)


@rule("RNN")
def rnn(at: At) -> Sequence[Shape]:
    """src/operator/rnn.cc, RNNShape. Outputs: all steps, then the last states of each layer."""
    steps, batch, size = at.rank(0, 3)
    hidden, layers, projected = at["state_size"], at["num_layers"], at["projection_size"]
    if hidden < 1 or layers < 1 or (projected is not None and projected < 1):
        raise Unfit(f"state_size={hidden}, num_layers={layers} are no sizes of an RNN")
    directions = 2 if at["bidirectional"] else 1
    out = hidden if projected is None else projected
    state, cell = (layers * directions, batch, out), (layers * directions, batch, hidden)
    at.must("parameters", (rnn_parameters(at, size),))
    at.must("state", state)
    at.must("state_cell", cell)
    at.must("sequence_length", (batch,))
    return [(steps, batch, directions * out), state, cell]


@rule("UpSampling")
def up_sampling(at: At) -> Sequence[Shape]:
    """src/operator/nn/upsampling.cc, UpSamplingShape."""
    batch, channels, height, width = at.rank(0, 4)
    scale = at["scale"]
    if scale < 1:
        raise Unfit(f"scale={scale} is not at least 1")
    height, width = height * scale, width * scale
    if at["sample_type"] == "bilinear":
        kernel = 2 * scale - scale % 2
        at.must("weight", (channels, 1, kernel, kernel))
        return [(batch, channels, height, width)]
    for place in range(len(at.shapes)):
        _, own, *sizes = at.rank(place, 4)
        if height % (sizes[0] or 1) or width % (sizes[1] or 1):
            raise at.unlike(place)
        if at["multi_input_mode"] == "sum" and own != channels:
            raise at.unlike(place)
    if at["multi_input_mode"] != "sum":
        channels = sum(shape[1] for shape in at.all)
    return [(batch, channels, height, width)]
