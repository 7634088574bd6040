"""Rows of all layers as one: each stands for its rows, for all of them and for no other."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from converter.report.columns import LONGEST, columns, merged


def expanded(name: str) -> list[str]:
    """The names that a merged one stands for."""
    pieces = re.split(r"\{(\d+)…(\d+)\}", name)
    ranges = [*zip(map(int, pieces[1::3]), map(int, pieces[2::3]), strict=True)]
    names = []
    for numbers in itertools.product(*(range(first, last + 1) for first, last in ranges)):
        texts = itertools.zip_longest(pieces[::3], map(str, numbers), fillvalue="")
        names.append("".join(itertools.chain(*texts)))
    return names


def test_layers_are_one_row_and_what_stands_alone_stays() -> None:
    rows = [("embed", "e"), *((f"layer.{n}.{part}", "a") for n in range(12) for part in "wb")]
    rows += [("head.0", "h"), ("head.2", "h")]
    assert [row for row, _ in merged(rows)] == [
        ("embed", "e"),
        ("layer.{0…11}.w", "a"),
        ("layer.{0…11}.b", "a"),
        ("head.0", "h"),
        ("head.2", "h"),
    ]


def test_one_long_name_does_not_make_every_row_as_long() -> None:
    long = "begin" + "x" * 100_000 + "end"
    *short, last = columns([("a", "b")] * 3 + [(long, "b")])
    assert len(last) == LONGEST + len("…  b")
    assert last.startswith("beginxx")
    assert last.endswith("xxend  b")
    assert {*short} == {"a".ljust(LONGEST + 1) + "  b"}
    whole = "x" * LONGEST
    assert [*columns([(whole, "b")])] == [f"{whole}  b"], "nothing is cut that need not be"


def test_cells_are_escaped_before_they_are_aligned() -> None:
    assert [*columns([("a\x1b[2J\n", "b"), ("c", "d")])] == [r"a\x1b[2J\n  b", "c           d"]


def test_numbers_of_both_sides_go_up_together() -> None:
    rows = [(f"cell.{n}", "copy", f"layer.{n + 1}") for n in range(3)]
    assert [row for row, _ in merged(rows, (0, 2))] == [("cell.{0…2}", "copy", "layer.{1…3}")]


def test_two_numbers_make_a_product_or_stay_apart() -> None:
    rows = [(f"l.{i}.f.{j}",) for i in range(2) for j in range(3)]
    assert [row for row, _ in merged(rows)] == [("l.{0…1}.f.{0…2}",)]
    assert [row for row, _ in merged(rows[:-1])] == rows[:-1]


def test_layers_that_change_places_are_seen() -> None:
    rows = [("cell.0", "layer.1"), ("cell.1", "layer.0")]
    assert [row for row, _ in merged(rows, (0, 1))] == rows


def test_a_layer_of_another_shape_is_seen() -> None:
    rows = [("layer.0", "4×4"), ("layer.1", "4×5"), ("layer.2", "4×4")]
    assert [row for row, _ in merged(rows)] == [rows[0], rows[2], rows[1]]


NAMES = st.from_regex(r"[ab]\.[0-3](\.[0-2])?(\.w)?", fullmatch=True)


@given(st.lists(st.tuples(NAMES, st.sampled_from("xy")), unique=True))
def test_a_row_stands_for_its_rows_and_for_no_other(rows: list[tuple[str, ...]]) -> None:
    found = merged(rows)
    assert sorted(row for _, of in found for row in of) == sorted(rows)
    for (name, cell), of in found:
        assert sorted(expanded(name)) == sorted(row[0] for row in of)
        assert {cell} == {row[1] for row in of}


def test_columns_are_aligned_and_end_with_no_blank() -> None:
    assert [*columns([("a", "bb", ""), ("aaa", "b", "c")])] == ["a    bb", "aaa  b   c"]
