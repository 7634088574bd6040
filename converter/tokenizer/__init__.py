"""GluonNLP vocabularies become Transformers tokenizers, id by id."""

from converter.tokenizer.find import find, places
from converter.tokenizer.prepare import Files, Prepared, prepare
from converter.tokenizer.record import recorded, tokenizer_json
from converter.tokenizer.write import FILES, write_tokenizer

__all__ = [
    "FILES",
    "Files",
    "Prepared",
    "find",
    "places",
    "prepare",
    "recorded",
    "tokenizer_json",
    "write_tokenizer",
]
