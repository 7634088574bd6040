"""Hostile files cost seconds: the whole command under 2 GB of memory, and work counted in calls.

The deadline is generous, for a busy machine; without the bounds each of these takes gigabytes or
minutes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from converter.errors import PlanError
from converter.params import Index
from converter.planning.match import match_table
from converter.planning.plan import make_plan
from converter.report.columns import LONGEST
from converter.report.inspection import inspection_lines
from converter.tables.load import family_names, load_family, parse_table
from converter.tables.unsupported import MAX_NAME, MAX_TENSORS
from tests.faults.making import CONFIG, environment
from tests.indexes import make_index
from tests.params.files import Array, File
from tests.params.packed import tar

MEMORY = 2 * 10**9
DEADLINE = 120  # seconds
LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
from converter.cli.main import main
main(sys.argv[1:])
"""
ONE = Array((1,), bytes(4))


def named(names: Iterable[str]) -> bytes:
    """A file of these names, each with one number."""
    unique = [*dict.fromkeys(names)]
    return File([ONE] * len(unique), unique).encode()


def product(first: int, second: int, others: int) -> list[str]:
    """The names of two letters, each with one high number, among others of no family."""
    cell = "encoder.all_layers.{}.stacked_ffn.{}.ffn_1.weight"
    highest = [cell.format(first - 1, 0), cell.format(0, second - 1)]
    return [*highest, *(f"x{number}" for number in range(others))]


FULL = MAX_TENSORS - 2
SCOPED: Mapping[str, Callable[[int], str]] = {
    "layers": "bertencoder0_transformer{}_proj_weight".format,
    "encoders": "bertencoder{}_position_weight".format,
    "models": "bertmodel{}_word_embed_embedding0_weight".format,
    "classifiers": "bertclassifier{}_dense0_weight".format,
    "own prefixes": "p{}_dense0_weight".format,
    "long": lambda number: "bertencoder0_" * 70 + f"{number}_position_weight",
    "underscores": lambda number: "_" * 900 + f"{number}_weight",
    "digits": lambda number: "1_" * 480 + str(number),
    "structural": "encoder.transformer_cells.{}.proj.weight".format,
}
FILES: dict[str, Callable[[], bytes]] = {
    "2 letters, 2,000 each": lambda: named(product(2000, 2000, 2000)),
    "2 letters, as many as names": lambda: named(product(128, 128, FULL)),
    "one name of 100 KB": lambda: named(["x" * 100_000, *(f"t{n}" for n in range(20_000))]),
    "60,000 names of scopes": lambda: named(map(SCOPED["layers"], range(60_000))),
}


