"""Other ways from an exported graph of MXNet's to PyTorch, each in a process of its own.

    python benchmarks/graph_peers.py WAY PREFIX OUT.npz

WAY is onnx (mx2onnx of MXNet 1.9.1, then onnx2torch) or gluon2pytorch. Run it in the environment of
mxnet-peers.txt. The inputs are those of PREFIX.golden.npz; OUT gets the outputs of the module that
came out. Prints a line of JSON: processor seconds and peak memory (MB) until the module was there.
"""

import json
import os
import resource
import sys
import types

import numpy as np
import torch


def give_torchvision():
    """onnx2torch imports torchvision for two operators; its wheels need torch's for CUDA."""

    def nms(boxes, scores, iou_threshold):
        kept = []
        for index in scores.argsort(descending=True).tolist():
            box, others = boxes[index], boxes[kept]
            low = torch.maximum(box[:2], others[:, :2])
            sides = (torch.minimum(box[2:], others[:, 2:]) - low).clamp(min=0)
            joined = sides.prod(1)
            areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
            if not (joined > iou_threshold * (areas - joined)).any():
                kept.append(index)
        return torch.tensor(kept, dtype=torch.long)

    def box_convert(boxes, in_fmt, out_fmt):
        assert (in_fmt, out_fmt) == ("cxcywh", "xyxy")
        return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)

    def roi_align(*_, **__):
        raise NotImplementedError("no network of the list has it")

    package, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    package.ops, ops.nms, ops.box_convert, ops.roi_align = ops, nms, box_convert, roi_align
    sys.modules.update({"torchvision": package, "torchvision.ops": ops})


def by_onnx(prefix, inputs, folder):
    """mx2onnx writes a file; onnx2torch makes a module of it."""
    give_torchvision()
    import mxnet as mx
    import onnx
    from onnx2torch import convert

    made = os.path.join(folder, "peer.onnx")
    mx.onnx.export_model(
        prefix + "-symbol.json",
        prefix + "-0000.params",
        [value.shape for value in inputs.values()],
        [value.dtype.type for value in inputs.values()],
        made,
    )
    net = convert(onnx.load(made))
    os.remove(made)
    return net


def by_gluon2pytorch(prefix, inputs, folder):
    """It takes a block of Gluon's: the graph is loaded as one, a label as an input of it."""
    import mxnet as mx
    from gluon2pytorch import gluon2pytorch

    graph, parameters = prefix + "-symbol.json", prefix + "-0000.params"
    symbol = mx.sym.load(graph)
    shapes = {name: value.shape for name, value in inputs.items()}
    found, _, _ = symbol.infer_shape(**shapes)
    for name, shape in zip(symbol.list_arguments(), found, strict=True):
        if name.endswith("label"):
            shapes[name] = shape
    net = mx.gluon.nn.SymbolBlock.imports(graph, [*shapes], parameters)
    sizes = [*shapes.values()]
    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")  # it prints every node
    try:
        return gluon2pytorch(net, sizes, folder, "Peer", debug=False)
    finally:
        sys.stdout = stdout


def main():
    """Convert, tell what it took, then run."""
    way, prefix, out = sys.argv[1:]
    recorded = np.load(prefix + ".golden.npz")
    inputs = {n[len("input:") :]: recorded[n] for n in recorded if n.startswith("input:")}
    inputs = {name: value for name, value in inputs.items() if not name.endswith("label")}
    ways = {"onnx": by_onnx, "gluon2pytorch": by_gluon2pytorch}
    net = ways[way](prefix, inputs, os.path.dirname(out)).eval()
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}
    print(json.dumps(took), flush=True)
    with torch.no_grad():
        made = net(*(torch.from_numpy(value) for value in inputs.values()))
    made = made if isinstance(made, (tuple, list)) else (made,)
    np.savez(out, **{f"output:{n}": one.numpy() for n, one in enumerate(made)})


if __name__ == "__main__":
    main()
