"""Name-scope and exported names are read as structural ones: exactly, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from converter.errors import PlanError
from converter.planning.match import match_table
from converter.planning.plan import make_plan
from converter.planning.scopes import Renamed, may_be, structural
from converter.report.inspection import inspection_lines
from converter.tables.table import Table
from tests import scopes
from tests.scopes import MODELS, TABLES, index_of, names_of, table_of

BORT, BERT = TABLES["bort"], TABLES["bert"]
HEADS = ("classifier.0", "classifier.1", "classifier.3", "regression.")


def read(names: Iterable[str], table: Table, kind: str = "", use: str | None = None) -> Renamed:
    renamed = structural(index_of(names, kind), table, use)
    assert renamed is not None
    return renamed


def plain(names: Iterable[str], table: Table) -> dict[str, str]:
    """Each name without what scopes do not tell: the attribute of the model, a Dropout's number."""
    shorts = {name: name.removeprefix("net.") for name in names}
    numbers = sorted({s.split(".")[1] for s in shorts.values() if s.startswith(HEADS)})
    for name, short in shorts.items():
        if short.startswith(HEADS):
            head, number, leaf = short.split(".")
            shorts[name] = f"{head}.{numbers.index(number)}.{leaf}"
        for prefix in filter(None, table.prefixes):
            shorts[name] = shorts[name].removeprefix(prefix)
    return shorts


def check(renamed: Renamed, names: Mapping[str, str], table: Table, kind: str = "") -> None:
    """Every tensor has a structural name that GluonNLP gives it, and no two the same."""
    recorded: dict[str, set[str]] = {}
    for name, short in plain(names, table).items():
        recorded.setdefault(kind + names[name], set()).add(short)
    keys = plain(renamed.index.tensors, table)
    found = {entry.name: keys[key] for key, entry in renamed.index.tensors.items()}
    assert found.keys() == recorded.keys()
    assert len({*found.values()}) == len(found)
    for own, key in found.items():
        assert key in recorded[own]
    assert not renamed.expected


@pytest.mark.parametrize("kind", ["", "arg:"])
@pytest.mark.parametrize(("version", "model"), [m for m in MODELS if m[1] != "prefixes_empty"])
def test_recorded_names_are_read(version: str, model: str, kind: str) -> None:
    names, table = names_of(version, model), table_of(model)
    # Its prefixes are the user's own: nothing tells what the Dense on top is for
    use = "sequence-classification" if model == "prefixes" else None
    renamed = read(names.values(), table, kind, use)
    check(renamed, names, table, kind)
    told = {"0.8.3": "0.8", "0.9.2": "0.9", "0.10.0": "0.9"}[version]
    assert renamed.version == (None if model.startswith("gpt2") else told)


@pytest.mark.parametrize(
    ("own", "key"),
    [
        ("bertclassifier4_", "classifier.1.weight"),
        ("my_bertregression0_", "regression.1.weight"),
        ("bertforqa12_", "span_classifier.weight"),
        ("berttagger0_", "tag_classifier.weight"),
    ],
)
def test_the_class_in_the_prefix_tells_the_head(own: str, key: str) -> None:
    names = names_of("0.10.0", "bert_pooler")
    for part in ("weight", "bias"):
        names |= {f"classifier.1.{part}": f"{own}dense0_{part}"}
    found = read(names.values(), BERT).index.tensors
    assert found[key].name == f"{own}dense0_weight"


@pytest.mark.parametrize("version", scopes.RECORDED)
def test_counters_that_no_name_tells_apart_are_refused(version: str) -> None:
    """An empty prefix takes its counters from the scope around it."""
    with pytest.raises(PlanError):
        read(names_of(version, "prefixes_empty").values(), BERT)


USES = ("sequence-classification", "regression", "question-answering", "token-classification")


@pytest.mark.parametrize("pooler", [True, False])
def test_what_no_name_tells_is_asked_with_the_choices(pooler: bool) -> None:
    """A tagger over a BERT with a pooler became a sequence classifier, and passed its proof."""
    names = names_of("0.10.0", "prefixes")
    names = {n: o for n, o in names.items() if pooler or "pooler" not in n}
    with pytest.raises(PlanError) as caught:
        read(names.values(), BERT)
    choices = " or ".join(f"--head {use}" for use in USES)
    assert f"say what it is for, with {choices}" in str(caught.value)
    keys = ("classifier.1", "regression.1", "span_classifier", "tag_classifier")
    for use, key in zip(USES, keys, strict=True):
        assert f"{key}.weight" in read(names.values(), BERT, use=use).index.tensors


PREFIXES = st.text("ab01_", max_size=4) | st.sampled_from(
    ["bertmodel7_", "bertencoder0_", "bertencoder0_transformer0_", "word_embed_", "cls_", "layer_"]
)


@given(
    version=st.sampled_from([*scopes.RECORDED]),
    model=st.sampled_from(["bort_mlm", "bort_classifier", "bert_pretraining", "bert_qa"]),
    prefixes=st.tuples(PREFIXES, PREFIXES, PREFIXES),
    kind=st.sampled_from(["", "arg:"]),
)
def test_any_prefixes_are_read_rightly_or_refused(
    version: str, model: str, prefixes: tuple[str, str, str], kind: str
) -> None:
    names, table = with_prefixes(names_of(version, model), *prefixes), table_of(model)
    assume(len({*names.values()}) == len({*names_of(version, model).values()}))
    index = index_of(dict.fromkeys(names.values()), kind)
    try:
        renamed = structural(index, table)
    except PlanError:
        event("refused")
        return
    assert renamed is not None
    if renamed.expected or any(key == e.name for key, e in renamed.index.tensors.items()):
        event("in part: no table fits")
        return
    event("read")
    check(renamed, names, table, kind)


