"""What GluonNLP makes of one text and of a pair, by family: not as a table's [tokenizer] says.

A table says it too, for the tokenizer that is written; a mistake there is seen because the proof
takes the sequence from here. The words are roles of special tokens and the texts A and B, each
with its token type, where the model has any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Parts = tuple[tuple[str, int], ...]  # role or text, token type


@dataclass(frozen=True)
class Sequences:
    """One text, a pair; `types`: whether the model is given token types.

    `lower`: whether GluonNLP lower-cases the family's text; None: its vocabularies differ.
    """

    single: Parts
    pair: Parts
    types: bool = False
    lower: bool | None = None


def _zeros(*words: str) -> Parts:
    return tuple((word, 0) for word in words)


# v0.8.3 data/transforms.py, BERTSentenceTransform; master scripts/question_answering/run_squad.py
FIRST = _zeros("cls", "A", "sep")
SEGMENTS = (*FIRST, ("B", 1), ("sep", 1))
BERT = Sequences(FIRST, SEGMENTS, types=True)
LOWERED = Sequences(FIRST, SEGMENTS, types=True, lower=True)
# v0.10.0 scripts/bert/finetune_classifier.py and alexa/bort finetune_bort.py,
# convert_examples_to_features: the vocabulary's bos and eos, one separator
ROBERTA = Sequences(_zeros("bos", "A", "eos"), _zeros("bos", "A", "eos", "B", "eos"))
T5 = Sequences(_zeros("A", "eos"), _zeros("A", "eos", "B", "eos"), lower=False)  # as Google trained
GPT2 = Sequences(_zeros("A"), _zeros("A", "B"))

SEQUENCES: Mapping[str, Sequences] = {
    "bort": ROBERTA,
    "bert": BERT,
    "roberta": ROBERTA,
    # v0.10.0 model/bert.py: DistilBERT has no token types
    "distilbert": Sequences(FIRST, _zeros("cls", "A", "sep", "B", "sep")),
    "ernie": LOWERED,  # v0.8.3 model/bert.py: the vocabulary is baidu_ernie_uncased
    # v0.8.3 data/transforms.py: neither GPT2BPETokenizer nor SentencepieceTokenizer lower-cases
    "gpt2": Sequences(GPT2.single, GPT2.pair, lower=False),
    # v0.10.0 scripts/language_model/run_glue.py, convert_examples_to_features; transformer/data.py
    "xlnet": Sequences(
        (*_zeros("A", "sep"), ("cls", 2)),
        (*_zeros("A", "sep"), ("B", 1), ("sep", 1), ("cls", 2)),
        types=True,
        lower=False,
    ),
    "bert_1x": BERT,
    # master models/albert.py, electra.py, mobilebert.py, xlmr.py: `lowercase` of every model
    "albert_1x": LOWERED,
    "electra_1x": LOWERED,
    "mobilebert_1x": LOWERED,
    "roberta_1x": ROBERTA,
    "roberta_1x_master": ROBERTA,
    "xlmr_1x": Sequences(ROBERTA.single, ROBERTA.pair, lower=False),
    "gpt2_1x": GPT2,
    "bart_1x": ROBERTA,
    "t5_1x": T5,
    "mt5_1x": T5,
}
