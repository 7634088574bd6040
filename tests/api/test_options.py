"""`Options`: typed once; the command, the functions and the record have the same ones."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import converter
from converter.cli.main import main
from converter.errors import ConvertError, OptionError
from converter.files.staging import RECORD_FILE
from converter.planning import options as said
from converter.planning.options import Options, hints
from tests import borts

FUNCTIONS: Mapping[str, tuple[Callable[..., Any], Sequence[str]]] = {
    "": (converter.convert, said.CONVERT),
    "verify": (converter.verify, said.VERIFY),
    "export": (converter.export, said.EXPORT),
    "tokenizer": (converter.add_tokenizer, said.TOKENIZER),
}
WRONG: Mapping[str, Any] = {
    "family": 3,
    "table": b"a.toml",
    "config": "num_attention_heads=8",
    "gluonnlp_version": 0.9,
    "model_config": {"MODEL": {}},
    "part": ["generator"],
    "force_config": 1,
    "head": True,
    "labels": 3,
    "license": 1,
    "backbone": "yes",
    "prefix": 1,
    "vocab": 1,
    "merges": 1,
    "sentencepiece": 1,
    "lower": "yes",
    "dtype": np.float16,
    "max_shard_size": 1.5,
    "verify": 1,
    "golden": 1,
    "jobs": "2",
    "atol": "1e-4",
    "symbol": 3,
    "way": 1,
    "inputs": "data=1,3",
    "outputs": "fc1",
    "npz": None,
    "strip_prefixes": "arg:",
    "densify": 0,
    "force": "no",
    "allow_nonfinite": 2,
    "progress": "bar",
}


def paths_of(function: Callable[..., Any]) -> int:
    return 1 if function == converter.add_tokenizer else 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_command_and_the_function_have_the_same_options(name: str) -> None:
    function, names = FUNCTIONS[name]
    command = main.commands[name] if name else main
    assert isinstance(command, click.Command)
    there = {parameter.name for parameter in command.params}
    assert {*names} - {"progress"} <= there
    parameters = inspect.signature(function).parameters
    assert [*parameters][-len(names) :] == [*names]
    for option in names:
        assert parameters[option].default == getattr(Options, option)
        assert f"\n    {option}: " in (function.__doc__ or "")


def test_every_option_is_of_some_command() -> None:
    assert {*hints()} == {name for _, names in FUNCTIONS.values() for name in names} == {*WRONG}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_another_type_is_refused_by_name(name: str, tmp_path: Path) -> None:
    for function, names in FUNCTIONS.values():
        if name in names:
            paths = [tmp_path / "a", tmp_path / "b"][: paths_of(function)]
            with pytest.raises(ConvertError, match=rf"^{name}: .* is expected, not "):
                function(*paths, **{name: WRONG[name]})
            assert not any(tmp_path.iterdir())


def test_what_is_no_option_is_refused_as_python_does(tmp_path: Path) -> None:
    for function, names in FUNCTIONS.values():
        for name in {"famliy", *hints()} - {*names}:
            with pytest.raises(TypeError, match=name):
                function(*[tmp_path] * paths_of(function), **{name: None})


@pytest.mark.parametrize("path", [3, None, b"a.params", ["a.params"]])
def test_a_path_of_another_type_is_refused(path: Any, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="src: str or PathLike is expected, not"):
        converter.convert(path, tmp_path / "out")
    with pytest.raises(ConvertError, match="dst: str or PathLike is expected, not"):
        converter.convert(borts.source("bort_decoder"), path)


@pytest.mark.parametrize("atol", [float("inf"), float("nan"), -1, np.float32(np.nan), 0.011])
def test_a_tolerance_that_proves_nothing_is_refused(atol: Any, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"atol: .* is not a number from 0 to 0.01"):
        converter.verify(borts.source("bort_decoder"), tmp_path, atol=atol)


def test_numbers_of_numpy_are_numbers() -> None:
    atol: Any = np.float32(0.0078125)
    assert Options(atol=atol).atol == 0.0078125


def test_the_record_has_what_was_said_and_no_path(tmp_path: Path) -> None:
    vocabulary = tmp_path / "my.vocab"
    assert Options().given() == {}
    assert Options(vocab=vocabulary, lower=False, force=True, progress=print).given() == {
        "vocab": "my.vocab",
        "lower": False,
    }
    config = borts.heads("bort_decoder")
    converter.convert(
        borts.source("bort_decoder"),
        tmp_path / "out",
        family="bort",
        config=config,
        dtype="float16",
        verify=False,
    )
    record = json.loads((tmp_path / "out" / RECORD_FILE).read_text())
    assert record["options"] == {
        "family": "bort",
        "config": config,
        "dtype": "float16",
        "verify": False,
    }
    assert os.fspath(tmp_path) not in json.dumps(record)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), [{"a": float("nan")}], 10**5000, {1, 2}, np.int64(4)],
    ids=range(6),
)
def test_a_value_that_json_lacks_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="config: the value of 'extra' cannot stand in config"):
        converter.convert(borts.source("bort_decoder"), tmp_path / "out", config={"extra": value})
    with pytest.raises(OptionError, match="the value of 3 cannot stand"):
        Options(config={3: 1, "a": 1})  # type: ignore[dict-item]
    assert not (tmp_path / "out").exists()
