"""Students, their optimiser and head; teachers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from agora import Split, agora, grid
from agora.bort import PUBLISHED, Borts
from agora.errors import DataError, OptionError
from agora.optimizer import REST, BertAdam, groups, rate
from agora.sklearn_student import Estimators
from agora.tau_vector import Ball
from agora.teachers import Renumbered, Table, Trained
from agora.torch_student import Modules


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))


def line(n: int, seed: int) -> Split:
    x = np.random.default_rng(seed).normal(size=(n, 2))
    return Split.of(x, (x[:, 0] > x[:, 1]).astype(int))


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


def test_rate() -> None:
    """100 steps of ramp, 40 of them upward, then rest."""
    rates = [rate(step, 1.0, 100, 0.4) for step in range(1, 121)]
    assert rates[0] == 1 / 40
    assert rates[39] == 1.0 == max(rates)
    assert rates[69] == 0.5
    assert rates[99:] == [REST] * 21


def test_published_grid() -> None:
    assert len(PUBLISHED) == len(set(PUBLISHED)) == 480


@pytest.mark.parametrize("soft", [False, True])
def test_torch_student_learns(tmp_path: Path, soft: bool) -> None:
    train, dev = line(60, 1), line(200, 2)
    if soft:
        train = Split(
            train.points, tuple((0.9, 0.1) if y == 0 else (0.1, 0.9) for y in train.labels)
        )
    theta = {"lr": 0.01, "batch": 8, "epochs": 20}
    student = Modules(net, 2).make(theta, 3, None)
    work = student.fit(train, dev)
    assert (work.updates, work.forwards) == (20 * 60, 20 * 200)
    assert np.mean(np.array(student.predict(dev.points)) == dev.labels) > 0.9
    student.save(tmp_path)
    assert Modules(net, 2).load(tmp_path).probabilities(dev.points) == student.probabilities(
        dev.points
    )
    again = Modules(net, 2).make(theta, 3, None)
    again.fit(train, dev)
    assert again.probabilities(dev.points) == student.probabilities(dev.points)
    other = Modules(net, 2).make(theta, 4, None)
    other.fit(train, dev)
    assert other.probabilities(dev.points) != student.probabilities(dev.points)


def test_torch_student_of_numbers() -> None:
    x = np.random.default_rng(0).normal(size=(80, 2))
    data = Split.of(x, x[:, 0] - 2 * x[:, 1])
    build = lambda: torch.nn.Linear(2, 1)  # noqa: E731
    student = Modules(build, 0).make({"lr": 0.05, "epochs": 30}, 0, None)
    student.fit(data, data)
    assert np.abs(np.array(student.predict(data.points)) - data.labels).max() < 0.2


def test_training_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    Modules(net, 2).make({"lr": 0.01, "epochs": 1}, 3, None).fit(line(9, 1), line(9, 2))
    assert torch.equal(torch.rand(3), expected)


def test_sklearn_students_in_the_loop() -> None:
    train, dev = line(6, 1), line(80, 5)
    result = agora(
        Estimators(LogisticRegression()), Table(Split((), ())), train, dev,
        grid(C=[0.01, 1.0, 100.0]), Ball(0.1), gate=None,
    )  # fmt: skip
    assert dict(result.theta)["C"] in (0.01, 1.0, 100.0)
    assert result.ledger.updates > 6 * 3  # samples times iterations
    truth = lambda points: [int(p[0] > p[1]) for p in points]  # noqa: E731
    taught = agora(
        Estimators(LogisticRegression()), truth, train, dev,
        grid(C=[0.01, 1.0, 100.0]), Ball(0.1), gate=None,
    )  # fmt: skip
    assert len(taught.train) > len(train)


def test_sklearn_soft_labels() -> None:
    x = np.array([[0.0], [1.0]])
    soft = Split.of(x, [(0.7, 0.3), (0.2, 0.8)])
    student = Estimators(LogisticRegression(C=1e6)).make({}, 0, None)
    student.fit(soft, soft)
    chances = student.estimator.predict_proba(x)[:, 1]
    np.testing.assert_allclose(chances, [0.3, 0.8], atol=1e-2)
    with pytest.raises(OptionError, match="takes no sample_weight"):
        Estimators(KNeighborsClassifier(1)).make({}, 0, None).fit(soft, soft)


def test_teachers() -> None:
    data = line(60, 1)
    student = Modules(net, 2).make({"lr": 0.01, "epochs": 5}, 3, None)
    student.fit(data, data)
    assert Trained(student)(data.points) == student.predict(data.points)
    assert Trained(student, soft=True)(data.points) == student.probabilities(data.points)
    turned = Renumbered(Trained(student), (1, 0))(data.points)
    assert turned == [1 - label for label in student.predict(data.points)]
    soft = Renumbered(Trained(student, soft=True), (1, 0))(data.points)
    assert soft == [row[::-1] for row in student.probabilities(data.points)]
    table = Table(Split.of(["a", "b"], [1, 0]))
    assert table(["b", "c", "a"]) == [0, None, 1]
    with pytest.raises(DataError, match="two labels"):
        Table(Split.of(["a", "a"], [1, 0]))


@pytest.fixture(scope="module")
def bort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BertConfig, BertModel

    from benchmarks.agora import grammar

    place = tmp_path_factory.mktemp("bort")
    config = BertConfig(
        vocab_size=len(grammar.WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=20, type_vocab_size=1, pad_token_id=1,
    )  # fmt: skip
    BertModel(config).save_pretrained(place)
    grammar.save_tokenizer(place)
    return place


def test_bort_preset(bort: Path) -> None:
    student: Any = Borts(str(bort), ("neg", "pos", "none")).make({}, 0, None)
    for dense in (student.model.bert.pooler.dense, student.model.classifier):
        assert 0.3 < dense.weight.abs().max() <= 0.5
        assert not dense.bias.any()
    plain: Any = Borts(str(bort), ("neg", "pos", "none"), preset=False).make({}, 0, None)
    assert plain.model.classifier.weight.abs().max() < 0.2
    # the second dropout acts in training alone
    first = torch.ones(1, 2, 8)
    pooler = student.model.bert.pooler
    student.model.eval()
    assert torch.equal(pooler(first), pooler(first))
    student.model.train()
    assert any(not torch.equal(pooler(first), pooler(first)) for _ in range(20))


def test_pairs_have_one_separator_and_are_cut_at_the_longer(bort: Path) -> None:
    student = Borts(str(bort), ("a", "b"), max_length=10).make({}, 0, None)
    inputs = student.inputs([("the film", "was good"), ("the " * 30, "was good"), "the film"])
    rows = [student.tokenizer.decode(row) for row in inputs["input_ids"]]
    assert rows[0].replace(" <pad>", "") == "<s> the film </s> was good </s>"
    assert rows[1] == "<s> the the the the the </s> was good </s>"
    assert rows[2].replace(" <pad>", "") == "<s> the film </s>"
    assert inputs["attention_mask"].sum(1).tolist() == [7, 10, 4]
    assert "token_type_ids" not in inputs
