"""What did happen: the report, and its record (`conversion.json`), written and read here alone.

`conversion.schema.json` beside this module is the JSON Schema of the record.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from converter.errors import ConvertError
from converter.files.regular import check_regular, read_regular
from converter.files.staging import RECORD_FILE
from converter.params import Index, TensorEntry
from converter.params.nonfinite import Nonfinite
from converter.planning.base import MODULE_FILE, Plan
from converter.planning.model_yml import recorded_model_config
from converter.planning.plan import TablePlan
from converter.proof.proof import GraphProof, Proof, TableProof, Unchanged
from converter.report.plan_json import nonfinite_json, plan_json
from converter.tokenizer import tokenizer_json
from converter.tokenizer.write import FILES
from converter.version import VERSION
from converter.writing.model import write_json
from converter.writing.shards import INDEX

if TYPE_CHECKING:
    from converter.planning.graph import GraphPlan
    from converter.proof.copies import Copies
    from converter.proof.tokens import Tokens
    from converter.tokenizer import TokenizerSpec

MAX_BYTES = 2**25  # of conversion.json: 400 bytes for each of 16,384 tensors, five times
SCHEMA = 1  # of conversion.json: a field that changes its meaning makes it another
TOOL = "bort-convert"
BESIDE = ("config.json", MODULE_FILE)  # what a plan has to stand beside the weights
PROVEN_BY = {
    "table": ("safetensors", "tokenizers", "torch", "transformers"),
    "graph": ("safetensors", "torch"),
}


@dataclass(frozen=True, repr=False)
class Report:
    """A conversion or a verification: the plan that was carried out and its proof.

    `plan` and `proof` are a table's or a graph's, as the file goes: see the classes below. `proof`
    is None after `--no-verify`; then nothing is promised. `nonfinite`: the source tensors with NaN
    or infinity (allowed by `--allow-nonfinite`), and how many. `files`: the names of the files that
    hold the weights; more than one are shards. `options`: what the user said.
    """

    plan: Any
    proof: Any
    nonfinite: Mapping[str, Nonfinite] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        from converter.report.terminal import brief, summary  # here: most runs show no repr

        return brief(summary(self))

    @property
    def passed(self) -> bool:
        """Whether the proof was made and holds."""
        return self.proof is not None and bool(self.proof.passed)

    def to_json(self) -> dict[str, Any]:
        """Plain data, the same for the same input and versions: no date, no path."""
        plan, told = self.plan, plan_json(self.plan)
        return {
            "schema": SCHEMA,
            "tool": _tool(*PROVEN_BY[told["way"]]) if self.proof else _tool(),
            "source": {
                "file": plan.index.path.name,
                "bytes": plan.index.size,
                "sha256": self.proof.bits.source_sha256 if self.proof else None,
                "format_versions": plan.index.versions,
            },
            "options": self.options,
            **told,
            "files": self.files,
            "nonfinite": nonfinite_json(self.nonfinite),
            "verified": self.passed,
            "proof": _plain(dataclasses.asdict(self.proof)) if self.proof else None,
        }


@dataclass(frozen=True, repr=False)
class TableReport(Report):
    """Of a family's model."""

    plan: TablePlan
    proof: TableProof | None


@dataclass(frozen=True, repr=False)
class GraphReport(Report):
    """Of the module of a graph."""

    plan: GraphPlan
    proof: GraphProof | None


def report_of(plan: Plan, proof: Proof | None, *rest: Any) -> Report:
    """The report of a plan, by the way it goes; `rest` are the other fields of `Report`."""
    kind: Any = TableReport if isinstance(plan, TablePlan) else GraphReport
    return cast(Report, kind(plan, proof, *rest))


@dataclass(frozen=True, repr=False)
class ExportReport:
    """An export: `names` maps each name in the target to its source tensor.

    `target`: `safetensors` or `npz`. `nonfinite`: the source tensors with NaN or infinity.
    `copies` is None after `--no-verify`; then nothing is promised. `unmet`: prefixes to strip that
    no name has.
    """

    index: Index
    target: str
    names: Mapping[str, TensorEntry]
    nonfinite: Mapping[str, Nonfinite]
    copies: Copies | None
    unmet: tuple[str, ...] = ()

    def __repr__(self) -> str:
        from converter.report.terminal import brief, export_summary

        return brief(export_summary(self))

    @property
    def passed(self) -> bool:
        """Whether every tensor was read back and is the source's."""
        return self.copies is not None and self.copies.passed

    @property
    def left_out(self) -> list[str]:
        """The source's names that hold no array."""
        return [name for name, e in self.index.tensors.items() if e.storage == "none"]

    def to_json(self) -> dict[str, Any]:
        """Plain data, the same for the same input and versions: no date, no path."""
        return {
            "tool": _tool("safetensors") if self.copies else _tool(),
            "source": {
                "file": self.index.path.name,
                "bytes": self.index.size,
                "format_versions": self.index.versions,
            },
            "target": self.target,
            "tensors": [
                {
                    "source": entry.name,
                    "target": name,
                    "dtype": entry.dtype.name,
                    "shape": entry.shape,
                }
                for name, entry in self.names.items()
            ],
            "left_out": self.left_out,
            "nonfinite": nonfinite_json(self.nonfinite),
            "verified": self.passed,
            "proof": dataclasses.asdict(self.copies) if self.copies else None,
        }


