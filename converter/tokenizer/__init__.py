"""GluonNLP vocabularies become Transformers tokenizers, id by id."""

from converter.tokenizer.discover import find, places
from converter.tokenizer.record import recorded, tokenizer_json
from converter.tokenizer.spec import Files, TokenizerSpec, make_spec
from converter.tokenizer.write import FILES, copy_without_tokenizer, write_tokenizer

__all__ = [
    "FILES",
    "Files",
    "TokenizerSpec",
    "copy_without_tokenizer",
    "find",
    "make_spec",
    "places",
    "recorded",
    "tokenizer_json",
    "write_tokenizer",
]
