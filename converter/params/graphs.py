"""The parameters and the graph that `--src` means: a file, its graph, a folder or an archive.

`Module.save_checkpoint` and `HybridBlock.export` write `PREFIX-symbol.json` and
`PREFIX-EPOCH.params`, EPOCH having four digits (apache/mxnet 1.9.1, python/mxnet/model.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.errors import ParamsError, safe
from converter.files.regular import read_regular
from converter.params.entries import Index, Member
from converter.params.source import find_params

SYMBOL = "-symbol.json"
EPOCH = re.compile(r"(.*)-[0-9]{4,}", re.ASCII | re.DOTALL)
MAX_SYMBOL = 64 << 20  # bytes
GRAPH = re.compile(rb'\s*\{\s*"nodes"\s*:\s*\[')  # how MXNet begins the file of a graph


@dataclass(frozen=True)
class Source:
    """The parameters file that `--src` names, and the file of its graph where there is one.

    `others` are graphs beside it whose names are of other parameters: to name, never to take.
    """

    params: Path
    symbol: Path | None = None
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SymbolText:
    """The bytes of a graph's file, and what the file is called."""

    name: str
    content: bytes


def find_source(
    src: str | os.PathLike[str], symbol: str | os.PathLike[str] | None = None
) -> Source:
    """The parameters file of `src`, and its graph: `symbol`, or the one beside it of its name.

    src: the parameters, a directory or an archive with one such file, or the graph itself

    Raises `ParamsError` as `find_params` does, and for a graph beside which there are no
    parameters, or several.
    """
    path = Path(src)
    if path.is_file() and is_graph(path):
        return Source(_one_params_of(path), Path(symbol) if symbol is not None else path)
    path = find_params(src)
    if symbol is not None:
        return Source(path, Path(symbol))
    there = path.parent.glob(f"*{SYMBOL}") if path.is_file() else iter(())
    beside = {found.name: found for found in sorted(there)}
    own = next((name for name in symbol_names(path.name) if name in beside), None)
    others = tuple(found for name, found in beside.items() if name != own)
    return Source(path, beside[own] if own else None, others)


def symbol_names(params: str) -> Iterator[str]:
    """What the graph of a parameters file may be called, as MXNet calls it first."""
    stem = params.removesuffix(".params")
    if epoch := EPOCH.fullmatch(stem):
        yield epoch[1] + SYMBOL
    yield stem + SYMBOL


def read_symbol_text(source: Source, index: Index) -> SymbolText | None:
    """The graph of a source, or None: the file beside it, or the one in the same archive.

    Raises `ParamsError` for a file that cannot be read, or is of more than 64 MiB.
    """
    file = source.symbol or _in_archive(index)
    if file is None:
        return None
    try:
        if isinstance(file, Path):
            return SymbolText(file.name, read_regular(file, MAX_SYMBOL))
        return SymbolText(file.name, file.read(MAX_SYMBOL))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParamsError(f"{file}: cannot be read as a graph: {reason}") from error


def _in_archive(index: Index) -> Member | None:
    """The graph in the archive that the parameters are in: of their name, or the only one."""
    folder, slash, name = (index.member or "").rpartition("/")
    there = {member.place: member for member in index.others if member.name.endswith(SYMBOL)}
    wanted = [f"{folder}{slash}{own}" for own in symbol_names(name)]
    own = [there[place] for place in wanted if place in there]
    own = own or ([*there.values()] if len(there) == 1 else [])
    return own[0] if own else None


def is_graph(path: Path) -> bool:
    """Whether a file is a graph of MXNet's, by its name and how it begins."""
    if path.suffix != ".json":
        return False
    try:
        with path.open("rb") as file:
            return path.name.endswith(SYMBOL) or GRAPH.match(file.read(256)) is not None
    except OSError:
        return False


def params_of(symbol: Path) -> list[Path]:
    """The parameters beside a graph, the last epoch last."""
    prefix = _prefix(symbol)
    names = sorted(path.name for path in symbol.parent.glob("*.params"))
    found = [name for name in names if symbol.name in symbol_names(name)]
    found = found or [name for name in names if name == f"{prefix}.params"]
    return [symbol.with_name(name) for name in found]


def _prefix(symbol: Path) -> str:
    return symbol.name.removesuffix(SYMBOL) if symbol.name.endswith(SYMBOL) else symbol.stem


def _one_params_of(symbol: Path) -> Path:
    """The parameters beside a graph. Raises `ParamsError` unless there is one file of them."""
    found = params_of(symbol)
    if len(found) == 1:
        return found[0]
    if found:
        raise ParamsError(
            f"{symbol}: is a graph, and several files beside it are its parameters: give one of "
            f"them as source: {_listed([path.name for path in found])}"
        )
    raise ParamsError(
        f"{symbol}: is a graph, and its parameters ({_prefix(symbol)}-0000.params or the like) are "
        f"not beside it: give them as source, with --symbol {symbol.name}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(safe, names))
