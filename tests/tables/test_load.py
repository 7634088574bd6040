"""Tables: the shipped ones parse; every mistake in one is a `TableError` with file and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import TableError
from converter.tables.load import (
    MAX_BYTES,
    family_names,
    layer_words,
    load_family,
    load_table,
    parse_table,
)
from converter.tables.table import Table

SMALL = """
title = "T"
reference = "bert"
prefixes = ["", "p."]
layers = { i = "depth" }
[tensor]
"a" = ["t.a", "rows", "width"]
[[layer]]
from = "l.{i}."
to = "t.l.{i}."
[layer.tensor]
"b" = ["b", "width"]
[zeros]
"t.z" = { sizes = [1, "width"], reason = "why" }
[drop]
"d" = "not wanted"
[head.h]
outer = false
tied = { "s" = "a" }
[head.h.tensor]
"h" = ["t.h", "width"]
[[target]]
class = "C"
heads = ["h"]
[config]
act = "gelu"
[required]
n = { divides = "width" }
[known]
k = { rows = 3, n = 2 }
[[known_difference]]
setting = "decoder_layer_norm_eps"
config = "act"
output = "logits"
text = "…"
"""


def changed(*changes: tuple[str, str]) -> str:
    text = SMALL
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_the_shipped_tables_parse() -> None:
    assert "bort" in family_names()
    for name in family_names():
        table = load_family(name)
        assert (table.name, table.origin) == (name, f"{name}.toml")
        assert parse_table(table.text, name, table.origin) == table, "it is checked, too"


@pytest.mark.parametrize("family", family_names())
def test_a_familys_layers_are_told_from_its_text_as_from_its_rows(family: str) -> None:
    """Every kind of layer that the text shows has rows, and every layer's row is of such a kind."""
    table = load_family(family)
    sources = [row.source for kind in (table, *table.heads) for row in kind.rows]
    rows = [{w for w in name.split(".") if "{" not in w} for name in sources if "{" in name]
    told = layer_words(family)
    assert told
    assert all(told)
    assert all(any(one <= row for row in rows) for one in told)
    assert all(any(one <= row for one in told) for row in rows)


def test_an_unknown_family_is_answered_with_those_there_are() -> None:
    with pytest.raises(TableError, match=r"no family 'brot'.*bort.*--table FILE"):
        load_family("brot")


def test_a_small_table_is_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL, "utf-8")
    table = load_table(path)
    assert (table.name, table.origin) == ("mine", str(path))
    assert [(r.operation, r.source, r.targets) for r in table.rows] == [
        ("copy", "a", ("t.a",)),
        ("copy", "l.{i}.b", ("t.l.{i}.b",)),
    ]
    assert table.heads[0].tied == {"s": "a"}
    assert table.size_names() == {"rows", "width"}
    assert table.drop == {"d": "not wanted"}


