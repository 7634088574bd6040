"""Runs inside an MXNet environment (Python 3.6 or newer): the ids that GluonNLP gives.

    python tokenize_texts.py FOLDER CASES.json TEXTS.json OUT.json

CASES.json: a list of {"name", "tokenizer", ...} with files in FOLDER. TEXTS.json: texts by
category. OUT.json: for each case its vocabulary's tokens in order, its special tokens, and the ids
of every text; which texts hold characters that this Python's Unicode does not have.
"""

from __future__ import print_function

import hashlib
import io
import json
import os
import sys
import unicodedata
import warnings

warnings.simplefilter("ignore")
import gluonnlp  # noqa: E402
from gluonnlp.data import transforms  # noqa: E402


def without_sampling(processor, text, best, _alpha):
    """What SentencePiece did when asked for the best of none, until 0.1.97 refused it."""
    assert best == 0
    return processor.EncodeAsPieces(text)


def vocabulary(folder, case):
    if "vocab" not in case:
        path = os.path.join(folder, case["sentencepiece"])
        return gluonnlp.vocab.BERTVocab.from_sentencepiece(path, **case.get("special", {}))
    cls = getattr(gluonnlp.vocab, case.get("class", "Vocab"))
    with io.open(os.path.join(folder, case["vocab"]), encoding="utf-8") as file:
        return cls.from_json(file.read())


def gpt2(folder, name):
    """GluonNLP's own class, told the sha1 of another merges file than OpenAI's."""
    with io.open(os.path.join(folder, name), "rb") as file:
        sha1 = hashlib.sha1(file.read()).hexdigest()

    class Tokenizer(transforms.GPT2BPETokenizer):
        bpe_ranks_file_hash = (name, sha1)

    return Tokenizer(root=folder)


def tokenizer(folder, case, vocab):
    kind = case["tokenizer"]
    if kind == "GPT2BPETokenizer":
        return gpt2(folder, case["merges"])
    if kind == "BERTTokenizer":
        return transforms.BERTTokenizer(vocab, lower=case["lower"])
    if kind == "BERTSPTokenizer":
        path = os.path.join(folder, case["sentencepiece"])
        return transforms.BERTSPTokenizer(path, vocab, lower=case["lower"])
    return transforms.SentencepieceTokenizer(os.path.join(folder, case["sentencepiece"]))


def patch_sentencepiece():
    try:
        import sentencepiece
    except ImportError:
        return
    sentencepiece.SentencePieceProcessor.SampleEncodeAsPieces = without_sampling


def main(folder, cases, texts, out):
    patch_sentencepiece()
    with io.open(cases, encoding="utf-8") as file:
        cases = json.load(file)
    with io.open(texts, encoding="utf-8") as file:
        texts = [text for category in json.load(file).values() for text in category]
    found = {
        "gluonnlp": gluonnlp.__version__,
        "unassigned": [
            number
            for number, text in enumerate(texts)
            if any(unicodedata.category(c) == "Cn" for c in text)
        ],
        "cases": {},
    }
    for case in cases:
        vocab = vocabulary(folder, case)
        split = tokenizer(folder, case, vocab)
        names = ("unknown", "padding", "bos", "eos", "cls", "sep", "mask")
        special = {name: getattr(vocab, name + "_token", None) for name in names}
        found["cases"][case["name"]] = {
            "tokens": list(vocab.idx_to_token) if case.get("tokens") else None,
            "special": {name: vocab[token] for name, token in special.items() if token},
            "ids": [[int(i) for i in vocab[split(text)]] if text else [] for text in texts],
        }
    with io.open(out, "w", encoding="utf-8") as file:
        file.write(json.dumps(found, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
