"""A masked language model of Transformers that fills a hole in a text with a whole word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from agora.errors import OptionError
from agora.points import content
from agora.quiet import device, quiet
from agora.tau_text import HOLE

BATCH = 32
TOP = 20  # the likeliest words that one is drawn of


class Filler:
    """Draws among the likeliest words for the hole; pieces of words (`##s`) are never put in.

    Raises:
        OptionError: the directory has no trained masked-LM head, or its tokenizer no mask.
    """

    def __init__(self, directory: Path) -> None:
        with quiet():
            self.tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
            load: Any = AutoModelForMaskedLM.from_pretrained
            model, told = load(directory, local_files_only=True, output_loading_info=True)
        if told["missing_keys"]:
            raise OptionError(f"{directory} has no head of a masked language model")
        if self.tokenizer.mask_token_id is None:
            raise OptionError(f"the tokenizer in {directory} has no mask")
        self.model: Any = model.eval().to(device())
        self.content = content(directory)
        self.words = _words(self.tokenizer, model.config.vocab_size)
        if not self.words:
            raise OptionError(f"no token of the tokenizer in {directory} is a whole word")

    def __repr__(self) -> str:
        return f"Filler({self.content})"

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        filled: list[str] = []
        for start in range(0, len(texts), BATCH):
            some = texts[start : start + BATCH]
            masked = [text.replace(HOLE, self.tokenizer.mask_token) for text in some]
            most = self.model.config.max_position_embeddings
            inputs = self.tokenizer(
                masked, return_tensors="pt", padding=True, truncation=True, max_length=most,
                return_token_type_ids=getattr(self.model.config, "type_vocab_size", 1) > 1,
            ).to(device())  # fmt: skip
            logits = self.model(**inputs).logits.float().cpu()[..., list(self.words)]
            holes = inputs["input_ids"].cpu() == self.tokenizer.mask_token_id
            for text, rows, hole in zip(some, logits, holes, strict=True):
                if not hole.any():  # it was cut off, or there are no words
                    filled.append(text.replace(HOLE, " "))
                    continue
                best = rows[hole][0].topk(min(TOP, len(self.words)))
                chances = best.values.double().softmax(0).numpy()
                place = int(best.indices[rng.choice(len(chances), p=chances / chances.sum())])
                filled.append(text.replace(HOLE, f" {[*self.words.values()][place]} "))
        return filled


def _words(tokenizer: Any, count: int) -> dict[int, str]:
    """Id → word, of the tokens that are by themselves a word of letters within a sentence."""
    special = {*tokenizer.all_special_ids}
    ids = [i for i in sorted(tokenizer.get_vocab().values()) if i < count and i not in special]
    texts = [text.strip() for text in tokenizer.batch_decode([[i] for i in ids])]
    letters = [(i, text) for i, text in zip(ids, texts, strict=True) if text.isalpha()]
    within = [" " + text for _, text in letters]
    read = tokenizer(within, add_special_tokens=False)["input_ids"] if within else []
    return {i: text for (i, text), tokens in zip(letters, read, strict=True) if tokens == [i]}
