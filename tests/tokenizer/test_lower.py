"""Whether text is lower-cased, told by no name: by the letters of the vocabulary, or asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.errors import PlanError
from converter.tokenizer import Files, make_spec
from converter.tokenizer.vocabulary import Vocabulary, is_lowered
from tests.tokenizer import cases
from tests.tokenizer.bort import invoke, read
from tests.tokenizer.enlarged import enlarged

ZOO = Path(__file__).parents[2] / "fixtures" / "zoo"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROLES = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True))
ENGLISH = ["the", "##s", "day", "und", "größe", "2nd", "...", "[unused1]", "<S>", "ß"]
CHINESE = [*"中文字符人而自由平等尊", "##人", "##民", "a", "##b", "1"]
JAPANESE = ["すべて", "人間", "##は", "ガク", "##ー", "ｶﾞ", "the", "a"]
KOREAN = ["모든", "##인간", "##은", "태어날", "ㅋㅋ", "때", "the", "a"]
OPTIONS = ("--family", "bert", "--config", "num_attention_heads=4")
ASSUMED = "lower=true (no token of the vocabulary has an upper-case letter)"


def vocabulary(words: list[str]) -> Vocabulary:
    return Vocabulary(Path("vocab.txt"), (*SPECIAL, *words), ROLES)


@pytest.mark.parametrize(
    ("words", "lowered"),
    [
        (ENGLISH, True),
        ([*ENGLISH, "Tokyo"], False),
        ([*ENGLISH, "##ing", "##I"], False),
        ([*ENGLISH, "ǅ"], False),
        (["все", "люди", "όλοι"], True),
        ([*ENGLISH, "Όλοι"], False),
        (CHINESE, False),
        (JAPANESE, False),
        (KOREAN, False),
        ([*ENGLISH, *CHINESE[:4]], True),  # some characters, as in every large vocabulary
        (["يولد", "جميع", "सभी"], False),  # letters without case tell nothing
        (["1", "2", ",", "##."], False),
        ([], False),
    ],
)
def test_it_is_told_by_the_letters(words: list[str], lowered: bool) -> None:
    assert is_lowered(vocabulary(words)) is lowered


@pytest.mark.live
def test_real_vocabularies(real_vocabularies: Path) -> None:
    """Uncased BERT's has 744 tokens with Chinese, Japanese or Korean letters of 30,522."""
    found = make_spec(
        cases.BERT, Files(vocab=real_vocabularies / "bert" / "vocab.txt"), cases.config(30522), {}
    )
    assert (found.lower, found.lower_assumed) == (True, True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    return enlarged(ZOO / "0.8.3" / "bert_full.params", 700, folder / "bert.params")


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    """The lower-cased vocabulary, under a name that tells nothing."""
    (tmp_path / "in").mkdir()
    path = shutil.copy(cases.path("bert_uncased", "vocab"), tmp_path / "in" / "my.vocab")
    return Path(path)


def test_the_assumption_is_printed_recorded_and_on_the_card(
    source: Path, vocab: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = invoke("--src", source, "--dst", out, *OPTIONS, "--vocab", vocab)
    assert result.exit_code == 0, result.output
    (line,) = [text for text in result.stdout.splitlines() if text.startswith("assumed, ")]
    assert ASSUMED in line
    record = read(out / "conversion.json")
    why = "no token of the vocabulary has an upper-case letter"
    assert {"field": "lower", "value": True, "why": why} in record["assumed"]
    assert (record["tokenizer"]["lower"], record["tokenizer"]["lower_assumed"]) == (True, True)
    card = (out / "README.md").read_text("utf-8")
    assert "- That it is lower-cased is assumed, because no token has an upper-case letter" in card
    (line,) = [text for text in card.splitlines() if text.startswith("- Assumed, not in the file:")]
    assert ASSUMED in line
    again = invoke("verify", "--src", source, "--dst", out)
    assert again.exit_code == 0, again.output
    assert ASSUMED in again.stdout


@pytest.mark.parametrize("said", [True, False])
def test_of_what_the_user_says_nothing_is_assumed(
    said: bool, source: Path, vocab: Path, tmp_path: Path
) -> None:
    out, option = tmp_path / "out", "--lower" if said else "--no-lower"
    result = invoke("--src", source, "--dst", out, *OPTIONS, "--vocab", vocab, option)
    assert result.exit_code == 0, result.output
    assert "lower=" not in result.stdout
    record = read(out / "conversion.json")
    assert "lower" not in {a["field"] for a in record["assumed"]}
    assert (record["tokenizer"]["lower"], record["tokenizer"]["lower_assumed"]) == (said, False)
    assert "is assumed" not in (out / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["my_cased.vocab", "my_uncased.vocab"])
def test_a_name_goes_before_the_letters(name: str, vocab: Path) -> None:
    renamed = vocab.rename(vocab.with_name(name))
    found = make_spec(cases.BERT, Files(vocab=renamed), cases.config(700), {})
    assert (found.lower, found.lower_assumed) == ("uncased" in name, False)


def test_a_family_goes_before_the_letters(vocab: Path) -> None:
    found = make_spec(cases.rule_of("ernie"), Files(vocab=vocab), cases.config(700), {})
    assert (found.lower, found.lower_assumed) == (True, False)


@pytest.mark.parametrize("words", [CHINESE, JAPANESE, KOREAN, [*ENGLISH, "Tokyo"]])
def test_where_it_cannot_be_told_it_is_asked(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in [*SPECIAL, *words]), "utf-8")
    rows = len(words) + len(SPECIAL)
    with pytest.raises(PlanError, match="give --lower or --no-lower"):
        make_spec(cases.BERT, Files(vocab=path), cases.config(rows), {})
    assert make_spec(cases.BERT, Files(vocab=path), cases.config(rows), {}, False).lower is False


def test_a_sentencepiece_model_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "my.model"
    shutil.copy(cases.path("spiece_uncased", "sentencepiece"), path)
    with pytest.raises(PlanError, match="give --lower or --no-lower"):
        make_spec(cases.BERT, Files(sentencepiece=path), cases.config(504), {})


def test_a_tokenizer_added_later_brings_the_record_and_the_card_up_to_date(
    source: Path, vocab: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    converter.convert(source, out, family="bert", config={"num_attention_heads": 4})
    before = read(out / "conversion.json")["assumed"]
    result = invoke("tokenizer", "--dst", out, "--vocab", vocab)
    assert result.exit_code == 0, result.output
    assert f"assumed, not in the file: {ASSUMED}\n" in result.stdout
    after: Any = read(out / "conversion.json")["assumed"]
    assert after[:-1] == before
    assert (after[-1]["field"], after[-1]["value"]) == ("lower", True)
    card = (out / "README.md").read_text("utf-8")
    assert card.count(ASSUMED) == 1
    assert "is assumed, because no token" in card
    assert converter.verify(source, out).passed
    result = invoke("tokenizer", "--dst", out, "--vocab", vocab, "--lower")
    assert "assumed" not in result.stdout
    assert read(out / "conversion.json")["assumed"] == before
    card = (out / "README.md").read_text("utf-8")
    assert "lower=true" not in card
    assert "is assumed, because no token" not in card


def test_a_tokenizer_tells_the_ids_that_were_assumed_to_be_none(tmp_path: Path) -> None:
    source = enlarged(ZOO / "scripts" / "gpt2_erf.params", 900, tmp_path / "in.params")
    told = {"n_head": 4, "activation_function": "gelu"}
    converter.convert(source, tmp_path / "out", family="gpt2", config=told)
    record = tmp_path / "out" / "conversion.json"
    assert {"eos_token_id", "bos_token_id"} <= {a["field"] for a in read(record)["assumed"]}
    pieces = cases.path("kogpt2_cased", "sentencepiece")
    converter.add_tokenizer(tmp_path / "out", sentencepiece=pieces)
    assert not {"eos_token_id", "bos_token_id"} & {a["field"] for a in read(record)["assumed"]}
    assert read(tmp_path / "out" / "config.json")["eos_token_id"] == 1
    assert converter.verify(source, tmp_path / "out").passed
