"""docs/bort.md: its sizes are those that Transformers' classes have for the published shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from transformers import BertConfig, BertModel

from converter.tables.load import load_family
from tests.docs.test_pages import PAGES

PAGE = PAGES["bort.md"].read_text("utf-8")
BERT_LARGE = {"num_hidden_layers": 24, "num_attention_heads": 16, "hidden_size": 1024}
BERT_LARGE |= {"intermediate_size": 4096}
WORDS = {"vocab_size": 50265, "max_position_embeddings": 512, "type_vocab_size": 1}


def parameters(sizes: Mapping[str, Any]) -> tuple[int, int]:
    """Of the whole model, and of its layers alone."""
    with torch.device("meta"):
        model = BertModel(BertConfig(**sizes), add_pooling_layer=False)
    whole, layers = model.parameters(), model.encoder.parameters()
    return sum(p.numel() for p in whole), sum(p.numel() for p in layers)


def row(name: str) -> list[str]:
    (line,) = re.findall(rf"^\| {name} \| (.*) \|$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def test_the_sizes_are_counted() -> None:
    for column, known in enumerate(load_family("bort").known):
        sizes = known.config
        whole, layers = parameters({**WORDS, **sizes})
        assert row("parameters, without the MLM head")[column] == f"{whole / 1e6:.1f} M"
        assert row("of these in the encoder's layers")[column] == f"{layers / 1e6:.1f} M"
        heads = f"{sizes['num_hidden_layers']}, {sizes['num_attention_heads']}"
        assert row("layers, attention heads")[column] == heads


def test_so_is_their_share_of_bert_large() -> None:
    counted = parameters({**WORDS, **load_family("bort").known[0].config})
    large = parameters(BERT_LARGE)
    for place, (own, its) in enumerate(zip(counted, large, strict=True)):
        assert row("Bort")[2 * place : 2 * place + 2] == [f"{own / 1e6:.1f} M", f"{own / its:.1%}"]
