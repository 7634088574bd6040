"""Rewrite the parts of README.md and docs/ that the program itself can tell; `--check` compares.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from click.testing import CliRunner

from benchmarks.bort import bort_speed
from converter.cli.main import main as command
from converter.params.entries import BFLOAT16, DTYPES
from converter.planning.options import CONVERT, NOT_RECORDED, Options, hints
from converter.report.table_text import table_lines
from converter.tables.load import family_names, load_family
from converter.tables.table import Target
from tools.graph_controls import graph_controls
from tools.graph_table import graph_models, graph_peers
from tools.table_format import table_format

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCHEMA = ROOT / "converter" / "report" / "conversion.schema.json"
FIGURES = ROOT / "fixtures" / "figures.json"
FORMATS = ROOT / "fixtures" / "formats"
# Columns of the table of formats; no MXNet writes sparse arrays in another version
COLUMNS = [("V0", "dense"), ("V1", "dense")]
COLUMNS += [("V2", "dense"), ("V2", "row_sparse"), ("V2", "csr"), ("V3", "dense")]
END = "<!-- end -->"


def fenced(text: str) -> str:
    """A block of code."""
    return f"```text\n{text.rstrip()}\n```"


def help_text() -> str:
    """`--help` of the command and of each of its subcommands."""
    parts = []
    for name in ("", *sorted(command.commands)):
        arguments = [name, "--help"] if name else ["--help"]
        shown = CliRunner().invoke(
            command, arguments, prog_name="bort-convert", terminal_width=92, max_content_width=92
        )
        parts.append(f"$ bort-convert {' '.join(arguments)}\n{shown.output}")
    return fenced("\n".join(parts))


def families() -> str:
    """A row for each class that each family becomes, and how far its fixtures are from MXNet."""
    figures = json.loads(FIGURES.read_text("utf-8")).values()
    rows = [
        "| family | heads in the file | becomes | exported beside it | GluonNLP | difference |",
        "|---|---|---|---|---|---|",
    ]
    for name in family_names():
        together: dict[tuple[str, bool], list[Target]] = {}
        for target in load_family(name).targets:
            arguments = ", ".join(f"{k}={v}" for k, v in target.init.items())
            becomes = target.transformers_class + (f" ({arguments})" if arguments else "")
            together.setdefault((becomes, bool(target.export)), []).append(target)
        for (becomes, exports), targets in together.items():
            heads = " or ".join(dict.fromkeys(_heads(target.heads) for target in targets))
            beside = " or ".join(_heads(target.export) for target in targets) if exports else ""
            found = [f for f in figures if f["family"] == name and _is_of(f, targets)]
            versions = sorted({f["gluonnlp"] for f in found}, key=_numbers)
            worst = f"{max(f['difference'] for f in found):.1e}" if found else "–"
            cells = (f"`{name}`", heads, becomes, beside, ", ".join(versions) or "–", worst)
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _heads(heads: frozenset[str]) -> str:
    return " + ".join(f"`{head}`" for head in sorted(heads)) or "none"


def _is_of(figure: Any, targets: Sequence[Target]) -> bool:
    return any({*figure["heads"]} == target.heads | target.export for target in targets)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())  # "1.x"


def bort_table() -> str:
    """Bort's table as two columns; the others are printed by `bort-convert families NAME`."""
    return fenced("\n".join(table_lines(load_family("bort"))))


def formats() -> str:
    """A row for each dtype: which MXNets' own files prove that each version and storage is read."""
    proofs = oracles()
    rows = [
        "| dtype | " + " | ".join(f"{v} {storage}" for v, storage in COLUMNS) + " | npz, npy |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for dtype in (dtype.name for dtype in DTYPES):
        cells = []
        for version, storage in COLUMNS:
            written_by = proofs.get((version, storage, dtype), [])
            own = ["own"] if storage == "dense" else []
            cells.append(", ".join([*written_by, *own]) or "–")
        # NumPy has no bfloat16: MXNet 2 wraps it in a structure, and so does the test.
        cells.append("own" if dtype == BFLOAT16.name else "NumPy")
        rows.append(f"| {dtype} | {' | '.join(cells)} |")
    return "\n".join(rows)


def oracles() -> dict[tuple[str, str, str], list[str]]:
    """The MXNets that wrote each (version, storage, dtype); the tests read every one of them."""
    proofs: dict[tuple[str, str, str], list[str]] = {("V0", "dense", "float32"): ["oldest"]}
    for stated in json.loads((FORMATS / "manifest.json").read_text("utf-8")).values():
        cells = {
            (stated["version"], tensor["storage"], (tensor.get("dense") or tensor)["dtype"])
            for tensor in stated["tensors"]
            if tensor["storage"] != "none"
        }
        for cell in cells:
            written_by = proofs.setdefault(cell, [])
            written_by += [m for m in [stated["mxnet"]] if m not in written_by]
    return proofs


def benchmark() -> str:
    """The figures that a user cares about, as `make bench` wrote them."""
    page = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    return page.split("## In short\n\n")[1].split("\n\n##")[0]


def worst() -> str:
    """The largest difference over all fixtures that real GluonNLP wrote and computed."""
    figures = json.loads(FIGURES.read_text("utf-8")).values()
    largest = max(figures, key=lambda figure: figure["difference"])
    families = len({figure["family"] for figure in figures})
    return (
        f"Over {len(figures)} models of {families} families that GluonNLP itself wrote and ran, "
        "the largest difference of\nany hidden state or output is "
        f"{largest['difference']:.1e} (`{largest['family']}`)."
    )


PARTS: dict[str, Callable[[], str]] = {
    "benchmark": benchmark,
    "worst": worst,
    "help": help_text,
    "families": families,
    "formats": formats,
    "table": bort_table,
    "format": table_format,
    "graph models": graph_models,
    "graph controls": graph_controls,
    "graph peers": graph_peers,
    "bort speed": bort_speed,
}


def schema(text: str) -> str:
    """The schema of conversion.json, with the options of a conversion as they are now."""
    whole = json.loads(text)
    fields = {field.name: field for field in dataclasses.fields(Options)}
    names = [name for name in CONVERT if name not in NOT_RECORDED]
    kinds = {name: sorted(_json_types(hints()[name])) for name in names}
    whole["properties"]["options"] = {
        "description": "What the user said; files by their names.",
        "type": "object",
        "properties": {
            name: {"description": fields[name].metadata["text"], "type": kinds[name]}
            for name in names
        },
        "additionalProperties": False,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


KINDS: Mapping[Any, str] = {Mapping: "object", Sequence: "array"}


def _json_types(hint: Any) -> set[str]:
    plain = {str: "string", int: "integer", float: "number", bool: "boolean"}
    if get_origin(hint) in (Union, UnionType):
        return {t for one in get_args(hint) if one is not NoneType for t in _json_types(one)}
    return {plain.get(hint) or KINDS.get(get_origin(hint), "string")}


def generated(text: str) -> str:
    """A page with every part made anew."""
    for name, make in PARTS.items():
        begin = f"<!-- generated: {name} -->"
        if begin not in text:
            continue
        before, rest = text.split(begin)
        _, after = rest.split(END, 1)
        text = f"{before}{begin}\n{make()}\n{END}{after}"
    return text


if __name__ == "__main__":
    for page in (*PAGES, SCHEMA):
        now = page.read_text("utf-8")
        new = schema(now) if page == SCHEMA else generated(now)
        if "--check" not in sys.argv:
            page.write_text(new, "utf-8", newline="\n")
        elif new != now:
            sys.exit(f"{page.name}: generated parts are out of date: run `make generate`")
