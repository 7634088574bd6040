"""What is around a model in a network of one's own, and how to put it back, as a card says it.

What the file does not store is not said: which output a Dense reads, and what is between two.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from converter.params import TensorEntry
from converter.planning.backbones import Backbone
from converter.planning.base import UNCONVERTED_FILE
from converter.planning.plan import TablePlan
from converter.report.columns import merged

HEADING = "## What was around the model"
DENSE = 4  # of one's own that are shown as code: of more, nobody's head is made
WIDTHS = ("hidden_size", "n_embd", "d_model")  # what configs call the width of the hidden states
RESERVED = {"inputs", "load_file", "logits", "model", "outputs", "rest", "torch"}
RECURRENT = ("i2h", "h2h")  # gluon/rnn/rnn_layer.py: a weight and a bias too, and no Dense


@dataclass(frozen=True)
class Dense:
    """A weight (out, in) and a bias (out), by their names in the file; `variable` in code."""

    weight: TensorEntry
    bias: TensorEntry
    variable: str

    @property
    def sequence(self) -> str:
        """The attribute it is of, which is a sequence of blocks where a number follows."""
        stem = self.weight.name.removesuffix(".weight")
        outer, _, number = stem.rpartition(".")
        return outer if number.isdecimal() else stem

    @property
    def size(self) -> int:
        """How many numbers it reads."""
        return self.weight.shape[1]


def around_section(plan: TablePlan) -> Iterator[str]:
    """A section of the card; nothing where `--backbone` set nothing aside."""
    if not plan.match.backbone or not plan.match.exported:
        return
    rest = [*Backbone(plan.match, ()).others()]
    yield from (HEADING, "")
    yield "`--backbone` converted the model in a network of your own. The rest is in"
    yield f"`{UNCONVERTED_FILE}`, under its own names:"
    yield ""
    yield from _listed(rest)
    for other in plan.match.others:
        yield f"- another model, whose names begin with `{other}`: `--prefix {other}` converts it"
    yield ""
    dense = dense_of(rest)
    left = {entry.name for entry in rest} - {e.name for d in dense for e in (d.weight, d.bias)}
    if 0 < len(dense) <= DENSE:
        yield from _code(plan, dense, not left)
    else:
        yield from ("```python", *_reading(), "```", "")
    if any(name.rpartition("_")[0].endswith(RECURRENT) for name in left):
        yield "`i2h` and `h2h` are a recurrent layer's: `weight_ih` and `weight_hh` of PyTorch's"
        yield "`torch.nn.LSTM`, if it was an LSTM, with the gates in the same order."
        yield ""
    yield "Activations, Dropout and what your class's `forward` does with these numbers, the file"
    yield "does not store: nothing of it was converted or proven."
    yield ""


def dense_of(rest: Sequence[TensorEntry]) -> list[Dense]:
    """Every weight of two dimensions with a bias of its own, in the order of the file."""
    names = {entry.name: entry for entry in rest}
    found: list[Dense] = []
    for name, weight in names.items():
        stem = re.fullmatch(r"(.*?)[._]?weight", name, re.DOTALL)
        bias = names.get(f"{name.removesuffix('weight')}bias")
        if not stem or bias is None or stem[1].endswith(RECURRENT):
            continue
        if len(weight.shape) == 2 and bias.shape == weight.shape[:1] and weight.nbytes:
            taken = RESERVED | {dense.variable for dense in found}
            found.append(Dense(weight, bias, _variable(stem[1], len(found), taken)))
    return found


def _variable(stem: str, number: int, taken: set[str]) -> str:
    """The name of a module as a variable, or one of ours where it cannot be one."""
    name = re.sub(r"[^0-9A-Za-z]+", "_", stem.removeprefix("arg:")).strip("_")
    fits = name.isidentifier() and not keyword.iskeyword(name) and name not in taken
    return name if fits else f"dense_{number}"


def _listed(rest: Sequence[TensorEntry]) -> Iterator[str]:
    rows = [(entry.name, "×".join(map(str, entry.shape)), entry.dtype.name) for entry in rest]
    for (name, shape, dtype), _ in merged(rows):
        yield f"- `{name}`: {shape or 'scalar'}, {dtype}"


def _reading() -> Iterator[str]:
    yield "from safetensors.torch import load_file"
    yield ""
    yield f'rest = load_file("path/to/this/directory/{UNCONVERTED_FILE}")  # name → tensor'


def _code(plan: TablePlan, dense: Sequence[Dense], alone: bool) -> Iterator[str]:
    """The lines that make each Dense a `torch.nn.Linear`; and what it may read, if it is `alone`.

    alone: nothing else is around the model, which could be in front of a Dense
    """
    yield from ("```python", "import torch", *_reading(), "")
    for one in dense:
        out, size = one.weight.shape
        weights = f'{{"weight": rest[{_text(one.weight)}], "bias": rest[{_text(one.bias)}]}}'
        yield f"{one.variable} = torch.nn.Linear({size}, {out}, dtype=model.dtype)"
        yield f"{one.variable}.load_state_dict({weights})"
    outputs = {one: [*_may_read(plan, one.size)] for one in dense}
    sequences = {one.sequence for one in dense}
    if not alone or len(sequences) < len(dense) or not all(outputs.values()):
        yield from ("```", "", "What each of them reads, the file does not store.", "")
        return
    made = dict.fromkeys(line for found in outputs.values() for line, *_ in found)
    yield from ("", *made)
    calls = [
        (f"{one.variable}({read})", f"({shape}, {one.weight.shape[0]}): {of}")
        for one, found in outputs.items()
        for _, read, shape, of in found
    ]
    longest = max(len(call) for call, _ in calls)
    yield from (f"{call:<{longest}}  # {of}" for call, of in calls)
    yield from ("```", "")
    yield "`inputs` is what the tokenizer gives (`input_ids`, `attention_mask`, …). Keep the line"
    yield "that your class has: which output its Dense reads, the file does not store."
    if len(dense) > 1:
        yield "Nor does it tell whether one of them reads what another gives."
    yield ""


def _may_read(plan: TablePlan, size: int) -> Iterator[tuple[str, str, str, str]]:
    """What gives an output as wide as a Dense reads, the output, its shape, and what it is of."""
    width = next((plan.config[name] for name in WIDTHS if name in plan.config), None)
    if size == width:
        run = f"outputs = {'model.base_model' if plan.target.outputs else 'model'}(**inputs)"
        states = "outputs.last_hidden_state"
        if "pooler" in plan.heads:
            yield run, "outputs.pooler_output", "texts", "of a text, by the pooled output"
    elif size == plan.config.get("vocab_size") and "lm_logits" in plan.target.outputs.values():
        run, states = "logits = model(**inputs).logits", "logits"
    else:
        return
    yield run, f"{states}[:, 0]", "texts", "of a text, by its first token"
    yield run, states, "texts, tokens", "of each token"


def _text(entry: TensorEntry) -> str:
    """A name as Python has it."""
    plain = entry.name.isprintable() and not {*entry.name} & {'"', "\\"}
    return f'"{entry.name}"' if plain else repr(entry.name)
