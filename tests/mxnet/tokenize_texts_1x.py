"""Runs inside the MXNet environment of GluonNLP 1.x: the ids that its tokenizers give.

    python tokenize_texts_1x.py FOLDER CASES.json TEXTS.json OUT.json

CASES.json: a list of {"name", "tokenizer", ...} with files in FOLDER. TEXTS.json: texts by
category. OUT.json: for each case the size of its vocabulary, its special tokens' ids, and the ids
of every text.
"""

import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
import sentencepiece  # noqa: E402
from autogluon_contrib_nlp.data import Vocab  # noqa: E402
from autogluon_contrib_nlp.data import tokenizers as gluon  # noqa: E402

BERT = {
    "unk_token": "[UNK]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def without_sampling(how):
    """What SentencePiece did when asked for the best of none, until 0.1.97 refused it."""

    def encode(processor, text, best, _alpha):
        assert best == 0
        return getattr(processor, how)(text)

    return encode


def with_extra_ids(path, count):
    """The vocabulary that T5Tokenizer of GluonNLP master has (models/t5.py)."""
    vocab = gluon.SentencepieceTokenizer(path).vocab
    extra = {"extra%d_token" % n: "<extra_id_%d>" % n for n in range(count)}
    special = {name + "_token": getattr(vocab, name + "_token") for name in ("unk", "pad", "eos")}
    behind = [extra["extra%d_token" % n] for n in reversed(range(count))]
    return Vocab(vocab.all_tokens + behind, **special, **extra)


def tokenizer(folder, case):
    """GluonNLP's own, made as get_pretrained_<family> makes it."""
    path = {
        o: os.path.join(folder, case[o]) for o in ("vocab", "merges", "sentencepiece") if o in case
    }
    if case["tokenizer"] == "HuggingFaceWordPieceTokenizer":
        accents = {"strip_accents": case["strip_accents"]} if "strip_accents" in case else {}
        return gluon.HuggingFaceWordPieceTokenizer(
            vocab_file=path["vocab"], lowercase=case["lower"], **BERT, **accents
        )
    if case["tokenizer"] == "HuggingFaceByteBPETokenizer":
        return gluon.HuggingFaceByteBPETokenizer(path["merges"], path["vocab"])
    vocab = path.get("vocab")
    if "extra_ids" in case:
        vocab = with_extra_ids(path["sentencepiece"], case["extra_ids"])
    return gluon.SentencepieceTokenizer(path["sentencepiece"], vocab=vocab, lowercase=case["lower"])


def main(folder, cases, texts, out):
    """Record every case."""
    processor = sentencepiece.SentencePieceProcessor
    for kind in ("Ids", "Pieces"):
        snake = "sample_encode_as_" + kind.lower()
        setattr(processor, snake, without_sampling("EncodeAs" + kind))
    with open(cases, encoding="utf-8") as file:
        cases = json.load(file)
    with open(texts, encoding="utf-8") as file:
        texts = [text for category in json.load(file).values() for text in category]
    found = {}
    for case in cases:
        split = tokenizer(folder, case)
        ids = split.vocab.token_to_idx
        found[case["name"]] = {
            "tokens": len(split.vocab),
            "special": {key: ids[t] for key, t in split.vocab.special_tokens_kv.items()},
            "ids": [[int(i) for i in split.encode(text, int)] for text in texts],
        }
    with open(out, "w", encoding="utf-8") as file:
        file.write(json.dumps({"cases": found}, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
