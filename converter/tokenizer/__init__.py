"""GluonNLP vocabularies become Transformers tokenizers, id by id."""

from converter.tokenizer.discover import find, places
from converter.tokenizer.lines import tokenizer_line, vocabulary_lines
from converter.tokenizer.record import recorded, tokenizer_json
from converter.tokenizer.spec import Files, Prepared, prepare
from converter.tokenizer.write import FILES, copy_without_tokenizer, write_tokenizer

__all__ = [
    "FILES",
    "Files",
    "Prepared",
    "copy_without_tokenizer",
    "find",
    "places",
    "prepare",
    "recorded",
    "tokenizer_json",
    "tokenizer_line",
    "vocabulary_lines",
    "write_tokenizer",
]
