"""Every model that generates does so, as it was written: no special id is beyond its words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converter.errors import PlanError
from converter.params import read_index
from converter.planning.plan import make_plan
from converter.tables.load import family_names, load_family
from tests import borts, zoo
from tests.families import FAMILY, FIXTURES

GENERATES = ("LMHeadModel", "ConditionalGeneration")
DECODERS = {  # the families that have any of these
    name
    for name in family_names()
    if any(target.transformers_class.endswith(GENERATES) for target in load_family(name).target)
}


def generating(name: str) -> bool:
    if FAMILY[name] not in DECODERS:
        return False
    return FIXTURES[name](name).transformers_class.endswith(GENERATES)


@pytest.mark.parametrize("name", [name for name in FIXTURES if generating(name)])
def test_generate_runs(name: str, tmp_path: Path) -> None:
    """A GPT-2 of fewer words had OpenAI's 50256 as its end: an IndexError."""
    import torch
    import transformers

    plan = FIXTURES[name](name)
    out = borts.written(plan, tmp_path / "out")
    model = getattr(transformers, plan.transformers_class).from_pretrained(out)
    torch.manual_seed(1)
    ids = torch.randint(0, plan.config["vocab_size"], (3, 4))
    found = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, min_length=3)
    assert found.shape[0] == 3
    assert found.max() < plan.config["vocab_size"]


@pytest.mark.parametrize("name", FIXTURES)
def test_no_special_id_is_beyond_the_words(name: str, tmp_path: Path) -> None:
    plan = FIXTURES[name](name)
    out = borts.written(plan, tmp_path / "out")
    config = json.loads((out / "config.json").read_text())
    ids = {k: v for k, v in config.items() if k.endswith("_token_id") and v is not None}
    assert all(0 <= value < config["vocab_size"] for value in ids.values()), ids


def test_a_gpt2_of_other_words_is_not_taken_for_openais() -> None:
    """KoGPT2: 12 layers of 768 as the 117M, 50,000 tokens, and GELU by erf."""
    from tests.indexes import make_index

    shapes = gpt2_shapes(vocabulary=50_000)
    table = zoo.plan_of("scripts/gpt2").table
    with pytest.raises(PlanError) as caught:
        make_plan(make_index(shapes), [table], {})
    asked = [problem.split(",")[0] for problem in caught.value.problems]
    assert asked == [
        "the file does not store n_head",
        "the file does not store activation_function",
    ]
    told = {"n_head": 12, "activation_function": "gelu"}
    plan = make_plan(make_index(shapes), [table], told)
    assert plan.known is None
    assert (plan.config["bos_token_id"], plan.config["eos_token_id"]) == (None, None)
    assumed = {a.field: a.why for a in plan.assumed}
    assert assumed["eos_token_id"] == "no vocabulary tells it"


def test_openais_own_is_known_by_all_its_sizes() -> None:
    from tests.indexes import make_index

    table = zoo.plan_of("scripts/gpt2").table
    plan = make_plan(make_index(gpt2_shapes(vocabulary=50_257)), [table], {})
    assert plan.known == "gpt2_117m"
    names = ("n_head", "activation_function", "eos_token_id")
    assert [plan.config[name] for name in names] == [12, "gelu_new", 50256]
    assumed = {a.field: a.why for a in plan.assumed}
    assert all(assumed[name] == "sizes of gpt2_117m" for name in names)


def gpt2_shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    """The names of GluonNLP 0.x's GPT-2 of 117M, with so many words."""
    own = read_index(zoo.source("scripts/gpt2")).tensors
    rows, units, inner = 97, own["_embed.weight"].shape[1], own["_ffn_layers.0._hidden_map.bias"]
    rows = own["_embed.weight"].shape[0]
    sizes = {units: 768, 3 * units: 2304, inner.shape[0]: 3072, rows: vocabulary}
    layer = [name for name in own if ".0" in name]
    names = {n: e.shape for n, e in own.items() if not any(f".{i}" in n for i in range(9))}
    for number in range(12):
        names |= {n.replace(".0", f".{number}", 1): own[n].shape for n in layer}
    return {name: tuple(sizes.get(n, n) for n in shape) for name, shape in names.items()}
