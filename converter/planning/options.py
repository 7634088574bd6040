"""What the user says: one dataclass, whose fields make the command and the Python functions."""

from __future__ import annotations

import dataclasses
import json
import numbers
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from converter.errors import OptionError
from converter.files.progress import Progress, silent
from converter.planning.steps import DTYPES


def option(text: str, default: Any, metavar: str = "") -> Any:
    """A field of `Options` with its help, and the word for its value there."""
    return dataclasses.field(default=default, metadata={"text": text, "metavar": metavar})


PathLike = str | os.PathLike[str]
LARGEST_ATOL = 1e-2  # a proof with more shows nothing: hidden states are near 1
LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user says beside the source and the destination, with its help.

    Raises `OptionError` for a value of another type.
    """

    family: str | None = option("Use this table; see `families`.", None, "NAME")
    table: PathLike | None = option("Use a table of your own.", None, "FILE")
    config: Mapping[str, Any] | None = option(
        "A field of Transformers' config that the file does not store, such as "
        "num_attention_heads=8. "
        "Repeatable; recorded in the report.",
        None,
        "KEY=VALUE",
    )
    labels: PathLike | Sequence[str] | None = option(
        "The names of the labels, the first one first: good,bad, or a file with a name a line. "
        "Without them they are LABEL_0, LABEL_1, …",
        None,
        "A,B,…|FILE",
    )
    gluonnlp_version: str | None = option(
        "The GluonNLP that the model was trained under, such as 0.9: some versions computed with "
        "the same numbers in another way, and the file does not say which.",
        None,
        "X.Y",
    )
    model_config: PathLike | None = option(
        "The model.yml of a GluonNLP 1.x model, or AutoGluon's cfg.yml, where it is not beside the "
        "file.",
        None,
        "FILE",
    )
    head: str | None = option(
        "What the Dense on top of the model is for, where no name of GluonNLP's tells: "
        "sequence-classification, token-classification, question-answering or regression.",
        None,
        "USE",
    )
    backbone: bool = option(
        "Convert the model that is in a network of your own; what is around it is written beside "
        "it, under its own names.",
        False,
    )
    prefix: str | None = option(
        "How the names of that model begin, such as bert_encoder. where there are several.",
        None,
        "PREFIX",
    )
    symbol: PathLike | None = option(
        "The graph of the network, where it is not beside the parameters under MXNet's name: "
        "model-symbol.json for model-0000.params.",
        None,
        "FILE",
    )
    way: str | None = option(
        "How to convert a file that both fit: as table (its family's), or as graph. By default a "
        "family that fits whole is taken, else the graph.",
        None,
    )
    inputs: Sequence[str] = option(
        "The shape of an input of the graph, and its dtype where that is not float32: "
        "data=1,3,224,224 or ids=1,128:int32. Needed where it does not follow from the weights; "
        "repeatable.",
        (),
        "NAME=SHAPE",
    )
    outputs: Sequence[str] = option(
        "Cut the graph at this node, and give what it gives: an embedding before the loss, "
        "features before the detections. Repeatable.",
        (),
        "NODE",
    )
    force_config: bool = option(
        "Take --config where it contradicts the model.yml; else refused.", False
    )
    part: str | None = option(
        "The model to convert of a file that holds several: discriminator or generator of "
        "ELECTRA's pre-training.",
        None,
        "NAME",
    )
    vocab: PathLike | None = option(
        "The vocabulary: GluonNLP's .vocab or vocab.json, or a vocab.txt.", None, "FILE"
    )
    merges: PathLike | None = option(
        "The merges of a byte-level vocabulary: GluonNLP's "
        "openai_webtext_bpe_ranks-396d4d8e.json or GPT-2's merges.txt.",
        None,
        "FILE",
    )
    sentencepiece: PathLike | None = option("A SentencePiece model.", None, "FILE")
    lower: bool | None = option(
        "Whether text is lower-cased; needed only where neither a file's name (_uncased, _cased) "
        "nor the letters of the vocabulary tell.",
        None,
    )
    dtype: str = option(
        "Data type of the written weights. A cast that overflows is an error.", "keep"
    )
    max_shard_size: int | str = option(
        "Weights of more than this (bytes, or 500MB, 5GB, …) become several files and an index.",
        "5GB",
        "SIZE",
    )
    license: str | None = option(
        "What the model card says of the license, by the Hub's word, such as apache-2.0 or other; "
        "no file tells it.",
        None,
        "LICENSE",
    )
    verify: bool = option("Write without proof (and without torch).", True)
    jobs: int = option(
        "Processes. By default a second one imports PyTorch while this one writes, unless PyTorch "
        "is imported already; with 1, this one does all.",
        2,
        "N",
    )
    golden: PathLike | None = option(
        "Hidden states recorded in an old environment; see `record-golden`.", None, "FILE"
    )
    atol: float = option(
        "Largest absolute difference allowed in hidden states and logits (float32); ten times as "
        "much at a position where values reach 100, and so on.",
        1e-4,  # measured differences are near 1e-5
        "FLOAT",
    )
    npz: bool = option("Write an .npz, whatever DST is called.", False)
    strip_prefixes: Sequence[str] = option(
        "Take PREFIX off the names that begin with it, such as arg: or bort.; repeatable.",
        (),
        "PREFIX",
    )
    densify: bool = option("Write sparse tensors in full; else refused.", False)
    force: bool = option(
        "Replace DST: a directory that bort-convert wrote, or the file of an export.", False
    )
    allow_nonfinite: bool = option("Take NaN and infinite weights as they are.", False)
    progress: Progress = option("Called with (stage, done, total).", silent)

    def __post_init__(self) -> None:
        for name, hint in hints().items():
            check_type(name, getattr(self, name), hint)
        if self.dtype not in DTYPES:
            raise OptionError(f"there is no dtype {self.dtype!r}; there are: {', '.join(DTYPES)}")
        if not 0 <= self.atol <= LARGEST_ATOL:
            raise OptionError(f"atol: {self.atol} is not a number from 0 to {LARGEST_ATOL:g}")
        if self.family is not None and self.table is not None:
            raise OptionError("family and table exclude each other: give one of them")
        if self.way not in (None, *WAYS):
            raise OptionError(f"there is no way {self.way!r}; there are: {', '.join(WAYS)}")
        of_graphs = [name for name in ("inputs", "outputs") if getattr(self, name)]
        of_tables = [name for name in OF_TABLES if getattr(self, name)]
        if of_tables and (of_graphs or self.way == "graph"):
            raise OptionError(
                f"{', '.join(of_tables)}: said of a family's model, and a graph is asked for by "
                f"{', '.join(of_graphs) or 'way'}: give one of the two"
            )
        if of_graphs and self.way == "table":
            raise OptionError(f"{', '.join(of_graphs)}: said of a graph, and the way is table")
        parse_size(self.max_shard_size)
        if self.jobs < 1:
            raise OptionError(f"jobs: {self.jobs} processes do nothing; give 1 or more")
        if self.license is not None and not LICENSE.fullmatch(self.license):
            raise OptionError(
                f"license: {self.license!r} is no word of the Hub's: give one such as apache-2.0, "
                "mit or cc-by-4.0 (https://huggingface.co/docs/hub/repositories-licenses), or other"
            )
        if self.labels is not None and "id2label" in (self.config or {}):
            raise OptionError("labels and the config field id2label say the same: give one of them")
        for name, value in (self.config or {}).items():
            if not (isinstance(name, str) and _is_json(value)):
                raise OptionError(
                    f"config: the value of {name!r} cannot stand in config.json: give a text, a "
                    "finite number, true, false or null, or lists and maps of these"
                )

    def given(self) -> dict[str, Any]:
        """Those that were said, as plain data: files by their names."""
        fields = {f.name: f.default for f in dataclasses.fields(self) if f.name not in NOT_RECORDED}
        said = {n: v for n, d in fields.items() if (v := getattr(self, n)) not in (d, {}, [])}
        return {n: Path(v).name if PATHS & {*get_args(hints()[n])} else v for n, v in said.items()}


WAYS = ("table", "graph")
GRAPH = ("symbol", "way", "inputs", "outputs")
NETWORK = ("head", "backbone", "prefix")  # how a network of one's own is read
OF_TABLES = ("family", "table", *NETWORK, "part", "labels")  # what no graph has
MODEL = ("family", "table", "config", "gluonnlp_version", "model_config", *NETWORK, "part")
VOCABULARY = ("vocab", "merges", "sentencepiece", "lower")
PLAN = (*MODEL, "labels", *GRAPH, "force_config", *VOCABULARY, "dtype")
WRITING = ("max_shard_size", "license", "verify", "atol", "jobs", "force", "allow_nonfinite")
CONVERT = (*PLAN, *WRITING, "progress")
VERIFY = ("golden", *MODEL[:-1], *GRAPH, "atol", "jobs", "progress")
EXPORT = ("npz", "strip_prefixes", "densify", "verify", "force", "allow_nonfinite", "progress")
TOKENIZER = (*VOCABULARY, "gluonnlp_version", "table")
# Those that change nothing in the directory; labels stand among the fields of `config`
NOT_RECORDED = ("force", "golden", "jobs", "labels", "progress")
PATHS = {os.PathLike[str]}


def parse_size(size: int | str) -> int:
    """`"5GB"`, `"500MB"` or a number of bytes as bytes; KB, MB, GB and TB are powers of 1000.

    Raises `OptionError` for anything else, and for less than a byte.
    """
    text = str(size).strip().upper()
    unit = UNITS.get(text[-2:])
    try:
        count = int(float(text[:-2]) * unit) if unit else int(text)
    except (ValueError, OverflowError):
        count = 0
    if count < 1:
        raise OptionError(
            f"{size!r} is no size of a shard: expected a number of bytes, or 500MB, 5GB, …"
        )
    return count


@cache
def hints() -> Mapping[str, Any]:
    """The type of each option."""
    return get_type_hints(Options)


def check_type(name: str, value: Any, hint: Any) -> None:
    """Raises `OptionError` for a value that is not of the type."""
    if not _is(value, hint):
        raise OptionError(f"{name}: {_named(hint)} is expected, not {_shown(value)}")


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; numbers of NumPy are numbers, truth values are not."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is(value, one) for one in arguments)
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    return isinstance(value, origin or hint) and not (origin is Sequence and isinstance(value, str))


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # ValueError: NaN, or a number of 5,000 digits
        return False
    return True


def _named(hint: Any) -> str:
    kinds = [one for one in get_args(hint) if one is not NoneType] or [hint]
    if get_origin(hint) not in (Union, UnionType):
        kinds = [hint]
    names = (getattr(get_origin(one) or one, "__name__", str(one)) for one in kinds)
    return " or ".join(names)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) < 60 else text[:57] + '…'}"
