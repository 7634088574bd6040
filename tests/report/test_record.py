"""`conversion.json`: what is written is of its schema, and is read back; nothing else is."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import converter
from converter.errors import ConvertError
from converter.files.staging import RECORD_FILE
from converter.report.record import SCHEMA, Report, read_record
from tests import borts, zoo, zoo_1x, zoo_master
from tests.tokenizer.bort import OPTIONS, convert
from tests.tokenizer.conftest import source  # noqa: F401  (a fixture)

TEXT = files("converter.report").joinpath("conversion.schema.json").read_text("utf-8")
VALIDATOR = jsonschema.Draft202012Validator(json.loads(TEXT))
PLANS = [
    *((borts.plan_of, name) for name in borts.NAMES),
    *((zoo.plan_of, name) for name in zoo.NAMES),
    *((zoo_1x.plan_of, name) for name in zoo_1x.NAMES),
    *((zoo_master.plan_of, name) for name in zoo_master.NAMES),
]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(TEXT))
    assert json.loads(TEXT)["properties"]["schema"] == {"const": SCHEMA}


@pytest.mark.parametrize(("plan_of", "name"), PLANS, ids=[name for _, name in PLANS])
def test_every_record_is_of_the_schema(plan_of: Any, name: str) -> None:
    try:
        plan = plan_of(name)
    except ConvertError:  # a model without an equal: there is no record of it
        assert name in zoo_master.NAMES
        assert not zoo_master.MANIFEST[name]["transformers_class"]
        return
    VALIDATOR.validate(json.loads(json.dumps(Report(plan, None).to_json())))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("record") / "out"
    golden = borts.source("bort_decoder")
    converter.convert(golden, out, family="bort", config=borts.heads("bort_decoder"))
    return out


def test_a_record_with_its_proof_is_of_the_schema_and_is_read_back(out: Path) -> None:
    written = json.loads((out / RECORD_FILE).read_text())
    VALIDATOR.validate(written)
    assert written["schema"] == SCHEMA
    assert written["proof"]["parity"]["known_differences"]
    assert read_record(out) == written
    report = converter.verify(
        borts.source("bort_decoder"), out, golden=borts.golden("bort_decoder")
    )
    VALIDATOR.validate(json.loads(json.dumps(report.to_json())))


def test_a_record_with_a_tokenizer_is_of_the_schema(
    source: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    convert(source, tmp_path / "out", **OPTIONS)
    written = json.loads((tmp_path / "out" / RECORD_FILE).read_text())
    VALIDATOR.validate(written)
    converter.add_tokenizer(tmp_path / "out", **OPTIONS)
    VALIDATOR.validate(json.loads((tmp_path / "out" / RECORD_FILE).read_text()))


@pytest.mark.parametrize("missing", ["family", "config", "dtype", "tokenizer", "assumed"])
def test_a_record_that_lacks_something_is_none_of_the_schema(out: Path, missing: str) -> None:
    written = json.loads((out / RECORD_FILE).read_text())
    del written[missing]
    assert not VALIDATOR.is_valid(written)


def test_a_record_of_another_schema_is_refused(out: Path, tmp_path: Path) -> None:
    written = json.loads((out / RECORD_FILE).read_text())
    (tmp_path / RECORD_FILE).write_text(json.dumps({**written, "schema": SCHEMA + 1}))
    with pytest.raises(ConvertError, match="it is of schema 2, and this is schema 1"):
        read_record(tmp_path)
    del written["schema"]  # as it was before there were numbers
    (tmp_path / RECORD_FILE).write_text(json.dumps(written))
    assert read_record(tmp_path)["family"] == "bort"


@pytest.mark.parametrize("text", ["", "[]", "7", '"x"', "{}", "null"])
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD_FILE).write_text(text)
    with pytest.raises(ConvertError, match="a directory that bort-convert wrote is needed"):
        read_record(tmp_path)
