"""Files of the other two naming schemes become what the structural ones do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import converter
from converter.api import inspect
from converter.params import read_index
from converter.planning.file import plan_file
from converter.planning.plan import make_plan
from converter.report.inspection import inspection_lines
from tests import borts, scopes, zoo
from tests.indexes import make_index

FILES = [
    (version, name, end)
    for version in ("0.8.3", "0.10.0")
    for name in ("bort_decoder", "bort_classifier", "bort_classifier_no_dropout")
    for end in ("", "-0000")
]


def file(version: str, name: str, end: str = "") -> Path:
    return scopes.FOLDER / f"gluonnlp-{version}" / f"{name}{end}.params"


@pytest.mark.parametrize(("version", "name", "end"), FILES)
def test_files_of_all_schemes_become_the_same(
    version: str, name: str, end: str, tmp_path: Path
) -> None:
    """Bit for bit, proven, and told under the file's own names."""
    heads = borts.heads(name)
    usual = converter.convert(borts.source(name), tmp_path / "usual", family="bort", config=heads)
    if "no_dropout" in name:  # a Dropout has no parameter: no name tells that there is none
        heads["classifier_dropout"] = 0.0
    source = file(version, name, end)
    report = converter.convert(source, tmp_path / "other", family="bort", config=heads)
    written = [load_file(tmp_path / name / "model.safetensors") for name in ("usual", "other")]
    assert {k: a.tobytes() for k, a in written[0].items()} == {
        k: a.tobytes() for k, a in written[1].items()
    }
    configs = [json.loads((tmp_path / n / "config.json").read_text()) for n in ("usual", "other")]
    assert configs[0] == configs[1]
    assert report.proof is not None
    assert usual.proof is not None
    assert report.proof.parity == usual.proof.parity
    assert report.proof.bits.identical == usual.proof.bits.identical
    told = json.loads((tmp_path / "other" / "conversion.json").read_text())
    sources = {tensor["source"] for tensor in told["tensors"]} - {None}
    assert sources == {entry.name for entry in converter.inspect(source).index.tensors.values()}
    assert all(("arg:" in source) == bool(end) and "." not in source for source in sources)
    assert told["naming"] == ("exported" if end else "name-scope")
    assert (
        told["named_by"] == f"GluonNLP {'0.8 or earlier' if version == '0.8.3' else '0.9 or later'}"
    )
    assert converter.verify(source, tmp_path / "other", golden=borts.golden(name)).passed


def test_the_symbol_beside_an_export_is_not_needed(tmp_path: Path) -> None:
    source = file("0.8.3", "bort_decoder", "-0000")
    alone = tmp_path / source.name
    alone.write_bytes(source.read_bytes())
    assert [*tmp_path.iterdir()] == [alone]
    made = [
        plan_file(path, family="bort", config=borts.heads("bort_decoder"))
        for path in (source, alone)
    ]
    assert made[0].steps == made[1].steps


def test_inspect_tells_scheme_and_version() -> None:
    for version, told in (("0.8.3", "0.8 or earlier"), ("0.10.0", "0.9 or later")):
        found = inspect(file(version, "bort_classifier"))
        lines = [*inspection_lines(found.index, found.fits)]
        assert "names: name-scope (collect_params().save or save_params)" in lines
        assert f"names as GluonNLP {told} gives them" in lines
        assert any(line.startswith("bortclassifier0_dense0_weight ") for line in lines)
        assert any(line.startswith("bort: fits; becomes BertForSequence") for line in lines)


def test_swapped_names_differ_from_what_mxnet_recorded(tmp_path: Path) -> None:
    """Both sides of parity trust the names: only a recording sees names that lie."""
    arrays = dict(converter.load_params(file("0.8.3", "bort_decoder")))
    cell = "bertencoder0_transformer0_multiheadattentioncell0_"
    one, two = f"{cell}query_weight", f"{cell}value_weight"
    arrays[one], arrays[two] = arrays[two], arrays[one]
    source, heads = tmp_path / "swapped.params", borts.heads("bort_decoder")
    converter.save_params(source, arrays)
    assert converter.convert(source, tmp_path / "out", family="bort", config=heads).passed
    with pytest.raises(converter.ParityError):
        converter.verify(source, tmp_path / "out", golden=borts.golden("bort_decoder"))


def recorded_as(name: str) -> str | None:
    """The recorded model that has the names of a fixture of another family."""
    version = zoo.MANIFEST[name]["gluonnlp"]
    there = {*read_index(zoo.source(name)).tensors}
    for model in sorted(scopes.RECORDED[version], key=lambda m: m.startswith("prefix")):
        if {*scopes.names_of(version, model)} == there and model.endswith("_untied") == (
            name.endswith("_untied")
        ):
            return model
    return None


ZOO = {name: model for name in zoo.NAMES if (model := recorded_as(name))}


def test_fixtures_of_every_family_have_recorded_names() -> None:
    assert {zoo.MANIFEST[name]["family"] for name in ZOO} == {*zoo.FAMILIES} - {"bort"}
    assert len(ZOO) >= 45


@pytest.mark.parametrize("kind", ["", "arg:"])
@pytest.mark.parametrize("name", ZOO)
def test_every_family_becomes_the_same(name: str, kind: str, tmp_path: Path) -> None:
    """A fixture's arrays under the names that GluonNLP gives within scopes: the same directory."""
    stated = zoo.MANIFEST[name]
    arrays = converter.load_params(zoo.source(name))
    names = scopes.names_of(stated["gluonnlp"], ZOO[name])
    source = tmp_path / "scoped.params"
    converter.save_params(source, {kind + own: arrays[key] for key, own in names.items()})
    config = zoo.config_of(name)
    made = []
    for path in (zoo.source(name), source):
        report = converter.convert(
            path,
            tmp_path / f"of {path.name}",
            family=stated["family"],
            config=config,
            gluonnlp_version=stated["gluonnlp"],
        )
        made.append((report, load_file(tmp_path / f"of {path.name}" / "model.safetensors")))
        if name.endswith("no_dropout") and "classifier_dropout" in report.plan.config:
            config["classifier_dropout"] = 0.0
    (usual, ours), (other, theirs) = made
    assert {k: a.tobytes() for k, a in ours.items()} == {k: a.tobytes() for k, a in theirs.items()}
    assert usual.plan.config == other.plan.config
    assert usual.proof is not None
    assert other.proof is not None
    assert usual.proof.parity == other.proof.parity
    assert {entry.name for entry in other.plan.match.exported} <= {
        kind + own for own in names.values()
    }


@pytest.mark.parametrize(
    ("version", "warned"), [("0.8.3", False), ("0.9.2", True), ("0.10.0", True)]
)
def test_names_of_08_need_no_word_about_scrambled_biases(version: str, warned: bool) -> None:
    """Only GluonNLP 0.9 scrambled them, and its names are others than those of 0.8."""
    names = scopes.names_of(version, "bert")
    shapes = {
        names[n]: e.shape for n, e in read_index(zoo.source("0.8.3/bert_encoder")).tensors.items()
    }
    plan = make_plan(make_index(shapes), [scopes.TABLES["bert"]], {"num_attention_heads": 4})
    assert plan.match.version == ("0.9" if warned else "0.8")
    assert any("0.9" in text for text in plan.warnings()) == warned