def _plain(value: Any) -> Any:
    """The value without NaN and infinity, which JSON lacks: they become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def add_json(spec: TokenizerSpec, tokens: Tokens) -> dict[str, Any]:
    """What `tokenizer --json` prints."""
    return {"tokenizer": tokenizer_json(spec), "proof": dataclasses.asdict(tokens)}


def _tool(*proven_by: str) -> dict[str, Any]:
    """The program, and the versions of the libraries that the proof relies on."""
    versions = {"numpy": np.__version__}
    if proven_by:
        from importlib.metadata import version  # slow to import, and the libraries did so already

        versions |= {name: version(name) for name in proven_by}
    return {
        "name": TOOL,
        "version": VERSION,
        "python": platform.python_version(),
        **versions,
        "platform": f"{sys.platform} {platform.machine()}",
    }


def write_record(directory: Path, record: Mapping[str, Any]) -> None:
    """Write `conversion.json`, with digests of itself and of what stands beside the weights.

    `verify` sees by them what was changed later, were it in config.json and in the record alike.
    They show slips. Who changes the digests too is seen by the other questions, or not at all.
    """
    content = json.loads(json.dumps(record, allow_nan=False))
    content["sha256"] = _digests(directory)
    content["digest"] = _digest(content)
    write_json(directory / RECORD_FILE, content)


def check_record(directory: Path, *, config: bool = True) -> Unchanged | None:
    """What is not as `write_record` left it; None for a record without digests.

    config: config.json too, which the names compare field by field with what the record says, and
    so with the plan where the record itself is as it was
    """
    record = json.loads((directory / RECORD_FILE).read_text("utf-8"))
    digests = record.get("sha256")
    if not isinstance(digests, dict):
        return None
    problems = []
    if record.get("digest") != _digest(record):
        problems.append(f"{RECORD_FILE} was changed after it was written")
    there = _digests(directory)
    own = set() if record.get("tokenizer") else {*FILES}  # where there was none, the user's own
    own |= set() if config or problems else {"config.json"}
    for name in sorted({*digests, *there} - own):
        if name not in there:
            problems.append(f"{name} is not there any more")
        elif digests.get(name) != there[name]:
            problems.append(f"{name} was changed after it was written")
    return Unchanged(len(digests), tuple(problems))


def _digest(record: Mapping[str, Any]) -> str:
    content = {key: value for key, value in record.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digests(directory: Path) -> dict[str, str]:
    """Of what this program writes beside the weights (which the bits show), card and record."""
    found = {}
    for name in (*BESIDE, INDEX, *FILES):
        path = directory / name
        if path.is_file():
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


# What is read of a record again, by the way that the conversion went
KINDS: Mapping[str, Mapping[str, Any]] = {
    "table": {
        "family": str,
        "config_overrides": dict,
        "config": dict,
        "dtype": str,
        "gluonnlp_version": str | None,
        "model_config": dict | None,
        "part": str | None,
        "tokenizer": dict | None,
    },
    "graph": {"dtype": str, "options": dict, "symbol": dict},
}


def read_record(directory: Path) -> dict[str, Any]:
    """The whole record; what `verify` and `tokenizer` need of it is there and of its type.

    Raises `ConvertError` for a directory that convert did not write.
    """
    path = directory
    try:
        for path in directory.iterdir():  # what the proof opens, and a tokenizer is put beside
            if path.exists():
                check_regular(path)
        path = directory / RECORD_FILE
        record = json.loads(read_regular(path, MAX_BYTES).decode("utf-8"))
        json.dumps(record, allow_nan=False)  # what is read here may be written into JSON again
        if record.get("schema", SCHEMA) != SCHEMA:  # none: written before there were numbers
            raise ValueError(f"it is of schema {record['schema']}, and this is schema {SCHEMA}")
        record.setdefault("way", "table")  # none: written before there were two
        kinds = KINDS[record["way"]]
        if not all(isinstance(record[key], kind) for key, kind in kinds.items()):
            raise ValueError("its fields are not what convert writes")
        if record.get("model_config") is not None:
            record["model_config"] = recorded_model_config(record["model_config"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConvertError(
            f"{path}: cannot be used ({error}): a directory that bort-convert wrote is needed"
        ) from error
    return {**record}
