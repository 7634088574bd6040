"""GPT-2 with another vocabulary than OpenAI's: KoGPT2's is a SentencePiece model, of BPE."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

import converter
from converter.errors import PlanError
from converter.proof.tokens import source_ids
from converter.tokenizer import Files, make_spec
from converter.tokenizer.build import build
from converter.tokenizer.sentencepiece import NORMAL, USER_DEFINED
from tests.tokenizer import cases
from tests.tokenizer.bort import invoke, read
from tests.tokenizer.enlarged import enlarged

ZOO = Path(__file__).parents[2] / "fixtures" / "zoo"
PIECES = cases.path("kogpt2_cased", "sentencepiece")
CONFIG = {"n_head": 4, "activation_function": "gelu"}
SPEC = cases.spec_of("kogpt2_cased")
assert SPEC.model is not None
MODEL = SPEC.model


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 with GELU by erf, as KoGPT2, and as many rows as its vocabulary here has pieces."""
    folder = tmp_path_factory.mktemp("kogpt2")
    return enlarged(ZOO / "scripts" / "gpt2_erf.params", 900, folder / "kogpt2.params")


@pytest.fixture(scope="module")
def out(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "kogpt2"
    assert converter.convert(source, path, config=CONFIG, sentencepiece=PIECES).passed
    return path


def test_the_special_ids_are_the_vocabularys_and_generation_has_them(out: Path) -> None:
    from transformers import AutoTokenizer, GPT2LMHeadModel

    config = read(out / "config.json")
    ids = {role: config[f"{role}_token_id"] for role in ("bos", "eos", "pad", "unk")}
    assert ids == {"bos": 0, "eos": 1, "pad": 3, "unk": 5}
    model: Any = GPT2LMHeadModel.from_pretrained(out)
    generation = model.generation_config
    assert (generation.bos_token_id, generation.eos_token_id, generation.pad_token_id) == (0, 1, 3)
    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    inputs = tokenizer(["All human beings", "모든"], padding=True, return_tensors="pt")
    assert (inputs.input_ids[1, -1], inputs.attention_mask[1, -1]) == (3, 0)
    made = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert made.max() < config["vocab_size"] == 900
    assert str(tokenizer.decode(made[0])).startswith("All human beings")
    said = tokenizer.decode(inputs.input_ids[1], skip_special_tokens=True)
    assert said == "모든"
    record = read(out / "conversion.json")
    assert record["tokenizer"]["kind"] == "sentencepiece"
    assert not {"bos_token_id", "eos_token_id"} & {a["field"] for a in record["assumed"]}


def test_a_directory_with_it_is_verified(source: Path, out: Path) -> None:
    assert converter.verify(source, out).passed


def swapped(tokenizer: dict[str, Any]) -> None:
    ids = tokenizer["model"]["vocab"]
    ids["er"], ids["en"] = ids["en"], ids["er"]


def no_merge(tokenizer: dict[str, Any]) -> None:
    del tokenizer["model"]["merges"][100]


def joined(tokenizer: dict[str, Any]) -> None:
    tokenizer["pre_tokenizer"] = tokenizer["pre_tokenizer"]["pretokenizers"][0]


@pytest.mark.parametrize("tamper", [swapped, no_merge, joined])
def test_a_wrong_piece_is_not_proven(tamper: Any, source: Path, out: Path) -> None:
    path = out / "tokenizer.json"
    before = path.read_text("utf-8")
    content = json.loads(before)
    tamper(content)
    path.write_text(json.dumps(content), "utf-8")
    try:
        result = invoke("verify", "--src", source, "--dst", out)
    finally:
        path.write_text(before, "utf-8")
    assert result.exit_code == 3, result.output
    assert "tokens  FAILED" in result.stdout


@given(st.lists(st.sampled_from([*MODEL.of(USER_DEFINED), *MODEL.of(NORMAL)]), max_size=9))
def test_user_defined_pieces_are_found_as_sentencepiece_finds_them(pieces: list[str]) -> None:
    made = build(SPEC)
    made.encode_special_tokens = True
    text = "".join(pieces).replace("▁", " ")
    assert made.encode(text, add_special_tokens=False).ids == source_ids(SPEC)(text)


def test_without_being_set_apart_they_are_not_found() -> None:
    broken = build(replace(SPEC, model=replace(MODEL, types=(NORMAL,) * len(MODEL.types))))
    text = "<usr>안녕<sys>"
    assert broken.encode(text, add_special_tokens=False).ids != source_ids(SPEC)(text)


def changed(path: Path, change: Any) -> Path:
    model: Any = vars(sentencepiece_model_pb2)["ModelProto"]()
    model.ParseFromString(PIECES.read_bytes())
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_pieces_that_no_text_becomes_are_refused_beside_user_defined_ones(tmp_path: Path) -> None:
    def one_more(model: Any) -> None:
        model.pieces.add(piece="zzzz", score=-1)  # and neither `zz` nor `zzz`

    path = changed(tmp_path / "my.model", one_more)
    with pytest.raises(PlanError, match="makes 1 of its pieces from no text, such as 'zzzz'"):
        make_spec(cases.GPT2, Files(sentencepiece=path), cases.config(901), {})


def test_tokens_that_the_loader_adds_are_told_by_the_rows(tmp_path: Path) -> None:
    """The same model with rows for `<pad>` and without; else it is another's."""
    pieces = cases.files("kogpt2_added").sentencepiece
    for rows, pad in ((500, None), (501, 500)):
        spec = make_spec(cases.GPT2, Files(sentencepiece=pieces), cases.config(rows), {})
        assert spec.ids.get("pad_token_id") == pad
        assert len(spec.vocabulary.tokens) == rows
    with pytest.raises(PlanError) as caught:
        make_spec(cases.GPT2, Files(sentencepiece=pieces), cases.config(97), {})
    said = str(caught.value)
    assert str(pieces) in said
    assert "500 tokens and the embedding 97 rows" in said
    assert "by --sentencepiece FILE" in said


def test_a_name_does_not_make_it_lower_case(tmp_path: Path) -> None:
    path = tmp_path / "my_uncased.spiece"
    path.write_bytes(PIECES.read_bytes())
    spec = make_spec(cases.GPT2, Files(sentencepiece=path), cases.config(900), {})
    assert spec.lower is False


def test_a_control_piece_is_a_special_token_of_transformers_and_text_in_gluonnlp() -> None:
    made = build(SPEC)
    assert made.encode("</s>", add_special_tokens=False).ids == [1]
    made.encode_special_tokens = True
    assert made.encode("</s>", add_special_tokens=False).ids == source_ids(SPEC)("</s>")


def test_openais_bytes_go_on_as_they_did(tmp_path: Path) -> None:
    bort = cases.files("bort")
    with pytest.raises(PlanError, match="FILE --merges FILE or --sentencepiece FILE"):
        make_spec(cases.GPT2, replace(bort, merges=None), cases.config(605), {})
    with pytest.raises(PlanError, match="FILE --merges FILE or --sentencepiece FILE"):
        make_spec(cases.GPT2, replace(bort, sentencepiece=PIECES), cases.config(605), {})
