"""Networks of one's own that real MXNet wrote, in every way to save: the model in them is converted
and is what MXNet computed, the rest is beside it, and the card puts a Dense back on."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

import converter
from converter.cli.main import main
from converter.errors import ConvertError, ParityError, PlanError
from converter.params import load_params
from converter.planning.file import plan_file
from tests import own
from tests.faults.making import write_params

ATOL = 1e-5


def models(name: str, way: str) -> list[tuple[tuple[str, ...], bool]]:
    """How the names of each model begin, and whether it is the second that was recorded."""
    two = own.MANIFEST[name]["two"]
    found = own.begins(name, way)
    return [(begin, two and number == 1) for number, begin in enumerate(found)]


def choices(name: str, way: str) -> list[tuple[dict[str, Any], tuple[str, ...], Path]]:
    """The options for each model of the family, how its names begin, and its recording."""
    of_family = [
        (begin, second)
        for begin, second in models(name, way)
        if not (second and name in ("0.10.0/bert_roberta", "1.x/electra_albert"))
    ]
    return [
        (
            {"backbone": True} if len(of_family) == 1 else {"prefix": begin[0]},
            begin,
            own.golden(name, second),
        )
        for begin, second in of_family
    ]


@pytest.mark.parametrize(("name", "way"), own.FILES)
def test_a_model_is_what_mxnet_computed_and_the_rest_is_beside_it(
    name: str, way: str, tmp_path: Path
) -> None:
    path, found = own.source(name, way), choices(name, way)
    assert found
    for number, (which, begin, golden) in enumerate(found):
        out = tmp_path / str(number)
        report = converter.convert(path, out, **own.told(name, **which))
        assert report.passed
        assert converter.verify(path, out, golden=golden, atol=ATOL).passed
        beside, expected = (
            load_file(out / "not_converted.safetensors"),
            own.around(name, way, begin),
        )
        assert beside.keys() == expected.keys()
        for key, array in expected.items():
            assert beside[key].dtype == array.dtype
            assert beside[key].tobytes() == array.tobytes()


@pytest.mark.parametrize(("name", "way"), own.FILES)
def test_the_refusal_is_short_and_its_options_work(name: str, way: str, tmp_path: Path) -> None:
    """As `inspect` says them too. What they convert is tested above."""
    path = own.source(name, way)
    refused = CliRunner().invoke(main, ["--src", str(path), "--dst", str(tmp_path / "out")])
    assert refused.exit_code == 1
    lines = refused.output.split("\n")
    assert len(lines) <= 15, refused.output
    inspected = json.loads(CliRunner().invoke(main, ["inspect", str(path), "--json"]).output)
    there = [" ".join(one["options"]) for one in inspected["backbones"]]
    listed = [line for line in lines if line.startswith("  - --") and "fit" in line]
    said = [line.removeprefix("  - ").split(": ")[0] for line in listed]
    assert said == there[: len(said)]
    assert said
    for options in said:
        words = [word.partition("=") for word in shlex.split(options)]
        asked = [f"{n}={own.ASKED[n]}" if value else n for n, value, _ in words]
        done = CliRunner().invoke(main, ["--src", str(path), "--dry-run", *asked])
        assert done.exit_code == 0, (options, done.output)


ALONE = [
    (name, way)
    for name, way in own.FILES
    if not own.MANIFEST[name]["recurrent"]
    and all(h["reads"] != "both" and h["dense"] == 1 for h in own.MANIFEST[name]["heads"].values())
]


@pytest.mark.parametrize(("name", "way"), ALONE)
def test_the_card_puts_a_dense_back_on(name: str, way: str, tmp_path: Path) -> None:
    """Its text is run: the logits are those that MXNet recorded."""
    out = tmp_path / "out"
    converter.convert(own.source(name, way), out, **own.told(name, backbone=True))
    arrays = own.arrays_of(own.golden(name))
    outputs = own.run_card(out, own.inputs_of(arrays))
    valid = np.arange(arrays["input_ids"].shape[1]) < arrays["valid_length"][:, None]
    seen = 0
    for head, stated in own.MANIFEST[name]["heads"].items():
        recorded = arrays[stated["output"]]
        of_head = [o for o in outputs.values() if o.shape == recorded.shape]
        kept = valid if stated["reads"] == "states" else ...
        gaps = [float(np.abs(o - recorded)[kept].max()) for o in of_head]
        assert gaps, head
        assert min(gaps) <= ATOL, (head, gaps)
        seen += 1
    assert seen == len(own.MANIFEST[name]["heads"])


NOT_ALONE = [(name, way) for name, way in own.FILES if (name, way) not in ALONE]


@pytest.mark.parametrize(("name", "way"), NOT_ALONE)
def test_the_card_says_what_is_there_and_pretends_nothing(
    name: str, way: str, tmp_path: Path
) -> None:
    """An LSTM, a CRF's matrix, two Dense, one for two texts: their numbers, and no call."""
    out, found = tmp_path / "out", choices(name, way)
    which, begin, _ = found[0]
    converter.convert(own.source(name, way), out, **own.told(name, **which))
    section = own.section_of(out)
    beside = own.around(name, way, begin)
    others = [other for _, other, _ in found[1:]]
    for other in others:
        assert "another model, whose names begin with" in section
        assert other[0] in section
    for key, array in beside.items():
        if not any(key.startswith(other) for other in others):
            shape = "×".join(map(str, array.shape))
            layers = re.sub(r"(\.|transformer)[01](?=[._])", r"\1{0…1}", key)
            lines = [f"- `{one}`: {shape}, float32" for one in (key, layers)]
            assert any(line in section for line in lines), key
    assert "does not store" in section
    if way == "scopes" and all(h["dense"] > 1 for h in own.MANIFEST[name]["heads"].values()):
        # no name tells that these two are a sequence, unless their sizes do
        assert "whether one of them reads what another gives" in section or "**" not in section
    else:
        assert "(**inputs)" not in section
    known: dict[str, Any] = {"inputs": own.inputs_of(own.arrays_of(own.golden(name)))}
    for block in own.code_of(out):
        exec(block, known)
    for key, array in beside.items():
        assert (known["rest"][key].numpy() == array).all()


