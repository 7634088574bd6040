"""What is around a GluonNLP 0.x BERTModel: the heads that people fine-tuned, in NumPy.

Their names are beside the model's prefix (`bert.`, `bert_model.`, `roberta.`, `bort.`).
Sources: GluonNLP v0.10.0 `model/bert.py` (BERTClassifier, RoBERTaClassifier); scripts of v0.8.3
`bert/model/classification.py` (BERTRegression), `bert/model/qa.py` (BertForQA),
`bert/model/ner.py` (BERTTagger), `bert/finetune_icsl.py` (BERTForICSL); alexa/bort `bort/bort.py`
(BortClassifier).
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Weights


def run_heads(outer: Weights, sequence: Array, named: dict[str, Array]) -> None:
    """Add to `named` what the heads in `outer` give for `sequence` (batch, length, units).

    `named["pooled"]` is there where the model has a pooler.
    """
    for name, word in (("classifier", "logits"), ("regression", "logits")):
        layers = outer.child(name).numbered("weight")
        if len(layers) == 2:  # BortClassifier, RoBERTaClassifier: a Dense tanh of their own first
            named["pooled"] = np.tanh(nn.dense(layers[0], sequence[:, 0]))
        if layers:
            named[word] = nn.dense(layers[-1], named["pooled"])
    if "span_classifier.weight" in outer:
        spans = nn.dense(outer.child("span_classifier"), sequence)
        named["start_logits"], named["end_logits"] = spans[..., 0], spans[..., 1]
    if "tag_classifier.weight" in outer:
        named["token_logits"] = nn.dense(outer.child("tag_classifier"), sequence)
    for layer in outer.child("intent_classifier").numbered("weight"):
        named["intent_logits"] = nn.dense(layer, named["pooled"])
    for layer in outer.child("slot_tagger").numbered("weight"):
        named["slot_logits"] = nn.dense(layer, sequence)
