"""Students from a Transformers directory, trained as Bort was: its head, BERTAdam, ramp and clip.

Source: alexa/bort at 05adebf, finetune_bort.py and bort/bort.py, and its README for the grid.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers.processors import TemplateProcessing
from torch.nn.functional import cross_entropy, dropout
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from agora.errors import StudentError
from agora.ledger import Work
from agora.optimizer import BertAdam, groups, rate
from agora.points import Label, Point, Split, accuracy

# The initial Theta of the paper's README: with `seed` 480 sets, too many to drop one at a time.
PUBLISHED: dict[str, list[Any]] = {
    "seed": [0, 1, 2, 3, 4],
    "lr": [1e-4, 1e-5, 9e-6],
    "wd": [0.0, 10.0, 100.0, 350.0],
    "warmup": [0.35, 0.40, 0.45, 0.50],
    "batch": [8, 16],
}
HEAD_INIT = 0.5  # uniform ±0.5, biases 0
HEAD_DROPOUT = 0.1
CLIP = 1.0  # the global norm of the gradient (finetune_bort.py)
EVALUATED = 32  # points a batch when nothing is learnt


class TextStudent:
    """A sequence classifier of classes 0..k-1; points are texts or pairs.

    theta: lr, and optionally wd, warmup, batch, epochs, patience: as many epochs without a better
    score on dev, after the warm-up, end the training.
    """

    def __init__(
        self, model: Any, tokenizer: Any, borts: Borts, theta: Mapping[str, Any], seed: int
    ) -> None:
        self.model = model.to(device())
        self.tokenizer, self.borts, self.theta, self.seed = tokenizer, borts, theta, seed
        most = getattr(model.config, "max_position_embeddings", borts.max_length)
        self.max_length = min(borts.max_length, most)
        self._seen: dict[Point, dict[str, list[int]]] = {}  # a text is read once, not once an epoch

    def fit(self, train: Split, dev: Split) -> Work:
        """Train; of all epochs the one that is best on dev stays.

        Raises:
            StudentError: the loss is not a number.
        """
        theta, batch = self.theta, int(self.theta.get("batch", 8))
        epochs, warmup = int(theta.get("epochs", 10)), theta.get("warmup", 0.1)
        ramp = int(len(train) / batch * epochs)  # as the original counts the steps
        optimizer = BertAdam(groups(self.model, theta.get("wd", 0.0)), theta["lr"])
        order = np.random.default_rng(self.seed)
        best, best_score, best_epoch = deepcopy(self.model.state_dict()), -math.inf, 0
        step = epoch = 0
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            for epoch in range(1, epochs + 1):
                self.model.train()
                mixed = order.permutation(len(train))
                for chosen in (mixed[i : i + batch] for i in range(0, len(train), batch)):
                    for group in optimizer.param_groups:
                        group["lr"] = rate(step, theta["lr"], ramp, warmup)
                    logits = self.logits([train.points[i] for i in chosen])
                    wanted = torch.tensor([train.labels[i] for i in chosen], device=logits.device)
                    loss = cross_entropy(logits, wanted)
                    if not math.isfinite(loss.item()):
                        raise StudentError(
                            f"the loss is {loss.item()} at step {step} (epoch {epoch}): lower --lr"
                        )
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call,unused-ignore]
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
                    optimizer.step()
                    step += 1
                score = accuracy(self.predict(dev.points), dev.labels)
                if score > best_score:
                    best, best_score, best_epoch = deepcopy(self.model.state_dict()), score, epoch
                waited = epoch - max(best_epoch, math.ceil(epochs * warmup))
                if waited >= theta.get("patience", math.inf):
                    break
        self.model.load_state_dict(best)
        return Work(epoch * len(train), epoch * len(dev))

    def logits(self, points: Sequence[Point]) -> torch.Tensor:
        """Float tensor (points, classes)."""
        inputs = {name: rows.to(self.model.device) for name, rows in self.inputs(points).items()}
        logits: torch.Tensor = self.model(**inputs).logits
        return logits

    def inputs(self, points: Sequence[Point]) -> dict[str, torch.Tensor]:
        """int64 tensors (points, longest), by the tokenizer's own template for texts and pairs."""
        for point in points:
            if point not in self._seen:
                self._seen[point] = self.tokenizer(
                    *(point if isinstance(point, tuple) else (point,)),
                    truncation="longest_first",
                    max_length=self.max_length,
                    return_token_type_ids=getattr(self.model.config, "type_vocab_size", 1) > 1,
                )
        made = self.tokenizer.pad([self._seen[point] for point in points], return_tensors="pt")
        return dict(made)

    def predict(self, points: Sequence[Point]) -> Sequence[Label]:
        """The likeliest class."""
        return [int(np.argmax(row)) for row in self.probabilities(points)]

    @torch.no_grad()
    def probabilities(self, points: Sequence[Point]) -> list[tuple[float, ...]]:
        """One tuple a point: the probabilities of the classes."""
        self.model.eval()
        found: list[tuple[float, ...]] = []
        for start in range(0, len(points), EVALUATED):
            logits = self.logits(points[start : start + EVALUATED]).float().cpu()
            found += map(tuple, logits.softmax(-1).tolist())
        return found

    def save(self, directory: Path) -> None:
        """What `from_pretrained` takes; files get the rights that the umask leaves."""
        self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)
        os.umask(mask := os.umask(0))
        for path in directory.iterdir():
            path.chmod(0o666 & ~mask)


