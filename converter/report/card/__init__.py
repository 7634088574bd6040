"""The model card: `README.md` of the written directory, drawn from the report."""

from converter.report.card.card import model_card as model_card
from converter.report.card.card import with_tokenizer as with_tokenizer
