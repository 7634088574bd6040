"""Students from a Transformers directory, with what Bort's own fine-tuning did as a preset.

Source: alexa/bort at 05adebf, finetune_bort.py and bort/bort.py, and its README for the grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from agora.errors import DataError
from agora.grid import grid
from agora.points import Point
from agora.quiet import quiet
from agora.torch_student import TorchStudent

# The initial Theta of the paper's README: 480 sets, too many to drop one at a time.
PUBLISHED = grid(
    seed=range(5),
    lr=[1e-4, 1e-5, 9e-6],
    wd=[0, 10, 100, 350],
    warmup=[0.35, 0.40, 0.45, 0.50],
    batch=[8, 16],
)
HEAD_INIT = 0.5  # uniform ±0.5, biases 0
HEAD_DROPOUT = 0.1


class TextStudent(TorchStudent):
    """A sequence classifier; points are texts or pairs of texts."""

    def __init__(self, model: Any, tokenizer: Any, *more: Any, max_length: int) -> None:
        super().__init__(model, *more)
        self.tokenizer, self.max_length = tokenizer, max_length
        self._seen: dict[str, list[int]] = {}  # a text is read once, not once an epoch

    def __repr__(self) -> str:
        model: Any = self.model
        return f"TextStudent({model.name_or_path!r})"

    def logits(self, model: torch.nn.Module, points: Sequence[Point]) -> torch.Tensor:
        device = next(model.parameters()).device
        inputs = {name: rows.to(device) for name, rows in self.inputs(points).items()}
        logits: torch.Tensor = model(**inputs).logits
        return logits

    def inputs(self, points: Sequence[Point]) -> dict[str, torch.Tensor]:
        """int64 tensors (points, longest): `<s> A </s>`, or `<s> A </s> B </s>` with one separator.

        Of a pair that is too long, tokens are taken from the end of the longer text.
        """
        rows: list[tuple[list[int], int]] = []
        for point in points:
            texts = point if isinstance(point, tuple) else (point,)
            parts = [self._ids(text) for text in texts]
            while sum(map(len, parts)) > self.max_length - len(parts) - 1:
                max(parts, key=len).pop()
            first = [self._special("cls", "bos"), *parts[0], self._special("sep", "eos")]
            second = [*parts[1], self._special("sep", "eos")] if len(parts) > 1 else []
            rows.append((first + second, len(first)))
        longest = max(len(ids) for ids, _ in rows)
        pad = self.tokenizer.pad_token_id or 0
        shape = (len(rows), longest)
        ids, mask, types = (
            torch.full(shape, pad),
            torch.zeros(shape).long(),
            torch.zeros(shape).long(),
        )
        for i, (row, first_length) in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
            types[i, first_length : len(row)] = 1
        made = {"input_ids": ids, "attention_mask": mask}
        config: Any = self.model.config
        if getattr(config, "type_vocab_size", 1) > 1:  # Bort has one type
            made["token_type_ids"] = types
        return made

    def save(self, directory: Path) -> None:
        model: Any = self.model
        with quiet():
            model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)

    def _ids(self, text: str) -> list[int]:
        if text not in self._seen:
            said = self.tokenizer(text, add_special_tokens=False, verbose=False)
            self._seen[text] = said["input_ids"]
        return [*self._seen[text]]

    def _special(self, *names: str) -> int:
        for name in names:
            token: int | None = getattr(self.tokenizer, f"{name}_token_id")
            if token is not None:
                return token
        raise DataError(f"the tokenizer has none of the tokens {names}: give it one")


@dataclass(frozen=True)
class Borts:
    """Students from `directory`, which holds a model and its tokenizer (as bort-convert makes it).

    labels: the names of the classes, in order; empty for numbers.
    preset: Bort's head: a second dropout, and weights uniform ±0.5; False keeps Transformers' own.
    """

    directory: str
    labels: tuple[str, ...]
    max_length: int = 512
    preset: bool = True

    def make(self, theta: Mapping[str, Any], seed: int, start: Path | None) -> TextStudent:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            student = self._read(start or Path(self.directory), theta, seed)
            if start is None and self.preset:
                _bort_head(student.model)
        if self.preset:
            _second_dropout(student.model)
        return student

    def load(self, directory: Path) -> TextStudent:
        return self._read(directory, {}, 0)

    def _read(self, directory: Path, theta: Mapping[str, Any], seed: int) -> TextStudent:
        """The directory with a head for these labels; a head of other sizes is made anew."""
        config = AutoConfig.from_pretrained(directory, local_files_only=True)
        config.id2label = dict(enumerate(self.labels)) or {0: "value"}
        config.label2id = {name: i for i, name in config.id2label.items()}
        config.problem_type = None if self.labels else "regression"
        with quiet():  # that the head is new is what we want
            model = AutoModelForSequenceClassification.from_pretrained(
                directory, config=config, local_files_only=True, ignore_mismatched_sizes=True
            ).float()
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        length = min(self.max_length, getattr(config, "max_position_embeddings", self.max_length))
        return TextStudent(model, tokenizer, len(self.labels), theta, seed, max_length=length)


def _head(model: Any) -> list[torch.nn.Linear]:
    pooler = getattr(model.base_model, "pooler", None)
    outside = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and not name.startswith(model.base_model_prefix + ".")
    ]
    return ([pooler.dense] if pooler is not None and hasattr(pooler, "dense") else []) + outside


def _bort_head(model: torch.nn.Module) -> None:
    for dense in _head(model):
        torch.nn.init.uniform_(dense.weight, -HEAD_INIT, HEAD_INIT)
        torch.nn.init.zeros_(dense.bias)


def _second_dropout(model: torch.nn.Module) -> None:
    """Bort drops before the tanh layer too; Transformers' BERT only after it."""

    def drop(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (torch.nn.functional.dropout(inputs[0], HEAD_DROPOUT, model.training), *inputs[1:])

    pooler = getattr(getattr(model, "base_model", None), "pooler", None)
    if pooler is not None:
        pooler.register_forward_pre_hook(drop)
