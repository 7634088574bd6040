"""Students, their optimiser and head."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, BertConfig, BertModel

from agora import Split, grid
from agora.bort import PUBLISHED, Borts
from agora.data import numbered
from agora.errors import StudentError
from agora.optimizer import REST, BertAdam, groups, rate
from benchmarks.agora import grammar


def test_bert_adam_has_no_bias_correction() -> None:
    """Two steps against the formula of GluonNLP v0.8.3, in NumPy."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = BertAdam([weight], lr=0.1, wd=0.5)
    w, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for gradient in ([0.3, -0.1], [0.2, 0.4]):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        g = np.array(gradient)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.1 * (m / (np.sqrt(v) + 1e-6) + 0.5 * w)
        np.testing.assert_allclose(weight.detach().numpy(), w, rtol=1e-12)


def test_bert_adam_is_not_adamw() -> None:
    """Negative control: with its correction, the first step would be another."""
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    first.grad, second.grad = torch.ones(1), torch.ones(1)
    BertAdam([first], lr=0.1).step()
    torch.optim.AdamW([second], lr=0.1, weight_decay=0).step()
    assert abs(first.item() - second.item()) > 0.05


def test_bias_and_norm_do_not_decay() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    decayed, bare = groups(model, 0.1)
    assert [w.shape for w in decayed["params"]] == [(3, 2)]
    assert len(bare["params"]) == 3
    assert (decayed["wd"], bare["wd"]) == (0.1, 0.0)


def test_rate_is_that_of_the_original() -> None:
    """finetune_bort.py counts from 0: the first step has rate 0. 100 steps, 40 of them upward."""
    rates = [rate(step, 1.0, 100, 0.4) for step in range(120)]
    assert rates[0] == 0
    assert rates[1] == 1 / 40
    assert rates[40] == 1.0 == max(rates)
    assert rates[70] == 0.5
    assert rates[99] == pytest.approx(1 / 60)
    assert rates[100:] == [REST] * 20
    assert [rate(step, 1.0, 2, 1.0) for step in range(3)] == [0, 0.5, 1.0]


def test_published_grid() -> None:
    assert len(grid(**PUBLISHED)) == len(set(grid(**PUBLISHED))) == 480