MISTAKES = {
    "not TOML": (("[zeros]", "[zeros"), "not TOML"),
    "a number too long": (('title = "T"', f"title = {'9' * 5000}"), "not TOML"),
    "nested too deep": (('title = "T"', f"title = {'[' * 9999}"), "not TOML"),
    "unknown key": (('title = "T"', 'title = "T"\ntitel = 1'), "unknown key 'titel'"),
    "unknown key of a head": (("outer = false", "inner = 1"), "head 1: unknown key 'inner'"),
    "unknown key of a target": (('class = "C"', 'class = "C"\nx = 1'), "target 1: .*'x'"),
    "unknown operation": (("\n[tensor]", "\n[tnesor]"), "unknown key 'tnesor'"),
    "no title": (('title = "T"', ""), "'title' is missing"),
    "title of a wrong type": (('"T"', "1"), "title: wrong type: 1"),
    "outer of a wrong type": (("outer = false", "outer = 0"), "head 1: outer: wrong type: 0"),
    "row of a wrong type": (('["t.a", "rows", "width"]', "7"), "tensor: a: a row is .*, not 7"),
    "size of a wrong type": (
        ('"rows", "width"]', 'true, "width"]'),
        "tensor: a: a size has the wrong type: True",
    ),
    "limit of a wrong type": (('"act"', "true"), "known_difference 1: config: wrong type: True"),
    "target is no list": (("[[target]]", "[target]"), "target: class: wrong type: 'C'"),
    "no class": (('class = "C"\n', ""), "target 1: the key 'class' is missing"),
    "repeated target": (
        ('"width"]\n[[l', '"width"]\n"c" = ["t.a", "rows", "width"]\n[[l'),
        "'t.a' is a duplicate",
    ),
    "row and zeros": (('"t.z" =', '"t.a" ='), "target 't.a' is a duplicate"),
    "row and drop": (('"d" =', '"a" ='), "source 'a' is a duplicate"),
    "repeated prefix": (('["", "p."]', '["p.", "p."]'), r"prefix 'p\.' is a duplicate"),
    "no prefix at all": (('["", "p."]', "[]"), "prefixes is empty"),
    "brace in a prefix": (('["", "p."]', '["{i}."]'), "prefix '{i}.' has a brace"),
    "sizes missing": (('["t.h", "width"]', '["t.h"]'), "'h': 0 sizes are not those of its"),
    "sizes of zeros missing": (('sizes = [1, "width"], ', ""), "zeros: t.z: .*'sizes' is missing"),
    "sizes of a norm": (
        ("[tensor]", "[norm]"),
        r"\[norm\] 'a': 2 sizes are not those of",
    ),
    "other sizes": (
        ('["t.h", "width"]', '["t.h", "width"]\n"g" = ["t.h", "rows"]'),
        r"'t.h' has the sizes \('width',\) and elsewhere \('rows',\)",
    ),
    "size below 1": (("[1,", "[-1,"), "'t.z': a size is at least 1"),
    "number before": (('["t.h", "w', '[2, "t.h", "w'), "'h': 2 comes before its target"),
    "layers differ": (('from = "l.{i}."', 'from = "l."'), "count different layers"),
    "include of none": (
        ('reference = "bert"', 'include = ["x"]'),
        "include: no 'x'; there are: au",
    ),
    "dropout of nothing": (("outer = false", 'dropout = "p"'), r"\[head.h\] dropout: no number"),
    "unknown letter": (('"d" =', '"d.{j}" ='), "does not say what {j} counts"),
    "two letters": (('"d" =', '"d.{i}.{i}" ='), "has each {letter} once"),
    "stray brace": (('"d" =', '"d.}" ='), "has each {letter} once"),
    "layer letter unused": (('i = "depth" }', 'i = "depth", j = "x" }'), r"\[layers\] j: no row"),
    "tied to nothing": (('"s" = "a"', '"s" = "b"'), "'s': there is no row for 'b'"),
    "tied and a row": (('"s" = "a"', '"h" = "a"'), "'h' has a row"),
    "tied counts layers": (('"s" = "a"', '"s.{i}" = "a"'), "'s.{i}' has a row, or counts layers"),
    "head that no table has": (('["h"]', '["h", "g"]'), "C: there is no head 'g'"),
    "head of nothing": (
        ('tied = { "s" = "a" }\n[head.h.tensor]\n"h" = ["t.h", "width"]\n', ""),
        r"\[head.h\] has no rows",
    ),
    "two targets of the same heads": (
        ("[config]", '[[target]]\nclass = "D"\nheads = ["h"]\n[config]'),
        r"set of heads of \[\[target\]\] \['h'\] is a duplicate",
    ),
    "no target": (('[[target]]\nclass = "C"\nheads = ["h"]\n', ""), "'target' is missing"),
    "no target in it": (('[[target]]\nclass = "C"\nheads = ["h"]\n', "[target]\n"), "no .*target"),
    "no reference": (('reference = "bert"\n', ""), "'reference' is missing"),
    "output of none": (
        ('output = "logits"', 'output = "x"'),
        "no output 'x'; there are: query_stream, pooled",
    ),
    "difference nothing tells": (
        ('config = "act"', 'config = "m"'),
        r"\[\[known_difference\]\] decoder_layer_norm_eps: 'm' is not defined",
    ),
    "known alike": (
        ("[[known_difference]]", "j = { rows = 3, depth = 1 }\n[[known_difference]]"),
        "'k' and 'j' can have the same sizes",
    ),
    "known by nothing": (("rows = 3, ", ""), "'k' states no size"),
    "a number that is none": (
        ('act = "gelu"', "act = nan"),
        "config: act: nan is no finite number",
    ),
    "a size that is none": (('act = "gelu"', 'rows = "3"'), r"\[config\] rows = '3' is no size"),
}


