"""Runs inside an MXNet environment (Python 3.6 or newer): a real BERT with given weights, on text.

    python write_bert.py FOLDER SIZES.json

FOLDER has weights.npz (by GluonNLP's names), real.vocab and texts.json. Writes real.params with
GluonNLP's own code, and outputs.npz: what the real tokenizer and the real model make of the texts,
two by two as pairs.
"""

from __future__ import print_function

import io
import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
import gluonnlp  # noqa: E402
import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "fixtures"))
from zoo_models import Zoo, build  # noqa: E402

LENGTH = 64


def main(folder, sizes):
    with io.open(sizes, encoding="utf-8") as file:
        net = build(Zoo(**json.load(file)))
    parameters = net._collect_params_with_prefix()
    with np.load(os.path.join(folder, "weights.npz")) as weights:
        assert sorted(weights.files) == sorted(parameters)
        for name in weights.files:
            assert parameters[name].shape == weights[name].shape, name
            parameters[name].set_data(mx.nd.array(weights[name]))
    net.save_parameters(os.path.join(folder, "real.params"))
    with io.open(os.path.join(folder, "real.vocab"), encoding="utf-8") as file:
        vocab = gluonnlp.vocab.BERTVocab.from_json(file.read())
    with io.open(os.path.join(folder, "texts.json"), encoding="utf-8") as file:
        texts = json.load(file)
    tokenizer = gluonnlp.data.BERTTokenizer(vocab, lower=True)
    transform = gluonnlp.data.BERTSentenceTransform(tokenizer, LENGTH, pad=True, pair=True)
    made = [transform(pair) for pair in zip(texts[::2], texts[1::2])]  # noqa: B905
    ids, lengths, types = (np.stack([np.asarray(m[part]) for m in made]) for part in range(3))
    arrays = [mx.nd.array(values) for values in (ids, types, lengths)]
    hidden, pooled = net(*arrays)
    np.savez(
        os.path.join(folder, "outputs.npz"),
        ids=ids,
        lengths=lengths,
        types=types,
        hidden=hidden.asnumpy(),
        pooled=pooled.asnumpy(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
