"""The card's example and its head, for every head of BERT; those of the other families are run
where these are converted with their tokenizers: tokenizer/test_families.py, test_directories_1x.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.report.card import model_card
from converter.report.card.head import TASKS, languages_of, task_of
from converter.tables.load import family_names, load_family
from tests import borts, zoo
from tests.report.cards import loaded, run_example
from tests.tokenizer import cases
from tests.tokenizer.enlarged import enlarged

LABELS = [f"label {number}" for number in range(7)]
Printed = Sequence[str]


def is_number(lines: Printed) -> bool:
    return isinstance(float(lines[0]), float) and len(lines) == 1


def are_words(lines: Printed) -> bool:
    return len(lines) == 1 and bool(lines[0]) and "[MASK]" not in lines[0]


def are_tags(lines: Printed) -> bool:
    tokens = [line.split()[0] for line in lines]
    tags = {line.partition(" ")[2] for line in lines}
    return (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]") and tags <= {*LABELS}


# fixture of GluonNLP 0.8.3 → how many labels its head has, and what the example prints
BERTS: dict[str, tuple[int, Callable[[Printed], bool]]] = {
    "bert_full": (0, are_words),
    "bert_decoder": (0, are_words),
    "bert_nsp": (0, lambda lines: lines[0].startswith("tensor([[0.")),
    "bert_encoder": (0, lambda lines: lines[0].startswith("tensor([[[")),
    "bert_classifier": (3, lambda lines: lines[0] in LABELS[:3]),
    "bert_regression": (1, is_number),
    "bert_qa": (0, lambda lines: len(lines) <= 1),
    "bert_tagger": (7, are_tags),
}


@pytest.mark.parametrize("name", BERTS)
def test_text_becomes_a_prediction(name: str, tmp_path: Path) -> None:
    count, is_right = BERTS[name]
    vocabulary, out = "bert_uncased", tmp_path / "out"
    source = enlarged(zoo.source(f"0.8.3/{name}"), cases.ROWS[vocabulary], tmp_path / "a.params")
    files: Any = cases.files(vocabulary).given()
    told: Any = {"family": "bert", "config": {"num_attention_heads": 4}, "verify": False, **files}
    converter.convert(source, out, labels=LABELS[:count] or None, **told)
    lines = run_example(out).splitlines()
    assert is_right(lines), lines
    text = loaded(out).text
    assert "\n# a\n" in f"\n{text}"
    says = {0: "", 1: "It gives a text a number."}.get(count, f"one of {count} labels: label 0, ")
    assert says in text


def test_ids_become_a_prediction_where_there_is_no_tokenizer(tmp_path: Path) -> None:
    told: Any = {"config": borts.heads("bort_decoder"), "family": "bort", "verify": False}
    converter.convert(borts.source("bort_decoder"), tmp_path / "out", **told)
    assert run_example(tmp_path / "out").startswith("tensor([[[")
    text = loaded(tmp_path / "out").text
    assert "bort-convert tokenizer --vocab FILE --merges FILE --dst path/to/this/dir" in text
    assert "License: not stated" in text


def test_the_head_says_what_is_known_and_no_more(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = converter.convert(
        borts.source("bort_decoder"),
        out,
        family="bort",
        config=borts.heads("bort_decoder"),
        license="cc-by-4.0",
    )
    assert loaded(out).data.to_dict() == {
        "library_name": "transformers",
        "license": "cc-by-4.0",
        "pipeline_tag": "fill-mask",
        "tags": ["bort", "mxnet", "gluonnlp"],
    }
    assert "License: cc-by-4.0, as told by whoever converted it" in loaded(out).text
    # The published model, were it this one, has its name on the Hub and its sizes' name as title
    assert report.proof
    proof = replace(report.proof, parity=replace(report.proof.parity, is_published=True))
    plan = replace(report.plan, known="bort_4_8_768_1024")
    (out / "README.md").write_text(model_card(replace(report, proof=proof, plan=plan)), "utf-8")
    assert loaded(out).data.base_model == "amazon/bort"
    assert loaded(out).text.lstrip().startswith("# bort_4_8_768_1024\n")
    again = model_card(replace(report, plan=plan))
    assert "\n# bort_decoder\n" in again, "sizes alone recognise no model"


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("book_corpus_wiki_en_uncased-a6607397.vocab", ["en"]),
        ("openwebtext_ccnews_stories_books_cased-f8ae5a9b.vocab", ["en"]),
        ("wiki_cn_cased-ddebd8f3.vocab", ["zh"]),
        ("kobert_news_wiki_ko_cased-ae5711de.spiece", ["ko"]),
        ("wiki_multilingual_uncased-29d0e9e6.vocab", ["multilingual"]),
        ("encoder.vocab", []),
        ("korean.vocab", []),
    ],
)
def test_the_name_of_a_vocabulary_tells_the_language(name: str, languages: list[str]) -> None:
    assert languages_of([name]) == languages


def test_every_class_that_is_written_has_a_task_or_is_known_to_have_none() -> None:
    classes = {t.transformers_class for name in family_names() for t in load_family(name).targets}
    without = {name for name in classes if task_of(name) is None}
    assert without == {
        "BartForConditionalGeneration",
        "BertForNextSentencePrediction",
        "ElectraForPreTraining",
        "ErnieForNextSentencePrediction",
        "T5ForConditionalGeneration",
    }
    assert {task_of(name) for name in classes - without} == {*TASKS.values()}


@pytest.mark.parametrize("word", ["", "Apache 2.0", "MIT", "mit\nother: 1", "-mit"])
def test_a_license_is_a_word_of_the_hub(word: str, tmp_path: Path) -> None:
    with pytest.raises(converter.OptionError, match=r"no word of the Hub's"):
        converter.convert(borts.source("bort_decoder"), tmp_path / "out", license=word)
