"""The target's weights while it runs: in the file, and in memory only while a module needs them.

`from_pretrained` maps the files into memory and reads nothing: a weight is read when a module
computes with it, by the system. It stays in memory then, until someone says that it is not needed;
that is done here, behind every module. What the modules compute with is what `from_pretrained`
gave them in any case.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

SMALL = 128 * 1024 * 1024  # bytes in float32: a model of fewer (any MobileBERT) is loaded whole
LARGE = 32 * 1024 * 1024  # bytes in float32 of one Dense: of a larger one, some rows at a time
AROUND = 64 * 1024  # bytes that Linux maps at least when one of them is read
DONTNEED = 4  # madvise(2): of a private mapping of a file, what is read again comes of the file


@contextmanager
def streamed(model: Any, directory: Path) -> Iterator[None]:
    """Make `model`, loaded from `directory`, compute in float32, its weights not all in memory.

    The model is only to be run within the context, and none of its weights changed in place.
    Weights of another dtype are made float32 as their module runs. Nothing is let go of what is
    not mapped (Transformers 4 makes copies of float16), nor elsewhere than on Linux, where a
    system takes such memory back by itself when it needs it.
    """
    import torch

    if sum(parameter.numel() for parameter in model.parameters()) * 4 <= SMALL:
        model.float()
        yield
        return
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_floating_point():
                module._buffers[name] = buffer.float()
    let_go = partial(_let_go, _mappings(directory))
    with ExitStack() as stack:
        for module in model.modules():
            own = {name: p.detach() for name, p in module._parameters.items() if p is not None}
            if type(module) is torch.nn.Linear and module.weight.numel() * 4 > LARGE:
                weight = own.pop("weight")
                stack.enter_context(_forward(module, partial(_by_rows, module, weight, let_go)))
            if own:
                stack.enter_context(_while_running(module, own, let_go))
        yield


@contextmanager
def _forward(module: Any, forward: Callable[[Any], Any]) -> Iterator[None]:
    """Another way to compute what `module` gives, with its weight out of reach of others."""
    module.forward = forward
    try:
        yield
    finally:
        del module.forward


def _by_rows(module: Any, weight: Any, let_go: Callable[[Any], None], data: Any) -> Any:
    """What `nn.Linear` gives, some rows of the weight after the others: data (…, in) → (…, out)."""
    import torch

    rows = max(1, LARGE // (4 * weight.shape[1]))
    found = data.new_empty((*data.shape[:-1], len(weight)))
    for start in range(0, len(weight), rows):
        part = weight[start : start + rows]
        bias = None if module.bias is None else module.bias[start : start + rows]
        found[..., start : start + rows] = torch.nn.functional.linear(data, part.float(), bias)
        let_go(part)
    return found


@contextmanager
def _while_running(
    module: Any, own: dict[str, Any], let_go: Callable[[Any], None]
) -> Iterator[None]:
    """Make `module`'s `own` weights float32 while it runs, and let go of them behind it."""
    import torch

    others = {name: weight for name, weight in own.items() if weight.dtype != torch.float32}

    def put(weights: dict[str, Any]) -> None:
        for name, weight in weights.items():
            module._parameters[name] = torch.nn.Parameter(weight, requires_grad=False)

    # What looks at the dtype sees float32; what takes such a weight from elsewhere gets NaN
    nothing = {
        name: torch.full((), torch.nan).expand(weight.shape) for name, weight in others.items()
    }

    def before(_module: Any, _inputs: Any) -> None:
        put({name: weight.float() for name, weight in others.items()})

    def behind(_module: Any, _inputs: Any, _output: Any) -> None:
        put(nothing)
        for weight in own.values():
            let_go(weight)

    put(nothing)
    handles = [
        *([module.register_forward_pre_hook(before)] if others else []),
        module.register_forward_hook(behind),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        put(others)


def _mappings(directory: Path) -> list[tuple[int, int]]:
    """Where files of `directory` are mapped, the first address and the one behind the last."""
    found = []
    if sys.platform == "linux":
        inside = os.path.realpath(directory) + os.sep
        for line in Path("/proc/self/maps").read_text("utf-8", "replace").splitlines():
            addresses, mode, _offset, _device, _inode, *path = line.split(maxsplit=5)
            if mode.endswith("p") and path and path[0].startswith(inside):
                start, stop = (int(address, 16) for address in addresses.split("-"))
                found.append((start, stop))
    return found


def _let_go(mappings: list[tuple[int, int]], weight: Any) -> None:
    """Of a mapped weight, say that it need not be in memory; of any other, nothing."""
    start, stop = weight.data_ptr(), weight.data_ptr() + weight.numel() * weight.element_size()
    for first, last in mappings:
        if first <= start and stop <= last:
            begin = max(first, start - start % AROUND)
            length = min(last, stop + -stop % AROUND) - begin
            library = ctypes.CDLL(None)
            library.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), DONTNEED)
