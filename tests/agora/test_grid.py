import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.errors import OptionError
from agora.grid import RULES, Prune, grid, lcs, shown, to_drop, worst
from benchmarks.agora.ways import half, run

A, B, C, D = grid(lr=[1, 2], wd=[3, 4])  # A=(1,3) B=(1,4) C=(2,3) D=(2,4)


def test_grid_goes_through_the_last_axis_fastest() -> None:
    assert B == (("lr", 1), ("wd", 4))
    assert shown(C) == "lr=2 wd=3"
    assert len(grid(lr=[1, 2], wd=range(3), seed=range(5))) == 30


def test_worst_drops_one() -> None:
    assert list(worst([C, A, B])) == [C]


def test_run_ends_where_nothing_is_common() -> None:
    assert list(run([A, B, D])) == [A, B]  # lr=1, then nothing common to all three
    assert list(run([A, D, B])) == [A]
    assert list(run([A, B])) == [A, B]


def test_run_needs_one_thing_common_to_all_dropped() -> None:
    assert list(run([A, B, D, C])) == [A, B]  # B and D share wd=4, A does not


def test_lcs_drops_all_with_the_longest_common_assignment() -> None:
    first, *_ = thetas = grid(a=[1, 2], b=[1, 2], c=[1, 2])  # the worst is (1, 1, 1)
    dropped = lcs(thetas)
    assert dropped[0] == first
    assert all({("a", 1), ("b", 1)} <= set(theta) for theta in dropped)
    assert len(dropped) == 2


def test_lcs_drops_one_where_nothing_is_shared() -> None:
    assert lcs([A, D]) == [A]
    assert lcs([A]) == [A]


def test_same_value_under_another_name_is_not_common() -> None:
    x, y = (("a", 1), ("b", 2)), (("a", 2), ("b", 1))
    assert lcs([x, y]) == [x]
    assert list(run([x, y])) == [x]


def test_half() -> None:
    assert list(half([A, B, C])) == [A]
    assert list(half([A, B, C, D])) == [A, B]


def test_incumbent_is_dropped_last() -> None:
    assert to_drop(worst, [A, B], A) == [B]
    assert to_drop(worst, [A], A) == [A]
    assert A not in to_drop(run, [A, B], A)
    assert to_drop(worst, [A, B], None) == [A]


@pytest.mark.parametrize("rule", [lambda thetas: [], lambda thetas: [(("x", 1),)]])
def test_rule_that_means_nothing(rule: Prune) -> None:
    with pytest.raises(OptionError):
        to_drop(rule, [A, B], None)


@given(
    st.sampled_from([*RULES.values(), run, half]),
    st.permutations(grid(a=[1, 2, 3], b=[1, 2], c=[1, 2])),
    st.integers(1, 12),
    st.booleans(),
)
def test_every_rule_drops_some_of_what_is_there(
    rule: Prune, order: list[tuple[tuple[str, int], ...]], count: int, guard: bool
) -> None:
    thetas = order[:count]
    dropped = to_drop(rule, thetas, thetas[-1] if guard else None)
    assert 1 <= len(set(dropped)) == len(dropped) <= count
    assert set(dropped) <= set(thetas)
    if guard and count > 1:
        assert thetas[-1] not in dropped