def changed(name: str, folder: Path, change: str) -> Path:
    """A source with two tensors of the model exchanged, or one of them disturbed."""
    arrays = {n: a.copy() for n, a in load_params(own.source(name)).items()}
    cell = f"{own.MANIFEST[name]['models'][0]}.encoder.transformer_cells.0.attention_cell.proj_"
    query, value = f"{cell}query.weight", f"{cell}value.weight"
    if change == "exchanged":
        arrays[query], arrays[value] = arrays[value], arrays[query]
    else:
        arrays[value][0, 0] += 0.5
    return write_params(folder / "changed.params", arrays)


@pytest.mark.parametrize("change", ["exchanged", "disturbed"])
@pytest.mark.parametrize(
    "name", ["0.8.3/bert_sentence", "0.10.0/roberta_sentence", "0.8.3/bort_sentence"]
)
def test_a_model_that_was_changed_is_not_what_mxnet_computed(
    name: str, change: str, tmp_path: Path
) -> None:
    path, out = changed(name, tmp_path, change), tmp_path / "out"
    converter.convert(path, out, **own.told(name, backbone=True))
    with pytest.raises(ParityError):
        converter.verify(path, out, golden=own.golden(name), atol=ATOL)
    with pytest.raises(ParityError):  # nor is it what the recorded file becomes
        converter.verify(own.source(name), out)


@pytest.mark.parametrize("file", ["model.safetensors", "not_converted.safetensors"])
@pytest.mark.parametrize("name", ["0.8.3/bert_sentence", "0.10.0/roberta_sentence"])
def test_a_directory_that_was_changed_fails(name: str, file: str, tmp_path: Path) -> None:
    """In the model or beside it: every tensor has to come back bit for bit."""
    out = tmp_path / "out"
    converter.convert(own.source(name), out, **own.told(name, backbone=True))
    arrays = load_file(out / file)
    key = next(n for n, a in arrays.items() if a.ndim == 2)
    arrays[key] = arrays[key] + np.float32(1e-3)
    save_file(arrays, out / file, metadata={"format": "pt"})
    with pytest.raises(ParityError):
        converter.verify(own.source(name), out)


@pytest.mark.parametrize(("name", "way"), [f for f in own.FILES if len(choices(*f)) > 1])
def test_which_of_two_models_is_never_guessed(name: str, way: str, tmp_path: Path) -> None:
    path = own.source(name, way)
    with pytest.raises(PlanError) as caught:
        converter.convert(path, tmp_path / "out", **own.told(name, backbone=True))
    assert len(str(caught.value).split("\n")) <= 15
    lines = caught.value.problems
    assert [line.split()[0] for line in lines] == ["--prefix"] * len(lines)
    told = [line.split()[1].rstrip(":") for line in lines]
    assert len(told) == len(choices(name, way))
    with pytest.raises(ConvertError):
        converter.convert(path, tmp_path / "out", **own.told(name, prefix="nobody's."))
    assert not (tmp_path / "out").exists()
    if way == "scopes" and own.MANIFEST[name]["family"] != "gpt2":
        encoder, model = told[0].split(",")
        for part in (encoder, model, model[:-1], told[0]):
            plan = plan_file(path, **own.told(name, prefix=part))
            assert plan.match.begin == told[0]
