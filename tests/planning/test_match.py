"""`fit`: which tensor is which, and every reason why a file is not of a family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.params import read_index
from converter.planning.attempt import LISTED
from converter.planning.match import Choice, match_table
from converter.report.inspection import fit_lines
from converter.tables.load import load_family, parse_table
from tests.indexes import Shapes, bort_shapes, classifier_shapes, decoder_shapes, make_index

BORT = load_family("bort")
CELL = "encoder.transformer_cells"
HEADS = {
    "BertModel": [],
    "BertForMaskedLM": ["mlm"],
    "BertForSequenceClassification": ["classifier"],
}


def problems(shapes: Shapes) -> list[str]:
    return list(match_table(make_index(shapes), BORT).problems)


def test_names_from_a_file_are_escaped_for_a_terminal() -> None:
    lines = "".join(
        fit_lines(match_table(make_index(bort_shapes() | {"stray\x1b[2J": (1,)}), BORT))
    )
    assert r"stray\x1b[2J" in lines
    assert lines.isprintable()


def test_every_fixture_fits_and_says_what_it_becomes(
    fixtures: Path, manifest: dict[str, Any]
) -> None:
    for name, stated in manifest.items():
        found = match_table(read_index(fixtures / f"{name}.params"), BORT)
        assert found.problems == (), name
        assert found.accounted == len(found.index.tensors)
        assert found.target is not None
        assert found.target.transformers_class == stated["transformers_class"]
        heads = HEADS[stated["transformers_class"]]
        if name == "bort_classifier_no_dropout":
            heads = ["classifier_no_dropout"]
        assert [head.name for head in found.heads] == heads
        assert found.sizes.get("num_labels") == stated.get("num_labels")
        assert found.prefix == ("bort." if "num_labels" in stated else "")
        assert found.known is None


def test_sizes_are_read_off_shapes() -> None:
    shapes = bort_shapes(layers=3, units=8, ffn=5, words=11, positions=7)
    assert match_table(make_index(shapes), BORT).sizes == {
        "vocab_size": 11,
        "hidden_size": 8,
        "max_position_embeddings": 7,
        "intermediate_size": 5,
        "num_hidden_layers": 3,
    }


def test_every_tensor_goes_where_its_layer_is() -> None:
    found = match_table(make_index(bort_shapes(layers=12)), BORT)
    assert found.problems == ()
    targets = {match.source.name: match.target for match in found.rows}
    assert len({*targets.values()}) == len(targets) == 4 + 12 * 16
    assert targets[f"{CELL}.11.proj.bias"] == "bert.encoder.layer.11.attention.output.dense.bias"


@pytest.mark.parametrize(
    ("layers", "ffn", "known"),
    [(4, 768, "bort_4_8_768_1024"), (2, 512, "bort_2_16_512_1024"), (4, 512, None)],
)
def test_the_published_sizes_are_recognised(layers: int, ffn: int, known: str | None) -> None:
    shapes = bort_shapes(layers=layers, units=1024, ffn=ffn, words=50265, positions=512)
    found = match_table(make_index(shapes), BORT)
    assert (found.known and found.known.name) == known


def test_a_prefix_is_taken_off_and_heads_of_the_outer_class_have_none() -> None:
    found = match_table(make_index(bort_shapes(prefix="bort.") | classifier_shapes()), BORT)
    assert (found.problems, found.prefix) == ((), "bort.")
    assert found.read_as == "BortClassifier of alexa/bort"


def test_a_head_beside_a_prefix_that_no_class_has_is_asked_for() -> None:
    index = make_index(bort_shapes() | classifier_shapes())
    found = match_table(index, BORT)
    assert (found.undecided, found.read_as) == (True, None)
    assert found.problems[0].startswith("classifier.1.weight, classifier.1.bias, ")
    assert "with --head sequence-classification" in found.problems[0]
    told = match_table(index, BORT, Choice(use="sequence-classification"))
    assert (told.problems, told.read_as) == ((), None)


def test_a_prefix_that_the_table_does_not_state_is_refused() -> None:
    found = match_table(make_index(bort_shapes(prefix="net.")), BORT)
    assert found.accounted == 0
    assert "missing: word_embed.0.weight" in found.problems


def test_a_tied_tensor_is_found_under_its_first_name_alone() -> None:
    shapes = bort_shapes() | decoder_shapes()
    both = match_table(make_index(shapes), BORT)
    assert [(a.name, b.name) for a, b in both.tied] == [("decoder.3.weight", "word_embed.0.weight")]
    del shapes["decoder.3.weight"]
    one = match_table(make_index(shapes), BORT)
    assert (one.problems, one.tied) == ((), ())
    assert one.target is not None
    assert one.target.transformers_class == "BertForMaskedLM"


def test_a_second_name_stands_in_for_the_first() -> None:
    shapes = bort_shapes() | decoder_shapes()
    del shapes["word_embed.0.weight"]
    found = match_table(make_index(shapes), BORT)
    assert (found.problems, found.tied) == ((), ())
    targets = {match.target: match.source.name for match in found.rows}
    assert targets["bert.embeddings.word_embeddings.weight"] == "decoder.3.weight"


def test_missing_extra_and_wrong_are_told_at_once() -> None:
    shapes = bort_shapes() | {"stray\x1b[2J.weight": (1,)}
    del shapes[f"{CELL}.1.proj.bias"]
    shapes[f"{CELL}.0.ffn.ffn_1.weight"] = (32, 24)
    assert problems(shapes) == [
        f"missing: {CELL}.1.proj.bias",
        "unexpected tensor stray\x1b[2J.weight: no row of 'bort' matches it",
        f"wrong shape: {CELL}.0.ffn.ffn_1.weight makes (32, 24), "
        "expected (24, 32) (intermediate_size = 24, hidden_size = 32)",
    ]


@pytest.mark.parametrize("shape", [(), (32, 1), (0,), (31,)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    name = f"{CELL}.1.proj.bias"
    (problem,) = problems(bort_shapes() | {name: shape})
    assert problem.startswith(f"wrong shape: {name}")
    assert str(shape) in problem


def test_empty_tensors_that_agree_are_refused() -> None:
    assert any("word_embed.0.weight is empty" in p for p in problems(bort_shapes(words=0)))


@pytest.mark.parametrize(
    ("there", "lost", "head"),
    [
        (decoder_shapes(), "decoder.2.beta", "mlm"),
        (classifier_shapes(), "classifier.3.bias", "classifier"),
        (classifier_shapes(0, 1), "classifier.0.bias", "classifier_no_dropout"),
        (classifier_shapes(0, 1), "classifier.1.bias", "classifier_no_dropout"),
    ],
)
def test_a_head_in_part_is_named(there: Shapes, lost: str, head: str) -> None:
    shapes = bort_shapes() | {name: shape for name, shape in there.items() if name != lost}
    found = problems(shapes)
    assert found == [f"missing: {lost} (the head {head!r} is there in part, not whole)"]


def test_two_heads_of_one_tensor_are_refused() -> None:
    shapes = bort_shapes() | classifier_shapes(1, 3) | classifier_shapes(0, 1)
    (weight, bias) = problems(shapes)
    assert weight.startswith("classifier.1.weight belongs to two heads")
    assert bias.startswith("classifier.1.bias belongs to two heads")


def test_heads_that_no_class_has_together_are_refused() -> None:
    shapes = bort_shapes() | decoder_shapes() | classifier_shapes()
    (problem,) = problems(shapes)
    assert "mlm and classifier" in problem


def test_a_gap_in_the_layers_is_missing() -> None:
    shapes = {
        name.replace(f"{CELL}.2.", f"{CELL}.3."): shape
        for name, shape in bort_shapes(layers=3).items()
    }
    found = problems(shapes)
    assert all(p.startswith(f"missing: {CELL}.2.") for p in found[:LISTED])
    assert found[LISTED:] == [f"… and {16 - LISTED} more like it"]


@pytest.mark.parametrize("number", [10**12, 10**6, "9" * 900, "02", "²", "-1", "1e3", ""])
def test_a_hostile_layer_number_costs_nothing(number: int | str) -> None:
    name = f"{CELL}.{number}.proj.bias"
    found = problems(bort_shapes() | {name: (32,)})
    assert len(found) <= LISTED + 2
    assert sum(p.startswith("unexpected tensor ") and CELL in p for p in found) == 1


def test_no_layer_at_all_is_missing() -> None:
    shapes = {n: s for n, s in bort_shapes().items() if CELL not in n}
    found = problems(shapes)
    assert all(p.startswith(f"missing: {CELL}.{{i}}.") for p in found[:LISTED])
    assert found[LISTED:] == [f"… and {16 - LISTED} more like it"]


def test_problems_of_a_kind_are_counted_when_they_are_many() -> None:
    found = problems(bort_shapes() | {f"x{n}": (1,) for n in range(100)})
    assert len(found) == LISTED + 1
    assert found[-1] == f"… and {100 - LISTED} more like it"


@given(
    lost=st.sets(st.sampled_from([*bort_shapes()]), max_size=3),
    extra=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.just((1,))),
)
def test_a_fit_explains_all_or_says_why(lost: set[str], extra: Shapes) -> None:
    shapes = extra | {n: s for n, s in bort_shapes().items() if n not in lost}
    found = match_table(make_index(shapes), BORT)
    assert bool(found.problems) == bool(lost or extra)


def test_operations_and_drops_of_an_own_table() -> None:
    row = '"ffn.ffn_1"                 = ["intermediate.dense", "intermediate_size", "hidden_size"]'
    assert BORT.text.count(row) == 1
    weight, bias = '"intermediate_size", "hidden_size"]', '"intermediate_size"]'
    text = BORT.text.replace(row + "\n", "").replace(
        "\n[zeros]",
        f'[layer.transpose]\n"ffn.ffn_1.weight" = ["intermediate.dense.weight", {weight}\n'
        f'[layer.tensor]\n"ffn.ffn_1.bias" = ["intermediate.dense.bias", {bias}\n[zeros]',
    )
    text += '\n[drop]\n"counter.{i}" = "of the optimizer"\n'
    own = parse_table(text, "own", "own.toml")
    shapes = bort_shapes() | {f"counter.{n}": (1,) for n in range(2)}
    shapes |= {f"{CELL}.{n}.ffn.ffn_1.weight": (32, 24) for n in range(2)}
    found = match_table(make_index(shapes), own)
    assert found.problems == ()
    assert found.dropped == {f"counter.{n}": "of the optimizer" for n in range(2)}
    turned = [match.source.name for match in found.rows if match.operation == "transpose"]
    assert turned == [f"{CELL}.{n}.ffn.ffn_1.weight" for n in range(2)]
    wrong = match_table(make_index(shapes | {f"{CELL}.0.ffn.ffn_1.weight": (24,)}), own)
    assert wrong.problems == (
        f"wrong shape: {CELL}.0.ffn.ffn_1.weight is (24,): transpose needs 2 dimensions, not 1",
    )


@pytest.mark.parametrize("shape", [(98, 32), (97, 31), (97 * 32,)])
def test_a_tied_tensor_of_another_shape_is_named(shape: tuple[int, ...]) -> None:
    shapes = bort_shapes() | decoder_shapes() | {"decoder.3.weight": shape}
    (problem,) = match_table(make_index(shapes), load_family("bort")).problems
    assert problem.startswith(f"wrong shape: decoder.3.weight is float32 {shape}, but must equal")


@pytest.mark.parametrize("prefixes", [["", "p."], ["p.", ""]])
def test_of_prefixes_that_explain_as_much_the_one_with_fewer_problems_is_told(
    prefixes: list[str],
) -> None:
    """Whatever their order: behind `p.` the shape is wrong too."""
    text = f"""
title = "T"
reference = "bert"
prefixes = {prefixes}
[tensor]
"a" = ["t.a", 2, "width"]
[[target]]
class = "C"
heads = []
"""
    own = parse_table(text, "own", "own.toml")
    found = match_table(make_index({"a": (2, 3), "p.a": (4, 3)}), own)
    assert (found.prefix, found.accounted) == ("", 1)
    assert found.problems == ("unexpected tensor p.a: no row of 'own' matches it",)
