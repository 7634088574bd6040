"""Lines that anyone can run: text in, prediction out; or ids, where there is no tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PLACE = "path/to/this/directory"
TEXT = "All human beings are born free."
GENERATED = 20  # tokens that a model writes, where it has places for them
TWO_SIDED = ("t5", "mt5", "bart")  # model types with an encoder and a decoder


@dataclass(frozen=True)
class Example:
    """What the lines depend on: the class, its arguments beside the config, and config.json.

    `tokenizer`: whether the directory has one; `mask`: whether that has a token to fill in.
    """

    transformers_class: str
    init: Mapping[str, Any]
    config: Mapping[str, Any]
    tokenizer: bool
    mask: bool = False

    def lines(self) -> Iterator[str]:
        """The block of Python, without its fence."""
        name, classes = self.transformers_class, [self.transformers_class]
        if self.tokenizer:
            classes.insert(0, "AutoTokenizer")
        yield "import torch"
        yield f"from transformers import {', '.join(classes)}"
        yield ""
        yield f'directory = "{PLACE}"'
        if self.tokenizer:
            yield "tokenizer = AutoTokenizer.from_pretrained(directory)"
        arguments = ["directory", *(f"{key}={value!r}" for key, value in self.init.items())]
        yield f"model = {name}.from_pretrained({', '.join(arguments)})"
        yield ""
        yield from self._run() if self.tokenizer else self._on_ids()

    def _run(self) -> Iterator[str]:
        """Text through tokenizer and model, by what the class gives."""
        name, pair = self.transformers_class, ""
        text = f'"{TEXT}"'
        if name.endswith("QuestionAnswering"):
            text, pair = '"Who is free?"', ', "All are born free."'
        elif name.endswith("NextSentencePrediction"):
            text, pair = '"All are born free."', ', "They are equal."'
        elif self._fills:
            text = 'f"All human beings are {tokenizer.mask_token} free."'
        yield f'inputs = tokenizer({text}{pair}, return_tensors="pt")'
        if name.endswith(("LMHeadModel", "ForConditionalGeneration")):
            # XLNet's mask does not grow with what is generated
            given = "inputs.input_ids" if name.startswith("XLNet") else "**inputs"
            yield f"made = model.generate({given}, max_new_tokens={self._new}, do_sample=False)"
            yield "print(tokenizer.decode(made[0]))"
            return
        more = ", decoder_input_ids=inputs.input_ids" if self._two_sided else ""
        yield "with torch.no_grad():"
        yield f"    outputs = model(**inputs{more})"
        yield from self._answer()

    def _answer(self) -> Iterator[str]:
        name = self.transformers_class
        if name == "ElectraForPreTraining":
            yield "for token, score in zip(inputs.tokens(), outputs.logits[0]):"
            yield '    print(token, "replaced" if score > 0 else "original")'
        elif name.endswith(("ForMaskedLM", "ForPreTraining")):
            logits = "logits" if name.endswith("ForMaskedLM") else "prediction_logits"
            yield f"words = outputs.{logits}[0].argmax(-1)"
            if self._fills:
                yield "masks = inputs.input_ids[0] == tokenizer.mask_token_id"
                yield "print(tokenizer.decode(words[masks]))"
            else:
                yield "print(tokenizer.decode(words))"
        elif name.endswith("SequenceClassification"):
            if len(self.config.get("id2label", ())) == 1:
                yield "print(outputs.logits.item())"
            else:
                yield "print(model.config.id2label[outputs.logits.argmax(-1).item()])"
        elif name.endswith("TokenClassification"):
            yield "for token, label in zip(inputs.tokens(), outputs.logits[0].argmax(-1)):"
            yield "    print(token, model.config.id2label[label.item()])"
        elif name.endswith("QuestionAnswering"):
            yield "begin, end = outputs.start_logits.argmax(), outputs.end_logits.argmax()"
            yield "print(tokenizer.decode(inputs.input_ids[0, begin : end + 1]))"
        elif name.endswith("NextSentencePrediction"):
            yield "print(outputs.logits.softmax(-1))"
        else:
            yield "print(outputs.last_hidden_state)  # (texts, tokens, features)"

    def _on_ids(self) -> Iterator[str]:
        more = ', "decoder_input_ids": ids' if self._two_sided else ""
        yield "ids = torch.tensor([[0, 1, 2]])  # of a text: a tokenizer makes them, see below"
        yield "with torch.no_grad():"
        yield f'    outputs = model(**{{"input_ids": ids{more}}})'
        yield "print(outputs[0])"

    @property
    def _fills(self) -> bool:
        masked = self.transformers_class.endswith(("ForMaskedLM", "ForPreTraining"))
        return masked and self.mask and self.transformers_class != "ElectraForPreTraining"

    @property
    def _two_sided(self) -> bool:
        return self.config.get("model_type") in TWO_SIDED

    @property
    def _new(self) -> int:
        places = (self.config.get(key) for key in ("n_positions", "max_position_embeddings"))
        return min([GENERATED, *(place // 4 for place in places if type(place) is int)])