@pytest.mark.parametrize(("change", "reason"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_file_and_key(change: tuple[str, str], reason: str) -> None:
    with pytest.raises(TableError, match=rf"(?s)^my\.toml: .*{reason}"):
        parse_table(changed(change), "my", "my.toml")


def test_targets_that_are_equal_once_stripped_are_refused() -> None:
    text = changed(('"t.h"', '"a"'), ('heads = ["h"]', 'heads = ["h"]\nstrip = "t."'))
    with pytest.raises(TableError, match="for C: target 'a' is a duplicate"):
        parse_table(text, "my", "my.toml")


def test_contradictions_are_told_all_at_once() -> None:
    text = changed(('"s" = "a"', '"s" = "b"'), ('config = "act"', 'config = "m"'))
    with pytest.raises(TableError) as caught:
        parse_table(text, "my", "my.toml")
    assert str(caught.value).count("\n  - ") == 2


def test_thousands_of_contradictions_are_counted() -> None:
    letters = "".join(f"{{x{number}}}" for number in range(2000))
    with pytest.raises(TableError, match=r"\n  - … and [0-9,]+ more$") as caught:
        parse_table(changed(('"b" = ["b"', f'"b{letters}" = ["b"')), "my", "my.toml")
    assert len(str(caught.value)) < 2**20


TOKENIZER = """
[tokenizer]
kinds = ["wordpiece"]
single = "cls A sep"
pair = "cls A sep B:1 sep:1"
special = { cls = "[CLS]" }
length = "rows"
"""


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (('"wordpiece"', '"words"'), "there is no kind 'words'; there are: wordpiece, byte-level"),
        (('["wordpiece"]', "[]"), "kinds is empty"),
        (("cls = ", "class = "), "there is no role 'class'; there are: pad, bos"),
        (('cls A sep"', 'cls sep"'), "single: A, each once"),
        (("B:1", "A"), "pair: A and B, each once"),
        (("B:1", "B:x"), "pair: A and B, each once, among roles like cls:0"),
        (('A sep"', 'A sap"'), "single: A, each once"),
        (('"rows"', '"n_rows"'), "length: 'n_rows' is not defined"),
        (('"rows"', '"rows"\npadding_side = "top"'), "padding_side 'top' is neither"),
        (('"rows"', '"rows"\ncolour = 1'), "unknown key 'colour'"),
        (('"rows"', '"rows"\nlower = "no"'), "tokenizer: lower: wrong type: 'no'"),
        (('"rows"', '"rows"\nlowered = { a = 1 }'), "tokenizer: lowered: a: wrong type: 1"),
        (('"rows"', '"rows"\ndecoder_start = "start"'), "there is no role 'start'"),
        (('"rows"', '"rows"\nspare = -1'), "spare is below 0"),
        (('"rows"', '"rows"\nextra_ids = -1'), "extra_ids is below 0"),
    ],
)
def test_what_is_wrong_with_a_tokenizer_is_told(pair: tuple[str, str], reason: str) -> None:
    found = parse_table(SMALL + TOKENIZER, "my", "my.toml").tokenizer
    assert found is not None
    assert (found.token_types, found.lower, found.special) == (True, None, {"cls": "[CLS]"})
    assert pair[0] in TOKENIZER
    with pytest.raises(TableError) as caught:
        parse_table(SMALL + TOKENIZER.replace(*pair, 1), "my", "my.toml")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "utf-8"),
        (b"#" * (MAX_BYTES + 1), "more than 32,768 bytes"),
        (b"", "title"),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(content)
    with pytest.raises(TableError, match=rf"{path}: .*{reason}"):
        load_table(path)


@pytest.mark.parametrize(
    ("name", "reason"), [(".", "a directory"), ("no.toml", "No such file"), ("a\0b", "null")]
)
def test_a_path_that_is_no_file_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=reason):
        load_table(tmp_path / name)


BORT = load_family("bort").text
PIECES = sorted(
    {*re.findall(r"\S+", BORT), "{", "}", "\n", "[", "true", "nan", "-1", '""', "[[x]]"}
)


def parsed(text: str) -> None:
    """A table, or a refusal that names the origin; anything else is a failure."""
    try:
        made: Table | str = parse_table(text, "my", "my.toml")
    except TableError as refusal:
        made = str(refusal)
    assert isinstance(made, Table) or made.startswith("my.toml: ")


@given(text=st.text())
def test_any_text_is_a_table_or_refused(text: str) -> None:
    parsed(text)


@given(
    start=st.integers(0, len(BORT)),
    length=st.integers(0, 60),
    pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=3),
)
def test_any_damage_to_a_table_is_taken_or_refused(
    start: int, length: int, pieces: list[str]
) -> None:
    parsed(BORT[:start] + " ".join(pieces) + BORT[start + length :])


@pytest.mark.parametrize("line", range(len(BORT.splitlines())))
def test_a_table_without_one_of_its_lines_is_taken_or_refused(line: int) -> None:
    lines = BORT.splitlines()
    parsed("\n".join(lines[:line] + lines[line + 1 :]))
