"""The process beside this one: what it is asked, what it answers, and what it cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from converter.errors import ConvertError, TableError
from converter.proof.beside import Beside, Here, beside, start
from converter.proof.spool import HELD, Named, Spool
from tests.faults.making import names_in


@pytest.fixture
def other() -> Iterator[Beside]:
    process = start()
    try:
        yield process
    finally:
        process.close()


def refuse(text: str) -> None:
    raise TableError(text, ["first", "second"])


def exhaust() -> None:
    raise MemoryError


def double(number: int) -> int:
    print("what a library prints")
    return 2 * number


def leave(code: int) -> None:
    os._exit(code)


def test_answers_come_in_the_order_of_the_questions(other: Beside) -> None:
    here = Here()
    for calls in (here, other):
        for number in range(3):
            calls.ask(double, number)
        assert [calls.answer() for _ in range(3)] == [0, 2, 4]


def test_what_is_raised_there_is_raised_here(other: Beside) -> None:
    other.ask(refuse, "a table")
    other.ask(exhaust)
    other.ask(double, 4)
    with pytest.raises(TableError, match="a table") as caught:
        other.answer()
    assert (caught.value.headline, caught.value.problems) == ("a table", ("first", "second"))
    with pytest.raises(MemoryError):
        other.answer()
    assert other.answer() == 8


def total(named: Named) -> float:
    return float(sum(array.sum() for array in named.values()))


@pytest.mark.parametrize("size", [1000, HELD // 8 + 1], ids=["in memory", "in a file"])
def test_what_is_spooled_is_read_there(size: int, other: Beside, tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        named = Named(spool, "dense")
        for name in "ab":
            named[name] = np.ones(size)
        other.ask(total, named)
        assert other.answer() == 2 * size
        assert total(named) == 2 * size
    assert names_in(tmp_path) == []


def blas() -> set[int]:
    """How many threads each BLAS of this process may have."""
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_numpy_leaves_a_core_to_the_other_process(other: Beside) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert cores
    with threadpool_limits(cores + 3, "blas"):
        with Here().leaving_a_core():
            assert blas() == {cores + 3}
        with other.leaving_a_core():
            assert blas() == {max(1, cores - 1)}
        assert blas() == {cores + 3}


class OddError(Exception):
    """One that pickle cannot make again."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def be_odd() -> None:
    raise OddError("not", "again")


def test_an_error_that_cannot_be_sent_is_told_as_text(other: Beside) -> None:
    other.ask(be_odd)
    with pytest.raises(ConvertError, match="OddError: not again"):
        other.answer()


class Unreadable:
    """What the other process cannot take."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_what_cannot_be_taken_ends_the_process(other: Beside) -> None:
    """Else this one would wait for ever."""
    other.ask(double, Unreadable())
    with pytest.raises(ConvertError, match="was ended with exit code 1"):
        other.answer()


def test_a_process_that_ends_is_said(other: Beside) -> None:
    other.ask(leave, 7)
    with pytest.raises(ConvertError, match="was ended with exit code 7") as caught:
        other.answer()
    assert "--jobs 1" in str(caught.value)
    with pytest.raises(ConvertError, match="was ended with exit code 7"):
        other.answer()
    with pytest.raises(ConvertError, match="was ended with exit code 7"):
        other.ask(double, 1)


def test_where_torch_is_imported_all_is_done_here() -> None:
    """As in every test that calls the converter in its own process."""
    with beside(2) as calls:
        assert isinstance(calls, Here)
