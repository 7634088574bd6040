"""BERTAdam and the schedule that Bort was fine-tuned with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

REST = 1e-7  # the learning rate after the ramp (alexa/bort 05adebf, finetune_bort.py)


class BertAdam(torch.optim.Optimizer):
    """Adam as GluonNLP v0.8.3's optimizer/bert_adam.py has it: no bias correction.

    w ← w - lr (m / (√v + eps) + wd w): the decay is decoupled, and multiplied by the rate.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        wd: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
    ) -> None:
        super().__init__(params, dict(lr=lr, wd=wd, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # as torch's own
        for group in self.param_groups:
            first, second = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(weight), torch.zeros_like(weight)
                m, v = state["m"], state["v"]
                m.mul_(first).add_(weight.grad, alpha=1 - first)
                v.mul_(second).addcmul_(weight.grad, weight.grad, value=1 - second)
                change = m / (v.sqrt() + group["eps"]) + group["wd"] * weight
                weight.sub_(change, alpha=group["lr"])


def groups(model: torch.nn.Module, wd: float) -> list[dict[str, Any]]:
    """The parameters with decay, and those without: biases and whatever LayerNorm has."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    of_norms = {id(weight) for norm in norms for weight in norm.parameters()}
    found: list[dict[str, Any]] = [{"params": [], "wd": wd}, {"params": [], "wd": 0.0}]
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            found[name.endswith("bias") or id(weight) in of_norms]["params"].append(weight)
    return found


def rate(step: int, lr: float, ramp: int, warmup: float) -> float:
    """The rate of a step, counted from 0, as alexa/bort's finetune_bort.py (05adebf) has it.

    Up for `warmup` of `ramp` steps, the first at 0; down to the end of the ramp; then rest.
    """
    rising = int(ramp * warmup)
    if step < rising:
        return lr * step / rising
    return max(REST, lr * (1 - (step - rising) / max(1, ramp - rising)))
