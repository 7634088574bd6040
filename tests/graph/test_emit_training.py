"""A generated module can be trained on: what MXNet computes in training, it computes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
import torch

from converter.graph.emit import emit
from converter.graph.operators import understand
from converter.graph.symbol import parse_symbol
from tests.graph import recordings
from tests.graph.emitting import (
    difference,
    emitted_network,
    load,
    module,
    run,
    specs_of,
    weights,
)
from tests.graph.making import Making

FILE = recordings.ROOT / "training.npz"
NAMES = ("gamma", "beta", "moving_mean", "moving_var")


def recorded() -> Mapping[str, Mapping[str, str]]:
    """The attributes of each case."""
    with np.load(FILE) as file:
        found: dict[str, dict[str, str]] = json.loads(file["about"].item())["attributes"]
    return found


def arrays_of(case: str) -> dict[str, np.ndarray]:
    with np.load(FILE) as file:
        return {k.split(":", 1)[1]: file[k] for k in file.files if k.startswith(f"{case}:")}


@pytest.mark.parametrize("case", recorded())
def test_batch_normalization_is_trained_as_mxnet_trains_it(case: str) -> None:
    arrays, attributes = arrays_of(case), recorded()[case]
    making = Making()
    making.layer("BatchNorm", "bn", making.variable("data"), *NAMES, **attributes)
    program = understand(parse_symbol(json.dumps(making.content())))
    values = {"data": arrays["data"], **{f"bn_{name}": arrays[name] for name in NAMES}}
    emitted = emit(program, specs_of(program, values), ["data"])
    model = load(emitted)["Model"]()
    model.load_state_dict(weights(emitted, values))
    model.train()
    data = torch.from_numpy(arrays["data"]).requires_grad_()
    output = model(data)
    (output * torch.from_numpy(arrays["weight"])).sum().backward()
    assert difference(output.detach().numpy(), arrays["output"]) <= 1e-5
    assert data.grad is not None
    assert difference(data.grad.numpy(), arrays["gradient:data"]) <= 1e-4
    assert difference(model.bn.bias.grad.numpy(), arrays["gradient:beta"]) <= 1e-5
    fixed = attributes.get("fix_gamma") != "False"
    assert model.bn.weight.requires_grad != fixed
    if fixed:
        assert model.bn.weight.grad is None
        assert not arrays["gradient:gamma"].any()
        assert set(model.bn.weight.tolist()) == {1.0}
    else:
        assert difference(model.bn.weight.grad.numpy(), arrays["gradient:gamma"]) <= 1e-5
    assert difference(model.bn.running_mean.numpy(), arrays["after:moving_mean"]) <= 1e-5
    # PyTorch keeps the variance of n values that is divided by n - 1, MXNet's CPU kernels by n
    count, rate = arrays["data"].size // 4, float(attributes.get("momentum", 0.9))
    variance = arrays["data"].var((0, 2, 3)) * (1 - rate) / (count - 1)
    if attributes.get("use_global_stats") == "True":
        variance = np.zeros_like(variance)
    wanted = arrays["after:moving_var"] + variance
    assert difference(model.bn.running_var.numpy(), wanted.astype(np.float32)) <= 1e-5


def test_eval_mode_and_training_mode_can_be_changed() -> None:
    """Stored statistics stay in use where the graph says so, whatever the mode."""
    (network,) = (n for n in recordings.networks() if n.name == "inception")
    emitted, _, values = emitted_network(network)
    model = module(emitted, values)
    before = run(emitted, values, model)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    model.train()
    assert model.training
    assert not any(norm.training for norm in norms)
    run(emitted, values, model)
    model.eval()
    for ours, theirs in zip(run(emitted, values, model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_step_of_training_changes_what_mxnet_trains_and_nothing_else() -> None:
    """Constants, and the ones of fix_gamma, stay as they are."""
    for name in ("yolo", "mobilenet_v2", "gluon_lstm"):
        (network,) = (n for n in recordings.networks() if n.name == name)
        emitted, _, values = emitted_network(network)
        model = module(emitted, values).train()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        trained = {key for key, value in model.named_parameters() if value.requires_grad}
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
        inputs = [torch.from_numpy(np.array(values[n])) for n in emitted.inputs]
        found = model(*inputs)
        outputs = found if isinstance(found, tuple) else (found,)
        loss = sum(o.float().square().sum() for o in outputs if o.requires_grad)
        assert isinstance(loss, torch.Tensor)
        torch.autograd.backward(loss)
        optimizer.step()
        for key, value in model.state_dict().items():
            if key in trained:
                gradient = model.get_parameter(key).grad
                assert gradient is None or not torch.equal(value, before[key]), key
            elif "running" not in key and "batches" not in key:
                assert torch.equal(value, before[key]), key
        if name == "yolo":
            assert {"yolo_offset", "yolo_anchor"} <= {key for key, _ in model.named_buffers()}
        if name == "mobilenet_v2":
            assert "mobilenetv2_batchnorm0.weight" not in trained


def test_dropout_works_in_training_alone() -> None:
    making = Making()
    data = making.variable("data")
    one = making.call("Dropout", "one", data, p="0.5")
    making.call("Dropout", "two", one, p="0.5", axes="(1,)")
    program = understand(parse_symbol(json.dumps(making.content())))
    values = {"data": np.ones((4, 50), np.float32)}
    emitted = emit(program, specs_of(program, values), ["data"])
    assert "nn.Dropout(0.5)" in emitted.source
    model = module(emitted, values)
    (same,) = run(emitted, values, model)
    np.testing.assert_array_equal(same, values["data"])
    torch.manual_seed(0)
    (dropped,) = run(emitted, values, model.train())
    kept = {tuple(row) for row in dropped.tolist()}
    assert {value for row in kept for value in row} == {0.0, 4.0}  # each dropout keeps half
    whole = [not row.any() for row in dropped]
    assert any(whole)  # the second one's mask is one number a row
    assert not all(whole)