@pytest.fixture(scope="module")
def bort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bort")
    config = BertConfig(
        vocab_size=len(grammar.WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, hidden_dropout_prob=0.0, max_position_embeddings=20,
        type_vocab_size=1, pad_token_id=1,
    )  # fmt: skip
    BertModel(config).save_pretrained(place)
    grammar.save_tokenizer(place)
    return place


def moods(n: int, seed: int) -> Split:
    return numbered(grammar.sample(n, seed, rich=False), ("neg", "pos"))


THETA = {"lr": 0.003, "batch": 8, "epochs": 8}


def test_student_learns(bort: Path, tmp_path: Path) -> None:
    train, dev = moods(120, 1), moods(40, 2)
    students = Borts(str(bort), ("neg", "pos"), preset=False)
    student = students.make(THETA, 3)
    work = student.fit(train, dev)
    assert (work.updates, work.forwards) == (8 * 120, 8 * 40)
    assert np.mean(np.array(student.predict(dev.points)) == dev.labels) > 0.9
    student.save(tmp_path)
    assert students.load(tmp_path).probabilities(dev.points) == student.probabilities(dev.points)
    short = [students.make({**THETA, "epochs": 1}, seed) for seed in (3, 3, 4)]
    for each in short:
        each.fit(train, dev)
    first, again, other = (each.probabilities(dev.points) for each in short)
    assert first == again != other


def test_students_and_teachers_are_on_the_device(
    bort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights, and the tensors that it is given; a teacher is such a student, as it is read."""
    monkeypatch.setattr("agora.bort.device", lambda: "meta")  # one that every machine has
    students = Borts(str(bort), ("neg", "pos"))
    for student in (students.make({}, 0), students.load(bort)):
        assert {weight.device.type for weight in student.model.parameters()} == {"meta"}
        given: list[torch.Tensor] = []
        monkeypatch.setattr(
            student.model, "forward", lambda into=given, **inputs: into.extend(inputs.values())
        )
        with pytest.raises(AttributeError):  # it gave no logits
            student.logits(["the film was good"])
        assert given
        assert {tensor.device.type for tensor in given} == {"meta"}


def test_saved_weights_have_the_rights_that_the_umask_leaves(bort: Path, tmp_path: Path) -> None:
    student = Borts(str(bort), ("neg", "pos")).make({}, 0)
    before = os.umask(0o027)
    try:
        student.save(tmp_path)
    finally:
        os.umask(before)
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_patience_ends_a_training_after_the_warm_up(bort: Path) -> None:
    """Where dev is as good as it gets in the first epoch: 2 epochs of warm-up, and 3 in vain."""
    some = moods(8, 1)
    dev = Split(some.points, (0,) * 8)
    students = Borts(str(bort), ("neg", "pos"), preset=False)
    theta = {"lr": 1e-9, "batch": 8, "epochs": 10, "warmup": 0.2, "patience": 3}
    assert students.make(theta, 0).fit(some, dev).updates == 5 * 8
    assert students.make({**theta, "patience": 10}, 0).fit(some, dev).updates == 10 * 8


def test_a_loss_that_is_not_a_number_stops_with_its_step(bort: Path) -> None:
    student = Borts(str(bort), ("neg", "pos"), preset=False).make({**THETA, "lr": 1e30}, 0)
    with pytest.raises(StudentError, match=r"the loss is (nan|inf) at step \d+ \(epoch \d+\)"):
        student.fit(moods(40, 1), moods(10, 2))


def test_training_leaves_the_callers_random_numbers_alone(bort: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    Borts(str(bort), ("a", "b")).make({**THETA, "epochs": 1}, 3).fit(moods(9, 1), moods(9, 2))
    assert torch.equal(torch.rand(3), expected)


def test_bort_preset(bort: Path) -> None:
    student: Any = Borts(str(bort), ("neg", "pos", "none")).make({}, 0)
    for dense in (student.model.bert.pooler.dense, student.model.classifier):
        assert 0.3 < dense.weight.abs().max() <= 0.5
        assert not dense.bias.any()
    plain: Any = Borts(str(bort), ("neg", "pos", "none"), preset=False).make({}, 0)
    assert plain.model.classifier.weight.abs().max() < 0.2
    # the second dropout acts in training alone
    first = torch.ones(1, 2, 16)
    pooler = student.model.bert.pooler
    student.model.eval()
    assert torch.equal(pooler(first), pooler(first))
    student.model.train()
    assert any(not torch.equal(pooler(first), pooler(first)) for _ in range(20))


def with_template(bort: Path, place: Path, pair: str, types: int) -> Path:
    """The model with another tokenizer template, and as many token types."""
    shutil.copytree(bort, place)
    tokenizer: Any = AutoTokenizer.from_pretrained(place)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save_pretrained(place)
    BertModel(BertConfig.from_pretrained(place, type_vocab_size=types)).save_pretrained(place)
    return place


@pytest.mark.parametrize(
    ("pair", "types", "said"),
    [
        ("<s> $A </s> </s> $B </s>", 1, "<s> the film </s> was good </s>"),  # a Bort: one
        ("<s> $A </s> </s> $B </s>", 2, "<s> the film </s> </s> was good </s>"),  # RoBERTa's
        ("$A </s> $B </s> <s>", 2, "the film </s> was good </s> <s>"),  # XLNet's
    ],
)
def test_pairs_are_as_the_models_own_tokenizer_has_them(
    bort: Path, tmp_path: Path, pair: str, types: int, said: str
) -> None:
    place = with_template(bort, tmp_path / "model", pair, types)
    student = Borts(str(place), ("a", "b"), max_length=12).make({}, 0)
    inputs = student.inputs([("the film", "was good"), ("the " * 30, "was good")])
    rows = [student.tokenizer.decode(row) for row in inputs["input_ids"]]
    assert rows[0].replace(" <pad>", "") == said
    assert inputs["attention_mask"].sum(1).tolist() == [len(said.split()), 12]
    assert rows[1].count("was good") == 1  # the longer one is cut
    assert ("token_type_ids" in inputs) == (types > 1)
