"""`make_plan`: everything settled before a weight is read, or every problem in one `PlanError`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converter.errors import PlanError
from converter.params import Index, read_index
from converter.planning.config import RETURNS
from converter.planning.plan import TablePlan, make_plan
from converter.planning.steps import DTYPES
from converter.tables.load import family_names, load_family, parse_table
from tests import zoo
from tests.indexes import bort_shapes, classifier_shapes, decoder_shapes, make_index

BORT = load_family("bort")
HEADS = {"num_attention_heads": 4}
BACKBONE = make_index(bort_shapes())
MLM = make_index(bort_shapes() | decoder_shapes())
CLASSIFIER = make_index(bort_shapes(prefix="bort.") | classifier_shapes())


def plan(index: Index, dtype: str = "keep", **config: Any) -> TablePlan:
    return make_plan(index, [BORT], {**HEADS, **config}, dtype)


def refused(index: Index, **config: Any) -> tuple[str, ...]:
    with pytest.raises(PlanError) as caught:
        plan(index, **config)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def test_every_fixture_becomes_what_the_manifest_says(
    fixtures: Path, manifest: dict[str, Any]
) -> None:
    for name, stated in manifest.items():
        heads = stated["num_attention_heads"]
        made = plan(read_index(fixtures / f"{name}.params"), num_attention_heads=heads)
        config = made.config
        assert made.transformers_class == stated["transformers_class"]
        assert config["architectures"] == [stated["transformers_class"]]
        assert config["num_attention_heads"] == heads
        assert (config["hidden_size"], config["num_hidden_layers"]) == (32, 2)
        assert (config["vocab_size"], config["max_position_embeddings"]) == (97, 20)
        assert config["intermediate_size"] == (20 if "ffn_equals" in name else 24)
        assert config["dtype"] == ("float16" if name == "bort_float16" else "float32")
        assert len(config.get("id2label", {})) == stated.get("num_labels", 0)
        assert config.get("problem_type") == ("regression" if "regression" in name else None)
        assert config.get("classifier_dropout") == (0.0 if "no_dropout" in name else None)
        assert made.overrides == {"num_attention_heads": heads}


def test_each_source_tensor_is_used_once(fixtures: Path, manifest: dict[str, Any]) -> None:
    for name, stated in manifest.items():
        heads = stated["num_attention_heads"]
        made = plan(read_index(fixtures / f"{name}.params"), num_attention_heads=heads)
        used = [step.source.name for step in made.steps if step.source]
        used += [second.name for second, _ in made.match.tied]
        assert sorted(used) == sorted(made.index.tensors)
        assert len({step.target for step in made.steps}) == len(made.steps)


def test_the_config_of_a_backbone_is_complete() -> None:
    assert plan(BACKBONE).config == {
        "architectures": ["BertModel"],
        "dtype": "float32",
        "model_type": "bert",
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "type_vocab_size": 1,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": True,
        "vocab_size": 97,
        "hidden_size": 32,
        "max_position_embeddings": 20,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }


def test_only_the_bare_model_loses_the_prefix_of_its_names() -> None:
    for index, start in ((BACKBONE, "embeddings."), (MLM, "bert.embeddings.")):
        made = plan(index)
        assert made.steps[0].target == f"{start}word_embeddings.weight"
    assert plan(BACKBONE).target.init == {"add_pooling_layer": False}


def test_zeros_have_their_size_from_the_config() -> None:
    for rows in (1, 2):
        steps = {step.target: step for step in plan(BACKBONE, type_vocab_size=rows).steps}
        zeros = steps["embeddings.token_type_embeddings.weight"]
        assert (zeros.source, zeros.shape, zeros.dtype.name) == (None, (rows, 32), "float32")
        assert zeros.nbytes == rows * 32 * 4


def test_zeros_have_the_dtype_of_the_rest() -> None:
    steps = plan(make_index(bort_shapes(), "float16")).steps
    assert {step.dtype.name for step in steps} == {"float16"}


@pytest.mark.parametrize("source", ["float32", "float16", "float64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cast_is_planned_for_every_tensor(source: str, dtype: str) -> None:
    made = plan(make_index(bort_shapes(), source), dtype)
    wanted = source if dtype == "keep" else dtype
    assert {step.dtype.name for step in made.steps} == {wanted}
    assert made.config["dtype"] == wanted
    casts = {step.casts for step in made.steps if step.source}
    assert casts == {wanted != source}


@pytest.mark.parametrize("dtype", ["int8", "bool", "uint16", "int64"])
def test_weights_that_are_not_floating_point_are_refused(dtype: str) -> None:
    problems = refused(make_index(bort_shapes(), dtype))
    assert len(problems) == len(bort_shapes())
    assert f"encoder.position_weight is {dtype}" in problems[1]


def test_all_problems_stand_in_one_error() -> None:
    shapes = bort_shapes() | {"stray": (1,), "encoder.layer_norm.beta": (33,)}
    del shapes["encoder.layer_norm.gamma"]
    problems = refused(make_index(shapes), vocab_size=98, num_attention_heads=5)
    for part in (
        "missing: encoder.layer_norm.gamma",
        "unexpected tensor stray",
        "beta makes (33,)",
    ):
        assert sum(part in p for p in problems) == 1
    assert any("vocab_size=98" in p for p in problems)
    assert any("num_attention_heads = 5" in p for p in problems)
    assert len(problems) == 5


@pytest.mark.parametrize(
    ("layers", "ffn", "heads"), [(4, 768, 8), (2, 512, 16)], ids=["bort_4_8", "bort_2_16"]
)
def test_published_sizes_settle_the_heads(layers: int, ffn: int, heads: int) -> None:
    index = make_index(bort_shapes(layers, 1024, ffn, 50265, 512))
    made = make_plan(index, [BORT], {})
    assert made.known == f"bort_{layers}_{heads}_{ffn}_1024"
    assert made.config["num_attention_heads"] == heads
    assert make_plan(index, [BORT], {"num_attention_heads": heads}).known == made.known
    assert make_plan(index, [BORT], {"num_attention_heads": 4}).known is None


def test_the_number_of_heads_is_never_guessed() -> None:
    with pytest.raises(
        PlanError, match=r"does not store num_attention_heads.*--config num_attention_heads=N"
    ):
        make_plan(BACKBONE, [BORT], {})


@pytest.mark.parametrize("field", sorted(RETURNS))
@pytest.mark.parametrize("value", [False, True, None, 0])
def test_what_changes_the_output_of_the_class_is_refused(field: str, value: Any) -> None:
    """A tuple has no `hidden_states` that the proof could compare."""
    (problem,) = refused(BACKBONE, **{field: value})
    assert problem.startswith(f"the config field {field} is not a choice: ")
    assert problem.endswith("leave it out, and give it where you load or call the model")


def test_a_table_cannot_change_the_output_either() -> None:
    text = load_family("bort").text.replace("[config]", "[config]\nreturn_dict = false", 1)
    with pytest.raises(PlanError, match="the config field return_dict is not a choice"):
        make_plan(BACKBONE, [parse_table(text, "bort", "bort.toml")], HEADS)


@pytest.mark.parametrize("heads", [0, -4, 5, 64, True, 4.0, "4", None, [4], 10**30])
def test_a_number_of_heads_that_cannot_be_is_refused(heads: Any) -> None:
    (problem,) = refused(BACKBONE, num_attention_heads=heads)
    assert problem == f"num_attention_heads = {heads!r} does not divide hidden_size = 32"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"hidden_size": 64}, "hidden_size=64: the file's shapes say 32"),
        ({"hidden_size": 32.0}, "hidden_size=32.0: the file's shapes say 32"),
        ({"num_hidden_layers": True}, "the file's shapes say 2"),
        ({"architectures": ["X"]}, "architectures is not a choice"),
        ({"dtype": "float16"}, "dtype is not a choice"),
        ({"model_type": "gpt2"}, "model_type is not a choice"),
        ({"label2id": {}}, "label2id is not a choice: id2label"),
        ({"num_labels": 3}, "num_labels=3: no tensor of this file has it"),
        ({"layer_norm_eps": "1e-5"}, "a value like 1e-05 is expected"),
        ({"layer_norm_eps": float("nan")}, "a value like 1e-05 is expected"),
        ({"hidden_act": 1}, "a value like 'gelu' is expected"),
        ({"type_vocab_size": 0}, "type_vocab_size = 0 is no size"),
        ({"type_vocab_size": 2**40}, "type_vocab_size = 1099511627776 is no size"),
        ({"type_vocab_size": True}, "a value like 1 is expected"),
        ({"layer_norm_epsilon": 1e-12}, "did you mean layer_norm_eps?"),
        ({"num_atention_heads": 8}, "did you mean num_attention_heads?"),
        ({"id2label": {"0": "a"}}, "1 label given, and the file has no head with any"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_config_that_cannot_be_is_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        make_plan(BACKBONE, [BORT], HEADS | config)
    (problem,) = caught.value.problems
    assert problem.startswith(("--config ", "bert.embeddings.token_type_embeddings.weight: "))
    assert reason in problem


def test_a_config_that_can_be_is_taken_and_recorded() -> None:
    given: dict[str, Any] = {
        "layer_norm_eps": 1,
        "pad_token_id": 0,
        "hidden_size": 32,
        "my_own": [1],
    }
    made = plan(BACKBONE, **given)
    assert made.overrides == HEADS | given
    assert {name: made.config[name] for name in given} == given


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "no", "1": "yes"},
        {"0": "a", "1": "b", "3": "c"},
        {"0": "a", "1": "a", "2": "b"},
        {"0": ["a"], "1": "b", "2": "c"},
        {0: "a", 1: "b", 2: "c"},
        ["a", "b", "c"],
        "abc",
        None,
    ],
    ids=str,
)
def test_labels_that_do_not_suit_are_refused(labels: Any) -> None:
    (problem,) = refused(CLASSIFIER, id2label=labels)
    assert "with 3 different labels" in problem or "and the head of the file has 3" in problem


def test_labels_are_given_or_numbered() -> None:
    assert plan(CLASSIFIER).config["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    made = plan(CLASSIFIER, id2label={"0": "a", "1": "b", "2": "c"}).config
    assert made["label2id"] == {"a": 0, "b": 1, "c": 2}
    assert "num_labels" not in made
    assert "problem_type" not in made


def test_one_label_is_a_regression_unless_told_otherwise() -> None:
    index = make_index(bort_shapes(prefix="bort.") | classifier_shapes(labels=1))
    assert plan(index).config["problem_type"] == "regression"
    kind = "multi_label_classification"
    assert plan(index, problem_type=kind).config["problem_type"] == kind


UNKNOWN = BORT.text.replace("hidden_size = 1024", "hidden_size = 1000")
OTHER = parse_table(UNKNOWN, "other", "other.toml")


def test_two_tables_that_fit_are_listed_and_none_is_chosen() -> None:
    with pytest.raises(PlanError, match="more than one family; choose with --family") as caught:
        make_plan(BACKBONE, [BORT, OTHER], HEADS)
    assert [p.split(":")[0] for p in caught.value.problems] == ["bort", "other"]


def test_a_known_model_decides_between_two_tables() -> None:
    index = make_index(bort_shapes(4, 1024, 768, 50265, 512))
    for tables in ([BORT, OTHER], [OTHER, BORT]):
        assert make_plan(index, tables, {}).table is BORT
    twin = parse_table(BORT.text, "twin", "twin.toml")
    with pytest.raises(PlanError) as caught:
        make_plan(index, [BORT, OTHER, twin], {})
    assert [p.split(":")[0] for p in caught.value.problems] == ["bort", "twin"]


def test_a_file_of_no_family_is_told_so() -> None:
    begin, *ways = refused(make_index({"conv0\n.weight": (3, 3), "b": (1,)}))
    assert begin == "its tensors begin: conv0\n.weight, b"
    assert [way.split(": ")[1] for way in ways] == [
        "bort-convert export made.params out.safetensors",
        "--table FILE (bort-convert families lists ours)",
    ]
    assert refused(make_index({}))[0] == "its tensors begin: there are none"


def test_a_file_of_which_less_than_half_is_explained_is_of_no_family() -> None:
    """A translator of Sockeye's was told which twenty names of an mT5 it lacks."""
    shapes: dict[str, tuple[int, ...]]
    shapes = {"encoder.layer_norm.gamma": (8,), "encoder.layer_norm.beta": (8,)}
    shapes |= {f"block{n}.weight": (8, 8) for n in range(3)}
    tables = [load_family(name) for name in family_names()]
    with pytest.raises(PlanError, match=r"is of no family here: 2 of its 5 names are \w+'s\."):
        make_plan(make_index(shapes), tables, {})
    with pytest.raises(PlanError, match="cannot be converted as bort:"):  # the family was told
        make_plan(make_index(shapes), [BORT], {})


