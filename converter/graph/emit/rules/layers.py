"""Operators with parameters: modules where their tensors are parameters, functions elsewhere."""

from __future__ import annotations

import numpy as np

from converter.graph.emit.literals import literal, sizes
from converter.graph.emit.rules.arithmetic import total
from converter.graph.emit.site import Piece, Site, rule


def keywords(defaults: dict[str, tuple[str, str]]) -> list[str]:
    """`name=text` for each argument whose text is not PyTorch's default."""
    return [f"{name}={text}" for name, (text, default) in defaults.items() if text != default]


def spatial(site: Site, name: str, default: int) -> tuple[int, ...]:
    """An attribute with a number for each axis of the kernel, or MXNet's default for each."""
    count = len(site.attributes["kernel"])
    values = site.attributes[name] or (default,) * count
    if len(values) != count or None in values:
        raise site.refuse(f"{name}={values} beside a kernel with {count} axes")
    return tuple(values)


def parameters(site: Site, *names: str) -> dict[str, Piece] | None:
    """The named inputs as a module's tensors; None if one of them is computed."""
    found = {name: piece for name in names if site.has(name) and (piece := site.piece(name))}
    return found if len(found) == sum(site.has(name) for name in names) else None


def _kernel(site: Site) -> tuple[int, ...]:
    """The kernel, checked against the value and the layout."""
    kernel, layout = site.attributes["kernel"], site.attributes["layout"]
    if not 1 <= len(kernel) <= 3 or site.rank() != len(kernel) + 2 or None in kernel:
        raise site.refuse(f"kernel={kernel} on a value with {site.rank()} axes")
    if layout is not None and len(layout) != site.rank():
        raise site.refuse(f"layout={layout} of a value with {site.rank()} axes")
    return tuple(kernel)


def _filters(site: Site, axis: int, groups: int) -> None:
    """Check that the weight has `num_filter` filters along its axis."""
    shape, filters = site.shape("weight"), site.attributes["num_filter"]
    if len(shape) != site.rank() or shape[axis] * groups != filters:
        raise site.refuse(f"num_filter={filters} with a weight of shape {shape}")


@rule("Convolution", "Convolution_v1")
def convolution(site: Site) -> str:
    """`nn.Conv1d`, `nn.Conv2d` or `nn.Conv3d`."""
    kernel, groups = _kernel(site), site.attributes["num_group"]
    _filters(site, 0, 1)
    more = {
        "stride": (sizes(spatial(site, "stride", 1)), "1"),
        "padding": (sizes(spatial(site, "pad", 0)), "0"),
        "dilation": (sizes(spatial(site, "dilate", 1)), "1"),
        "groups": (literal(groups), "1"),
    }
    if found := parameters(site, "weight", "bias"):
        inside = site.shape("weight")[1] * groups
        arguments = [str(inside), str(site.attributes["num_filter"]), sizes(kernel)]
        arguments += keywords(more | {"bias": (literal(site.has("bias")), "True")})
        return f"{site.module(f'nn.Conv{len(kernel)}d', arguments, found)}({site['data']})"
    inputs = [site["data"], site["weight"]] + ([site["bias"]] if site.has("bias") else [])
    return f"F.conv{len(kernel)}d({', '.join(inputs + keywords(more))})"


@rule("Deconvolution")
def deconvolution(site: Site) -> str:
    """`nn.ConvTranspose1d` to `3d`; with a `target_shape`, cropped to it."""
    kernel, groups = _kernel(site), site.attributes["num_group"]
    _filters(site, 1, groups)
    target = site.attributes["target_shape"]
    target = target if target and any(target) else ()
    if target and len(target) != len(kernel):
        raise site.refuse(f"target_shape={target} beside a kernel with {len(kernel)} axes")
    stride = spatial(site, "stride", 1)
    if target:
        _reached(site, kernel, stride, target)
    more = {
        "stride": (sizes(stride), "1"),
        "padding": ("0" if target else sizes(spatial(site, "pad", 0)), "0"),
        "output_padding": ("0" if target else sizes(spatial(site, "adj", 0)), "0"),
        "groups": (literal(groups), "1"),
        "dilation": (sizes(spatial(site, "dilate", 1)), "1"),
    }
    if found := parameters(site, "weight", "bias"):
        outside = site.shape("weight")[1] * groups
        arguments = [str(site.shape("weight")[0]), str(outside), sizes(kernel)]
        arguments += keywords(more | {"bias": (literal(site.has("bias")), "True")})
        name = site.module(f"nn.ConvTranspose{len(kernel)}d", arguments, found)
        text = f"{name}({site['data']})"
    else:
        inputs = [site["data"], site["weight"]] + ([site["bias"]] if site.has("bias") else [])
        text = f"F.conv_transpose{len(kernel)}d({', '.join(inputs + keywords(more))})"
    return f"crop_to({text}, {literal(target)})" if target else text


