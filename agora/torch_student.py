"""Students that are torch modules, trained as Bort was: BERTAdam, ramp, clip, best dev epoch."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from agora.ledger import Work
from agora.optimizer import BertAdam, groups, rate
from agora.points import Label, Point, Split
from agora.task import Classification, Regression, Task

CLIP = 1.0  # the global norm of the gradient (alexa/bort 05adebf, finetune_bort.py)
EVALUATED = 32  # points a batch when nothing is learnt


class TorchStudent(ABC):
    """A module whose labels are classes 0..k-1, or one number if `classes` is 0.

    theta: lr, and optionally wd, warmup, batch, epochs, ramp_up_epochs (epochs if absent).
    """

    def __init__(
        self, model: torch.nn.Module, classes: int, theta: Mapping[str, Any], seed: int
    ) -> None:
        self.model, self.classes, self.theta, self.seed = model, classes, theta, seed

    @abstractmethod
    def logits(self, model: torch.nn.Module, points: Sequence[Point]) -> torch.Tensor:
        """Float tensor (points, classes), or (points, 1) for numbers."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the model."""

    def fit(self, train: Split, dev: Split) -> Work:
        """Train; of all epochs the one that is best on dev stays.

        In several processes (`agora.together`) each takes its share of every batch. What is trained
        is the same but for rounding, and for dropout, which every process draws for itself.
        """
        theta, batch = self.theta, int(self.theta.get("batch", 8))
        steps = -(-len(train) // batch)
        epochs = int(theta.get("epochs", 10))
        ramp = steps * int(theta.get("ramp_up_epochs", epochs))
        optimizer = BertAdam(groups(self.model, theta.get("wd", 0.0)), theta["lr"])
        accelerator = Accelerator()
        model, prepared = accelerator.prepare(self.model, optimizer)
        task: Task = Classification() if self.classes else Regression(0.0)
        order = np.random.default_rng(self.seed)
        best, best_score, step = copy.deepcopy(self.model.state_dict()), -np.inf, 0
        devices = [accelerator.device] if accelerator.device.type == "cuda" else []
        place, processes = accelerator.process_index, accelerator.num_processes
        with torch.random.fork_rng(devices):
            torch.manual_seed(self.seed + place)
            for _ in range(epochs):
                model.train()
                mixed = order.permutation(len(train))
                for start in range(0, len(train), batch):
                    chosen = mixed[start : start + batch]
                    step += 1
                    for group in optimizer.param_groups:
                        group["lr"] = rate(step, theta["lr"], ramp, theta.get("warmup", 0.1))
                    own = chosen[place::processes]
                    share = len(own) * processes / len(chosen)  # the processes' mean is taken
                    some = own if share else chosen[:1]  # all take part in every step
                    logits = self.logits(model, [train.points[i] for i in some])
                    loss = self._loss(logits, [train.labels[i] for i in some])
                    accelerator.backward(loss * share)
                    accelerator.clip_grad_norm_(model.parameters(), CLIP)
                    prepared.step()
                    prepared.zero_grad()
                if accelerator.is_main_process:  # it alone says what was trained
                    score = task.score(self.predict(dev.points), dev.labels)
                    if score > best_score:
                        best, best_score = copy.deepcopy(self.model.state_dict()), score
        self.model.load_state_dict(best)
        return Work(epochs * len(train), epochs * len(dev))

    def predict(self, points: Sequence[Point]) -> Sequence[Label]:
        """The likeliest class, or the number."""
        said = self.probabilities(points)
        return [int(np.argmax(row)) if self.classes else row[0] for row in said]

    @torch.no_grad()
    def probabilities(self, points: Sequence[Point]) -> list[tuple[float, ...]]:
        """One tuple a point: of classes the probabilities, of a number itself."""
        self.model.eval()
        found: list[tuple[float, ...]] = []
        for start in range(0, len(points), EVALUATED):
            logits = self.logits(self.model, points[start : start + EVALUATED]).float().cpu()
            said = logits.softmax(-1) if self.classes else logits
            found += [tuple(row) for row in said.tolist()]
        return found

    def _loss(self, logits: torch.Tensor, labels: Sequence[Label]) -> torch.Tensor:
        """Cross-entropy with classes or probabilities; half the squared error of numbers."""
        if not self.classes:
            wanted = torch.tensor(labels, dtype=logits.dtype, device=logits.device)
            return 0.5 * torch.nn.functional.mse_loss(logits[:, 0], wanted)
        rows = torch.zeros(len(labels), self.classes, device=logits.device, dtype=logits.dtype)
        for row, label in zip(rows, labels, strict=True):
            if isinstance(label, tuple):
                row.copy_(torch.tensor(label))
            else:
                row[int(label)] = 1
        return torch.nn.functional.cross_entropy(logits, rows)


class ModuleStudent(TorchStudent):
    """A module that takes a float32 tensor (points, …) of stacked arrays."""

    def logits(self, model: torch.nn.Module, points: Sequence[Point]) -> torch.Tensor:
        device = next(model.parameters()).device
        stacked = torch.tensor(np.stack(points), dtype=torch.float32, device=device)
        logits: torch.Tensor = model(stacked)
        return logits

    def save(self, directory: Path) -> None:
        torch.save(self.model.state_dict(), directory / "model.pt")


@dataclass(frozen=True)
class Modules:
    """Students from a function that builds the module; picklable if the function is."""

    build: Callable[[], torch.nn.Module]
    classes: int

    def make(self, theta: Mapping[str, Any], seed: int, start: Path | None) -> ModuleStudent:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            student = ModuleStudent(self.build(), self.classes, theta, seed)
        if start:
            student.model.load_state_dict(torch.load(start / "model.pt", weights_only=True))
        return student

    def load(self, directory: Path) -> ModuleStudent:
        return self.make({}, 0, directory)