def limited(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, ended when it takes too much."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_names_is_listed_in_bounded_time_and_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.params"
    path.write_bytes(FILES[name]())
    done = limited("inspect", "--all", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) < 2 * LONGEST * (60_000 if "60,000" in name else 20_002)
    assert "of no family here" in done.stdout or "no model of any family" in done.stdout
    done = limited("--src", str(path), "--dst", str(tmp_path / "out"), "--no-verify")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"Error: {path}" in done.stderr
    assert not (tmp_path / "out").exists()


MODEL = ["word_embed.0.weight"]
MODEL += [f"encoder.{n}" for n in ("layer_norm.gamma", "layer_norm.beta", "position_weight")]


@pytest.mark.parametrize("each", [MODEL[:1], MODEL])
def test_as_many_models_as_names_in_one_network(each: list[str], tmp_path: Path) -> None:
    """What `--backbone` looks for in a file that no table fits."""
    path = tmp_path / "a.params"
    path.write_bytes(named(f"m{n}.{e}" for n in range(MAX_TENSORS // len(each)) for e in each))
    done = limited("--src", str(path), "--dst", str(tmp_path / "out"), "--no-verify")
    assert done.returncode == 1
    assert "is of no family here" in done.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SCOPED)
def test_as_many_names_of_scopes_as_are_looked_at(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.params"
    path.write_bytes(named(map(SCOPED[name], range(MAX_TENSORS))))
    done = limited("inspect", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "does not fit" in done.stdout or "of no family here" in done.stdout


def test_the_limit_of_memory_is_one() -> None:
    """A child that asks for more is refused it: the test above can fail."""
    code = LIMITED.replace("main(sys", f"bytes({MEMORY}); main(sys")
    done = subprocess.run(
        [sys.executable, "-c", code, "families"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert "MemoryError" in done.stderr


def test_a_file_larger_than_any_model_is_tried_on_no_table() -> None:
    shapes = {f"n{number}": (1,) for number in range(MAX_TENSORS + 1)}
    for index in (make_index(shapes), make_index({"n" * (MAX_NAME + 1): (1,)})):
        with pytest.raises(PlanError, match=r"made\.params cannot be converted:") as caught:
            make_plan(index, [*map(load_family, family_names())], {})
        (problem,) = caught.value.problems
        assert "no model of any family has more than 16,384, or a name of more" in problem
        assert "bort-convert export made.params out.safetensors" in problem
        fit = match_table(index, load_family("bort"))
        assert fit.problems == (problem,)
        assert problem in [*inspection_lines(index, [fit])]
    shapes.popitem()
    assert match_table(make_index(shapes), load_family("bort")).problems != (problem,)


VOCABULARIES: dict[str, Callable[[], dict[str, bytes]]] = {
    "8,000 of them": lambda: {f"vocab{n}.txt": b"a\n" * 70 for n in range(8000)},
    "8,000 of either kind": lambda: {f"{n}.vocab": b"a\n" * 70 for n in range(8000)},
    "8,000 too small": lambda: {f"{n}.vocab": b"a\n" for n in range(8000)},
    "a few, empty lines": lambda: {f"vocab{n}.txt": b"\n" * 1_060_000 for n in range(9)},
    "a few, deep": lambda: {f"{n}.vocab": b'{"a":' * 200_000 for n in range(9)},
    "a few, pieces": lambda: {f"{n}.model": b"\n\x02\n\x00" * 260_000 for n in range(9)},
}


@pytest.mark.parametrize("name", VOCABULARIES)
def test_what_is_named_like_a_vocabulary_costs_little(name: str, tmp_path: Path) -> None:
    """In an archive, and beside the file."""
    members = VOCABULARIES[name]()
    folder = tmp_path / "in"
    folder.mkdir()
    source = Path(__file__).parents[2] / "fixtures/zoo/0.8.3/bert_full.params"
    archive = folder / "model.tar.gz"
    archive.write_bytes(tar("w:gz", {**members, "net.params": source.read_bytes()}))
    for file, content in members.items():
        (folder / file).write_bytes(content)
    told = ("--family", "bert", "--config", "num_attention_heads=4", "--no-verify")
    done = limited("--src", str(archive), "--dst", str(tmp_path / "out"), *told)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no tokenizer: found in the archive: " in done.stdout
    assert len(done.stdout) < 6_000


def calls(index: Index, family: str) -> int:
    """How many functions of Python are called while a table is tried on a file."""
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(called)
    try:
        match_table(index, load_family(family))
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", SCOPED)
@pytest.mark.parametrize("family", ["bert", "bort", "mobilebert_1x"])
def test_matching_grows_no_faster_than_the_names(name: str, family: str) -> None:
    load_family(family)
    few, many = (
        calls(make_index({SCOPED[name](n): (1,) for n in range(count)}), family)
        for count in (500, 2000)
    )
    assert many <= 4.5 * few


@pytest.mark.parametrize("letters", [(10, 10), (400, 400), (2000, 1), (1, 2000)])
def test_names_of_two_letters_cost_no_product(letters: tuple[int, int]) -> None:
    """2,000 times 2,000 names are not looked for in a file of 2,000."""
    usual = calls(make_index(dict.fromkeys(product(2, 2, 2000), (1,))), "mobilebert_1x")
    index = make_index(dict.fromkeys(product(*letters, 2000), (1,)))
    assert calls(index, "mobilebert_1x") < 40 * usual


OWN = """
title = "mine"
reference = "bert"
layers = { i = "first", j = "second" }
[tensor]
"a.{i}" = ["t.a.{i}", "width"]
"b.{j}" = ["t.b.{j}", "width"]
[zeros]
"t.z.{i}.{j}" = { sizes = ["width"], reason = "why" }
[[target]]
class = "C"
heads = []
"""


def test_zeros_of_two_letters_cost_no_product() -> None:
    """A file of n + n tensors fits the table, and n times n tensors of zeros would be written."""
    table = parse_table(OWN, "own", "own.toml")

    def index(count: int) -> Index:
        return make_index({f"{part}.{n}": (4,) for n in range(count) for part in "ab"})

    assert len(make_plan(index(2), [table], CONFIG).steps) == 2 + 2 + 4
    with pytest.raises(PlanError) as caught:
        make_plan(index(2000), [table], CONFIG)
    (problem,) = caught.value.problems
    assert problem.startswith("t.z.{i}.{j}: its tensors of zeros would be more")


def test_a_row_of_two_letters_is_missing_as_it_stands() -> None:
    """Where its names are more than the file has, they are neither looked for nor counted."""
    row = '"c.{i}.{j}" = ["t.c.{i}.{j}", "width"]\n[zeros]'
    table = parse_table(OWN.replace("[zeros]", row), "own", "own.toml")
    names = [f"{part}.{n}" for n in range(3) for part in "ab"]
    short = match_table(make_index(dict.fromkeys([*names, "c.0.0"], (4,))), table)
    assert short.problems == ("missing: c.{i}.{j}",), "9 are more than 7"
    there = ["c.0.0", "c.0.2", "c.1.1", "c.2.0", "c.2.2"]
    near = match_table(make_index(dict.fromkeys([*names, *there], (4,))), table)
    assert near.problems == tuple(
        f"missing: {name}"
        for name in (f"c.{i}.{j}" for i in range(3) for j in range(3))
        if name not in there
    )
