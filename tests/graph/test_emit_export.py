"""What owners of a generated module do with it: export it, compile it, feed it other sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graph import recordings
from tests.graph.emitting import difference, emitted_network, module
from tests.graph.recordings import Network

# Boxes are left out one after the other, each by those before it: no graph has a size for that.
DATA_DEPENDENT = {"ssd", "yolo"}
NETWORKS = [n for n in recordings.networks() if n.name not in DATA_DEPENDENT]
LAYERS = (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of PyTorch's own modules
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def built(network: Network) -> tuple[torch.nn.Module, tuple[torch.Tensor, ...]]:
    emitted, _, values = emitted_network(network)
    inputs = tuple(torch.from_numpy(np.array(values[name])) for name in emitted.inputs)
    return module(emitted, values), inputs


def same(ours: object, theirs: object) -> None:
    for pair in zip(_outputs(ours), _outputs(theirs), strict=True):
        a, b = (value.detach().numpy() for value in pair)
        assert difference(a, b) <= 1e-5


def _outputs(found: object) -> tuple[torch.Tensor, ...]:
    if isinstance(found, torch.Tensor):
        return (found,)
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_export(network: Network) -> None:
    model, inputs = built(network)
    program = torch.export.export(model, inputs)
    same(program.module()(*inputs), model(*inputs))


@pytest.mark.parametrize("name", ["resnet_v1", "mobilenet_v2", "bert_0.8.3", "char_rnn_unrolled"])
def test_export_for_any_batch(name: str) -> None:
    (network,) = (n for n in NETWORKS if n.name == name)
    model, inputs = built(network)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(model, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))
    more = tuple(torch.cat([value, value, value]) for value in inputs)
    same(program.module()(*more), model(*more))


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_compile(network: Network) -> None:
    """In one graph; PyTorch itself leaves recurrent layers out of graphs."""
    model, inputs = built(network)
    torch.compiler.reset()
    whole = not any(isinstance(layer, LAYERS) for layer in model.modules())
    compiled = torch.compile(model, backend="aot_eager", fullgraph=whole)
    with torch.no_grad():
        same(compiled(*inputs), model(*inputs))


def test_a_network_without_sizes_of_its_own_takes_images_of_any() -> None:
    for name in ("fcn", "mobilenet_v2", "resnet_v1"):
        (network,) = (n for n in NETWORKS if n.name == name)
        model, (image,) = built(network)
        larger = torch.nn.functional.interpolate(image, scale_factor=2)
        (found,), (known,) = _outputs(model(larger)), _outputs(model(image))
        assert found.isfinite().all()
        assert found.dim() == known.dim()