def test_family_and_config_are_asked_in_one_stop() -> None:
    index = read_index(zoo.source("0.8.3/bert_classifier"))
    tables = [load_family(name) for name in family_names()]
    with pytest.raises(PlanError, match="fits more than one family") as caught:
        make_plan(index, tables, {})
    bert, ernie, heads = caught.value.problems
    assert (bert.split(":")[0], ernie.split(":")[0]) == ("bert", "ernie")
    assert heads == (
        "whoever trained the model knows it: give it with --config num_attention_heads=N"
    )


def test_the_nearest_table_explains_what_is_wrong() -> None:
    far = parse_table(BORT.text.replace('"word_embed', '"embed'), "far", "far.toml")
    shapes = bort_shapes()
    del shapes["encoder.layer_norm.beta"]
    with pytest.raises(PlanError, match="cannot be converted as bort:") as caught:
        make_plan(make_index(shapes), [far, BORT], HEADS)
    assert caught.value.problems == ("missing: encoder.layer_norm.beta",)


def test_what_a_table_drops_is_in_the_plan() -> None:
    own = parse_table(BORT.text + '\n[drop]\n"step" = "a counter"\n', "own", "own.toml")
    made = make_plan(make_index(bort_shapes() | {"step": (1,)}), [own], HEADS)
    assert made.match.dropped == {"step": "a counter"}
    assert len(made.steps) == len(bort_shapes()) + 1


def test_what_is_exported_keeps_the_order_of_the_file() -> None:
    """Whatever kinds of modules the table has its rows by."""
    made = zoo.plan_of("0.10.0/ernie_full")
    names = [name for name in made.index.tensors if name.startswith("decoder.")]
    assert [e.name for e in made.match.exported] == [n for n in names if n != "decoder.3.weight"]
