"""GluonNLP vocabularies become Transformers tokenizers, id by id."""

from converter.tokenizer.beside import find_beside as find_beside
from converter.tokenizer.beside import where as where
from converter.tokenizer.discover import find as find
from converter.tokenizer.discover import places as places
from converter.tokenizer.record import recorded as recorded
from converter.tokenizer.record import tokenizer_json as tokenizer_json
from converter.tokenizer.spec import Files as Files
from converter.tokenizer.spec import TokenizerSpec as TokenizerSpec
from converter.tokenizer.spec import make_spec as make_spec
from converter.tokenizer.write import FILES as FILES
from converter.tokenizer.write import copy_without_tokenizer as copy_without_tokenizer
from converter.tokenizer.write import write_no_tokenizer as write_no_tokenizer
from converter.tokenizer.write import write_tokenizer as write_tokenizer
