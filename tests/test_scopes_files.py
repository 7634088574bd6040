"""Files of the other two naming schemes become what the structural ones do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import converter
from converter.convert import inspect, plan_file
from converter.text import inspection_lines
from tests import borts, scopes

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
