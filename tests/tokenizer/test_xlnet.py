"""XLNet: its script's own tokenizer, recorded; the pieces that it cuts once more."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converter
from converter.proof import tokens as verify_tokens
from converter.proof.tokens import check_tokens, source_ids
from converter.report.card.tokenizer import tokenizer_section
from converter.tokenizer import Files, TokenizerSpec, make_spec
from converter.tokenizer.build import COMBINING, build
from converter.tokenizer.discover import find
from converter.tokenizer.write import write_tokenizer
from tests.report.cards import run_example
from tests.tokenizer import cases
from tests.tokenizer.enlarged import enlarged

PIECES = cases.FOLDER / "xlnet.spiece"
RECORDED: Mapping[str, Any] = json.loads((cases.FOLDER / "xlnet.json").read_text("utf-8"))
CONFIG = {"vocab_size": 500}
CONTROL = ("<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<unk>")
ZOO = cases.FOLDER.parent / "zoo"
WAYS = [(way, group) for way, groups in RECORDED["texts"].items() for group in groups]


def spec_of(lower: bool | None = None) -> TokenizerSpec:
    return make_spec(cases.rule_of("xlnet"), Files(sentencepiece=PIECES), CONFIG, {}, lower)


@pytest.mark.parametrize(("way", "group"), WAYS)
def test_the_ids_are_those_of_the_script(way: str, group: str) -> None:
    made = build(spec_of(way == "lower"))
    made.encode_special_tokens = True
    pairs = RECORDED["texts"][way][group]
    different = [
        text
        for text, ids in pairs
        if made.encode(text, add_special_tokens=False).ids != ids
        and not any(piece in text for piece in CONTROL)  # SentencePiece never takes it for one
    ]
    assert different == []
    excepted = sum(any(piece in text for piece in CONTROL) for text, _ in pairs)
    assert excepted <= (0 if group == "numbers" else len(pairs) // 20)


@pytest.mark.parametrize(("way", "group"), WAYS)
def test_the_arithmetic_that_proves_is_that_of_the_script(way: str, group: str) -> None:
    ids_of = source_ids(spec_of(way == "lower"))
    for text, ids in RECORDED["texts"][way][group]:
        assert ids_of(text) == ids, text


def test_the_vocabulary_is_that_of_the_script() -> None:
    made = spec_of()
    assert [*made.vocabulary.tokens] == RECORDED["tokens"]
    words = {"padding": "pad", "unknown": "unk"}
    recorded = {words.get(role, role): token for role, token in RECORDED["special"].items()}
    assert dict(made.vocabulary.special) == recorded
    assert made.lower is False


def test_pieces_with_a_number_and_a_comma_would_be_chosen_otherwise() -> None:
    made = spec_of()
    assert set(made.recut) == {"▁1,", "▁2,", "▁3,", "1,"}
    kept = build(replace(made, kind="sentencepiece"))
    numbers = RECORDED["texts"]["cased"]["numbers"]
    wrong = [t for t, ids in numbers if kept.encode(t, add_special_tokens=False).ids != ids]
    assert len(wrong) > len(numbers) // 3


def test_texts_with_a_number_and_a_comma_are_excused_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = spec_of()
    write_tokenizer(made, tmp_path)
    assert check_tokens(made, tmp_path, "xlnet").excused == 0
    true = source_ids

    ids = made.vocabulary.ids

    def cut_otherwise(given: TokenizerSpec, wrong: bool = False) -> Any:
        def ids_of(text: str) -> list[int]:
            found = true(given)(text)
            if text == "1,":  # uncut, which spells the same, or with a piece too many
                found = [ids["▁1,"]] if not wrong else [*found, ids["s"]]
            return found

        return ids_of

    monkeypatch.setattr(verify_tokens, "source_ids", cut_otherwise)
    found = check_tokens(made, tmp_path, "xlnet")
    assert found.passed
    assert found.excused > 0
    monkeypatch.setattr(verify_tokens, "source_ids", lambda given: cut_otherwise(given, True))
    assert not check_tokens(made, tmp_path, "xlnet").passed


def test_the_card_names_the_pieces() -> None:
    assert "cuts 4 pieces such as `▁3,` once more" in " ".join(tokenizer_section(spec_of(), None))


def test_the_combining_characters_are_those_of_unicode() -> None:
    import re

    python = re.sub(r"\\x\{(\w+)\}", lambda code: f"\\U{int(code[1], 16):08X}", COMBINING)
    found = re.compile(f"[{python}]")
    every = [
        char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) != "Cn"
    ]
    different = [
        char for char in every if bool(found.match(char)) != bool(unicodedata.combining(char))
    ]
    if unicodedata.unidata_version == "14.0.0":
        assert different == []
    assert len(different) < 100  # what Unicode has added since


def test_its_files_are_found_under_the_zoos_names(tmp_path: Path) -> None:
    import hashlib

    content = PIECES.read_bytes()
    name = f"xlnet_126gb-{hashlib.sha1(content, usedforsecurity=False).hexdigest()[:8]}"
    (tmp_path / f"{name}.spiece").write_bytes(content)
    vocab = b"{}"
    own = f"xlnet_126gb-{hashlib.sha1(vocab, usedforsecurity=False).hexdigest()[:8]}.vocab"
    (tmp_path / own).write_bytes(vocab)
    found = find(
        tmp_path / "xlnet_cased_l12_h768_a12_126gb-ca7a0921.params", cases.rule_of("xlnet")
    )
    assert found == Files(sentencepiece=tmp_path / f"{name}.spiece")


def test_a_model_with_its_tokenizer_reads_text(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    source = enlarged(
        ZOO / "scripts" / "xlnet.params", len(RECORDED["tokens"]), tmp_path / "model.params"
    )
    config = {"n_head": 4, "ff_activation": "gelu_new"}
    report = converter.convert(source, tmp_path / "out", config=config, sentencepiece=PIECES)
    assert report.passed
    assert run_example(tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert config["pad_token_id"] == 5
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
    model = AutoModel.from_pretrained(tmp_path / "out", local_files_only=True)
    inputs = tokenizer(["In 1,000 years", "Free"], ["a", "b"], padding=True, return_tensors="pt")
    assert inputs.input_ids[1][0] == 5  # padding on the left
    types = inputs.token_type_ids[0].tolist()
    assert types == sorted(types)
    assert (types[-1], inputs.input_ids[0][-1]) == (2, 3)
    hidden = model(**inputs).last_hidden_state
    assert np.isfinite(hidden.detach().numpy()).all()
    assert converter.verify(source, tmp_path / "out").passed