@dataclass(frozen=True)
class Borts:
    """Students from `directory`, which holds a model and its tokenizer (as bort-convert makes it).

    labels: the names of the classes, in order.
    preset: Bort's head: a second dropout, and weights uniform ±0.5; False keeps Transformers' own.
    content: `agora.points.content` of the directory, by which a run knows the model.
    """

    directory: str
    labels: tuple[str, ...]
    max_length: int = 512
    preset: bool = True
    content: str = ""

    def make(self, theta: Mapping[str, Any], seed: int) -> TextStudent:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            student = self._read(Path(self.directory), theta, seed)
            if self.preset:
                _as_bort(student.model)
        return student

    def load(self, directory: Path) -> TextStudent:
        return self._read(directory, {}, 0)

    def _read(self, directory: Path, theta: Mapping[str, Any], seed: int) -> TextStudent:
        """The directory with a head for these labels; a head of other sizes is made anew."""
        config = AutoConfig.from_pretrained(directory, local_files_only=True)
        config.id2label = dict(enumerate(self.labels))
        config.label2id = {name: i for i, name in config.id2label.items()}
        config.problem_type = None
        model = AutoModelForSequenceClassification.from_pretrained(
            directory, config=config, local_files_only=True, ignore_mismatched_sizes=True
        ).float()
        tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        if is_bort(directory):
            _one_separator(tokenizer)
        return TextStudent(model, tokenizer, self, theta, seed)


def device() -> str:
    """Where students, teachers and masked language models run."""
    mps = torch.backends.mps.is_available()
    return "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"


def is_bort(directory: Path) -> bool:
    """Whether its config is a Bort's: a BERT with one token type."""
    config: Any = AutoConfig.from_pretrained(directory, local_files_only=True)
    return bool(config.model_type == "bert" and config.type_vocab_size == 1)


def _one_separator(tokenizer: Any) -> None:
    """Bort saw `<s> A </s> B </s>`; RoBERTa's own tokenizer, which fits it too, puts two."""
    begin, end = tokenizer.cls_token, tokenizer.sep_token
    if begin is None or end is None or not getattr(tokenizer, "is_fast", False):
        return
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B {end}",
        special_tokens=[(begin, tokenizer.cls_token_id), (end, tokenizer.sep_token_id)],
    )


def _as_bort(model: Any) -> None:
    """Bort's head: pooler and classifier drawn anew, and a dropout before the tanh layer too."""
    inside = model.base_model_prefix + "."
    for name, module in model.named_modules():
        if name == inside + "pooler":  # Transformers' BERT drops only after it
            module.register_forward_pre_hook(
                lambda pooler, given: (dropout(given[0], HEAD_DROPOUT, pooler.training), *given[1:])
            )
        head = name == inside + "pooler.dense" or not name.startswith(inside)
        if head and isinstance(module, torch.nn.Linear):
            torch.nn.init.uniform_(module.weight, -HEAD_INIT, HEAD_INIT)
            torch.nn.init.zeros_(module.bias)