def _reached(
    site: Site, kernel: tuple[int, ...], stride: tuple[int, ...], target: tuple[int, ...]
) -> None:
    """Refuse a `target_shape` that MXNet does: 1.9.1 deconvolution-inl.h, InferPad."""
    dilate = spatial(site, "dilate", 1)
    for size, k, s, d, wanted in zip(site.shape()[2:], kernel, stride, dilate, target, strict=True):
        over = s * (size - 1) + d * (k - 1) + 1 - wanted
        if over < 0 or over % 2 >= s:
            raise site.refuse(f"target_shape={target} is not reached with stride={stride}")


@rule("UpSampling")
def up_sampling(site: Site) -> str:
    """Nearest neighbours, joined along axis 1 or summed; bilinear is a transposed convolution."""
    a, texts = site.attributes, site.all()
    scale = a["scale"]
    if a["sample_type"] == "bilinear":
        return _bilinear(site, scale)
    height = site.shape(0)[2] * scale
    scales = [height // site.shape(place)[2] for place in range(len(texts))]
    if any(site.rank(place) != 4 for place in range(len(texts))):
        raise site.refuse("a value without 4 axes")
    texts = [
        f"F.interpolate({text}, scale_factor={scale})"
        for text, scale in zip(texts, scales, strict=True)
    ]
    if len(texts) == 1:
        return texts[0]
    if a["multi_input_mode"] == "sum":
        return total(texts)
    return f"torch.cat(({', '.join(texts)}), 1)"


def _bilinear(site: Site, scale: int) -> str:
    filters = site.attributes["num_filter"]
    if len(site.call.inputs) != 2 or filters != site.shape(0)[1]:
        raise site.refuse(f"bilinear, {len(site.call.inputs)} inputs, num_filter={filters}")
    channels, (kernel, pad) = site.shape(0)[1], (2 * scale - scale % 2, scale // 2)
    if site.shape(1) != (channels, 1, kernel, kernel):
        raise site.refuse(f"a weight of shape {site.shape(1)}")
    more = {"stride": (str(scale), "1"), "padding": (str(pad), "0"), "groups": (str(channels), "1")}
    data, weight = site.call.names
    if piece := site.piece(weight):
        arguments = [str(channels), str(channels), str(kernel), *keywords(more), "bias=False"]
        return f"{site.module('nn.ConvTranspose2d', arguments, {'weight': piece})}({site[data]})"
    return f"F.conv_transpose2d({', '.join([*site.all(), *keywords(more)])})"


@rule("Embedding")
def embedding(site: Site) -> str:
    """`nn.Embedding`, for ids of any dtype; one that is outside takes the nearest row.

    apache/mxnet 1.5.0 and 1.9.1, `src/operator/tensor/indexing_op.cc`, `EmbeddingOpForwardDnsImpl`.
    """
    count, size = site.attributes["input_dim"], site.attributes["output_dim"]
    if site.shape("weight") != (count, size):
        raise site.refuse(f"input_dim={count}, output_dim={size}: {site.shape('weight')}")
    ids = site["data"]
    if site.spec().dtype != np.int64:
        ids = f"{ids}.long()"
    ids = f"{ids}.clamp(0, {count - 1})"
    if (piece := site.piece("weight")) and piece.dtype.kind == "f":
        return f"{site.module('nn.Embedding', [str(count), str(size)], {'weight': piece})}({ids})"
    return f"F.embedding({ids}, {site['weight']})"


@rule("FullyConnected")
def fully_connected(site: Site) -> str:
    """`nn.Linear`, over all axes but the first or (`flatten=False`) over the last."""
    site.one_dtype()
    data = site["data"]
    if site.attributes["flatten"] and site.rank() > 2:
        data = f"{data}.flatten(1)"
    outside, inside = site.shape("weight")
    if outside != site.attributes["num_hidden"]:
        raise site.refuse(f"num_hidden={site.attributes['num_hidden']} with {outside} rows")
    if found := parameters(site, "weight", "bias"):
        arguments = [str(inside), str(outside)]
        arguments += keywords({"bias": (literal(site.has("bias")), "True")})
        return f"{site.module('nn.Linear', arguments, found)}({data})"
    inputs = [data, site["weight"]] + ([site["bias"]] if site.has("bias") else [])
    return f"F.linear({', '.join(inputs)})"


@rule("Dropout")
def dropout(site: Site) -> str:
    """`nn.Dropout`, which does nothing in eval mode; with `axes`, one mask along those."""
    p, axes = site.attributes["p"], site.attributes["axes"]
    if axes:
        return f"shared_dropout({site['data']}, {literal(p)}, {literal(axes)}, self.training)"
    return f"{site.module('nn.Dropout', [literal(p)])}({site['data']})"
