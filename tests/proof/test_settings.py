"""GluonNLP's settings stand in one place, a table's config in another: a wrong one is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import transformers

import converter
from converter.errors import ParityError, PlanError, TableError
from converter.planning.plan import TablePlan
from converter.proof.proof import prove
from converter.proof.reference.layers import activation
from converter.proof.reference.settings import REFERENCES, source_settings
from converter.tables.load import family_names, load_family
from tests import borts, zoo, zoo_1x, zoo_master
from tests.versions import TRANSFORMERS

TABLES = {name: load_family(name) for name in family_names()}
# One fixture a table, with the outputs that use its settings
FIXTURES: dict[str, tuple[Callable[[str], TablePlan], str]] = {
    "bort": (borts.plan_of, "bort_decoder"),
    **{
        family: (zoo.plan_of, name)
        for family, name in {
            "bert": "0.8.3/bert_full",
            "roberta": "0.10.0/roberta_decoder",
            "distilbert": "0.10.0/distilbert",
            "ernie": "0.10.0/ernie",
            "gpt2": "scripts/gpt2",
            "xlnet": "scripts/xlnet",
        }.items()
    },
    **{
        f"{family}_1x": (zoo_1x.plan_of, f"{name}/model")
        for family, name in {
            "albert": "albert_pretrain",
            "bert": "bert_pretrain",
            "electra": "electra_disc",
            "mobilebert": "mobilebert_pretrain",
            "roberta": "roberta_mlm",
        }.items()
    },
    **{
        family: (zoo_master.plan_of, name)
        for family, name in {
            "bart_1x": "bart",
            "gpt2_1x": "gpt2_lm",
            "t5_1x": "t5",
            "mt5_1x": "mt5",
            "xlmr_1x": "xlmr_mlm",
            "roberta_1x_master": "roberta_mlm",
        }.items()
    },
}


def test_every_table_has_its_reference_and_its_fixture() -> None:
    assert TABLES.keys() == FIXTURES.keys()
    assert {table.reference for table in TABLES.values()} == REFERENCES.keys()


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_gives_its_forward_pass_what_it_takes(name: str) -> None:
    taken = zoo.settings_of(zoo.forward_of(name))
    reference = REFERENCES[name]
    own = reference.settings.keys()
    assert {setting for setting, required in taken.items() if required} <= own <= taken.keys()
    more = [*reference.versions.values(), *reference.known.values(), reference.inexpressible]
    assert all(values.keys() <= own for values in more)


@pytest.mark.parametrize("name", TABLES)
def test_tables_and_references_know_the_same_models(name: str) -> None:
    """Typed twice, on purpose: what one says of heads and activation, the other says too."""
    table, reference = TABLES[name], REFERENCES[TABLES[name].reference]
    assert reference.known.keys() <= {known.name for known in table.known}
    for known in table.known:
        own = reference.known.get(known.name, {})
        for setting, stated in reference.settings.items():
            if stated.config in known.config:
                assert setting in own, (known.name, setting)
        for setting, value in own.items():
            field = reference.settings[setting].config
            if field in known.config:
                assert _same(value, known.config[field])


def _same(one: object, other: object) -> bool:
    if isinstance(one, str) and one != other:  # two words for one activation
        data = np.linspace(-3, 3, 50, dtype=np.float32)
        return bool((activation(str(one), data) == activation(str(other), data)).all())
    return one == other


def _own(tmp_path: Path, family: str, *changes: tuple[str, str]) -> Path:
    text = TABLES[family].text
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / f"{family}.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "change",
    [
        ('hidden_act = "gelu"', 'hidden_act = "relu"'),
        ("layer_norm_eps = 1e-5", "layer_norm_eps = 1e-2"),
    ],
)
def test_a_users_table_with_a_wrong_setting_fails(change: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="proof failed"):
        converter.convert(
            borts.source("bort_decoder"),
            tmp_path / "out",
            table=_own(tmp_path, "bort", change),
            config={"num_attention_heads": 4},
        )
    assert not (tmp_path / "out").exists()


def test_a_table_without_a_reference_is_refused_before_a_weight_is_written(tmp_path: Path) -> None:
    table = _own(tmp_path, "bort", ('reference = "bort"', 'reference = "brot"'))
    with pytest.raises(TableError, match=r"no reference 'brot'; there are: bort, bert"):
        converter.convert(
            borts.source("bort_decoder"),
            tmp_path / "out",
            table=table,
            config={"num_attention_heads": 4},
        )


@pytest.mark.parametrize(
    "change",
    [
        ('setting = "decoder_layer_norm_eps"', 'setting = "activation"'),
        ('setting = "decoder_layer_norm_eps"', 'setting = "num_heads"'),
        ('output = "mlm_logits"\ntext', 'output = "logits"\ntext'),
    ],
)
def test_no_difference_is_known_but_those_of_the_reference(
    change: tuple[str, str], tmp_path: Path
) -> None:
    """Else it would bend the reference, and any wrong setting would pass."""
    text = TABLES["bort"].text
    assert change[0] in text
    table = tmp_path / "own.toml"
    table.write_text(text.replace(*change))
    with pytest.raises(TableError, match=r"known_difference.*there can be: decoder_layer_norm_eps"):
        converter.convert(
            borts.source("bort_decoder"),
            tmp_path / "out",
            table=table,
            config={"num_attention_heads": 4},
        )


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("roberta", (("= [2, ", "= [3, "),)),
        ("roberta", (("pad_token_id = 1", "pad_token_id = 0"),)),
        ("xlnet", (('model_type = "xlnet"', 'model_type = "xlnet"\nclamp_len = 24'),)),
    ],
    ids=["an offset of positions", "the id of padding", "a clamp of distances"],
)
def test_a_wrong_position_fails(
    family: str, changes: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    """Positions that the target is told would hide the first, short texts the second."""
    make, name = FIXTURES[family]
    plan = make(name)
    with pytest.raises(ParityError, match="proof failed"):
        converter.convert(
            plan.index.path,
            tmp_path / "out",
            table=_own(tmp_path, family, *changes),
            config=plan.overrides,
            gluonnlp_version=plan.gluonnlp,
        )


def test_the_normalisation_of_a_mobilebert_is_asked_for(tmp_path: Path) -> None:
    """No tensor tells it: layer_norm read as no_norm passed, and was off by 3.6."""
    source = zoo_1x.source("mobilebert_pretrain_layer_norm/model")
    alone = tmp_path / "model.params"
    alone.write_bytes(source.read_bytes())
    heads = {"num_attention_heads": 4}
    with pytest.raises(PlanError, match="normalization_type"):
        converter.convert(alone, tmp_path / "out", family="mobilebert_1x", config=heads)


@pytest.mark.parametrize("family", ["bort", "gpt2", "t5_1x"])
def test_every_changed_field_of_config_json_fails(family: str, tmp_path: Path) -> None:
    """The second place where a wrong setting can stand: what was written, edited afterwards."""
    import json

    make, name = FIXTURES[family]
    plan = make(name)
    out = borts.written(plan, tmp_path / "out")
    assert prove(plan, out).passed
    written = json.loads((out / "config.json").read_text())
    for field in written:
        (out / "config.json").write_text(json.dumps({**written, field: "another"}))
        assert not prove(plan, out).names.passed, field
        without = {key: value for key, value in written.items() if key != field}
        (out / "config.json").write_text(json.dumps(without))
        proof = prove(plan, out)
        if proof.passed:  # the class has this value of its own: the model is the same
            assert proof.names.edited == (field,)
            config = getattr(transformers, plan.transformers_class).config_class
            assert getattr(config(), field) == written[field]


def test_what_is_assumed_is_said_everywhere(tmp_path: Path) -> None:
    """A BERT file of its own size, converted as ERNIE, silently had relu."""
    import json

    from converter.report.terminal import summary

    report = converter.convert(
        borts.source("bort_decoder"),
        tmp_path / "out",
        family="bort",
        config={"num_attention_heads": 4, "layer_norm_eps": 1e-5},
    )
    assumed = {a.field: a for a in report.plan.assumed}
    assert assumed["hidden_act"].value == "gelu"
    assert assumed["hidden_act"].why == "family bort"
    assert not assumed.keys() & {"num_attention_heads", "layer_norm_eps", "hidden_size"}
    lines = [*summary(report)]
    told = "family bort, num_attention_heads=4, layer_norm_eps=1e-05"
    assert f"on your word, which no proof shows: {told}" in lines
    (line,) = (line for line in lines if line.startswith("assumed, not in the file:"))
    assert "hidden_act=gelu" in line
    record = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert {"field": "hidden_act", "value": "gelu", "why": "family bort"} in record["assumed"]
    assert "Assumed, not in the file: " in (tmp_path / "out" / "README.md").read_text()


def test_logits_that_were_compared_with_nothing_are_said_not_to_be_proven(tmp_path: Path) -> None:
    """GluonNLP's files have no LM head of mT5; a user's table may name a class that has one."""
    from converter.report.terminal import summary

    plan = zoo_master.plan_of("mt5")
    others = _own(
        tmp_path,
        "mt5_1x",
        (
            '{ class = "MT5Model", heads = [] }',
            '{ class = "MT5ForConditionalGeneration", heads = [] }',
        ),
    )
    report = converter.convert(plan.index.path, tmp_path / "out", table=others)
    assert report.proof is not None
    assert report.proof.parity is not None
    assert report.proof.parity.unproven == ("logits",)
    assert "logits: not proven." in "\n".join(summary(report))


@pytest.mark.parametrize("family", FIXTURES)
def test_all_logits_of_our_own_tables_are_compared(family: str, tmp_path: Path) -> None:
    make, name = FIXTURES[family]
    plan = make(name)
    parity = prove(plan, borts.written(plan, tmp_path / "out")).parity
    assert parity is not None
    assert parity.unproven == ()
    assert {d.output for d in parity.differences} >= {*plan.target.outputs.values()}


OTHER_T5 = {
    "tie": ("tie_word_embeddings = true", "tie_word_embeddings = false"),
    "class": (
        'class = "T5ForConditionalGeneration", heads = []',
        'class = "MT5ForConditionalGeneration", heads = []',
    ),
}
if TRANSFORMERS > 4:  # a field that Transformers 4 does not know: it always scales
    tied = "tie_word_embeddings = true"
    OTHER_T5["scale"] = (tied, f"{tied}\nscale_decoder_outputs = false")


@pytest.mark.parametrize("name", OTHER_T5)
def test_a_t5_with_other_logits_fails(name: str, tmp_path: Path) -> None:
    """Each was off by up to 19 and passed while the logits were compared with nothing."""
    plan = zoo_master.plan_of("t5")
    own = _own(tmp_path, "t5_1x", OTHER_T5[name])
    with pytest.raises(ParityError, match="proof failed"):
        converter.convert(plan.index.path, tmp_path / "out", table=own)


def test_the_heads_of_a_known_size_are_assumed() -> None:
    settings = source_settings(zoo.plan_of("scripts/gpt2"))
    assert settings["num_heads"] == zoo.MANIFEST["scripts/gpt2"]["num_attention_heads"]