def with_prefixes(names: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """The names with other prefixes of the encoder, the model and the head."""
    usual = {own.split("0_")[0] + "0_" for own in names.values()}
    encoder = next(u for u in usual if "encoder" in u)
    model = next(u for u in usual if "model" in u)
    new = dict(zip([encoder, model], prefixes, strict=False))
    renamed = {}
    for name, own in names.items():
        old = own.split("0_")[0] + "0_"
        renamed[name] = new.get(old, prefixes[2]) + own.removeprefix(old)
    return renamed


@pytest.mark.parametrize("version", scopes.RECORDED)
def test_common_prefixes_of_ones_own_are_read(version: str) -> None:
    """So that the property above does not hold by refusing all."""
    for model in ("bort_mlm", "bort_classifier", "bert_pretraining", "roberta_mlm"):
        for prefixes in (
            ("e_", "m_", "c_"),
            ("my_bert_enc_", "my_bert_", "my_"),
            ("x1_", "x_", ""),
        ):
            names = with_prefixes(names_of(version, model), *prefixes)
            use = "sequence-classification" if model == "bort_classifier" else None
            check(read(names.values(), table_of(model), use=use), names, table_of(model))


def test_two_models_in_one_file_are_refused() -> None:
    first, second = (names_of("0.10.0", name) for name in ("bert_pretraining", "second_model"))
    index = index_of([*first.values(), *second.values()])
    with pytest.raises(PlanError) as caught:
        structural(index, BERT)
    assert len(caught.value.problems) == 2
    assert "'bertencoder0_', 'bertencoder1_'" in caught.value.problems[0]
    assert "'bertmodel0_', 'bertmodel1_'" in caught.value.problems[1]
    tables = [*TABLES.values()]
    with pytest.raises(PlanError) as told:
        make_plan(index, tables, {})
    assert told.value.problems == caught.value.problems
    lines = [*inspection_lines(index, [match_table(index, table) for table in tables])]
    assert {f"  - {problem}" for problem in caught.value.problems} <= {*lines}


def test_two_models_of_one_block_are_refused() -> None:
    names = names_of("0.10.0", "gpt2").values()
    more = [name.replace("gpt2model0_", "gpt2model1_") for name in names]
    with pytest.raises(PlanError, match="'gpt2model0_', 'gpt2model1_'"):
        structural(index_of([*names, *more]), TABLES["gpt2"])


def test_a_second_head_is_refused() -> None:
    names = [*names_of("0.10.0", "bert_classifier").values()]
    names += ["bertclassifier1_dense0_weight", "bertclassifier1_dense0_bias"]
    with pytest.raises(PlanError, match="bertclassifier0_dense0_bias and bertclassifier1_dense0"):
        structural(index_of(names), BERT)


def test_names_of_two_versions_are_refused() -> None:
    names = [*names_of("0.8.3", "bort_mlm").values()]
    names = [name.replace("multiheadattention", "dotproductselfattention") for name in names]
    with pytest.raises(PlanError, match=r"GluonNLP 0\.8 or earlier and GluonNLP 0\.9 or later"):
        structural(index_of(names), BORT)


def test_arg_and_aux_of_one_name_are_refused() -> None:
    names = [f"arg:{name}" for name in names_of("0.8.3", "bort").values()]
    with pytest.raises(PlanError, match="bertencoder0_position_weight"):
        structural(index_of([*names, "aux:bertencoder0_position_weight"]), BORT)


def test_structural_names_stay_unless_they_are_exported() -> None:
    names = [*names_of("0.8.3", "bort_mlm")]
    assert structural(index_of(names), BORT) is None
    renamed = read(names, BORT, "arg:")
    assert [*renamed.index.tensors] == names
    assert [entry.name for entry in renamed.index.tensors.values()] == [f"arg:{n}" for n in names]


@pytest.mark.parametrize("names", [[], ["fc1_weight", "fc1_bias"], ["0", "1"], ["a.weight"]])
def test_other_names_stay(names: list[str]) -> None:
    for table in TABLES.values():
        assert structural(index_of(names), table) is None


@given(
    lost=st.sampled_from(sorted({*names_of("0.8.3", "bort_classifier").values()})),
    kind=st.sampled_from(["", "arg:"]),
)
def test_a_missing_tensor_is_named_in_both_schemes(lost: str, kind: str) -> None:
    names = names_of("0.8.3", "bort_classifier")
    there = [own for own in names.values() if own != lost]
    problems = " ".join(match_table(index_of(there, kind), BORT).problems)
    name = next(name for name, own in names.items() if own == lost)
    missing = "…word_embed_embedding0_weight" if "word_embed" in lost else lost
    assert f"missing: {name} (here it would be {kind}{missing})" in problems


def test_an_extra_tensor_is_named_as_the_file_has_it() -> None:
    names = [*names_of("0.8.3", "bort").values(), "stray0_weight"]
    problem = match_table(index_of(names, "arg:"), BORT).problems[0]
    assert problem == "unexpected tensor arg:stray0_weight: no row of 'bort' matches it"


@pytest.mark.parametrize(
    ("version", "releases", "answer"),
    [
        ("0.8", ["0.9"], False),
        ("0.8", ["0.9.1", "0.10"], False),
        ("0.8", ["0.7", "0.9"], True),
        ("0.9", ["0.9"], True),
        ("0.9", ["0.8", "0.7.1"], False),
        (None, ["0.9"], True),
    ],
)
def test_versions_that_names_rule_out(
    version: str | None, releases: list[str], answer: bool
) -> None:
    assert may_be(version, releases) == answer
