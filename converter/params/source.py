"""What `--src` may be beside a file: a model directory, a graph, an archive; and the graph of it.

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
from converter.params.index import Index

SAVED = "saved_model"  # where TextPredictor.save puts the model (autogluon.text 0.3.1)
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


def find_params(src: str | os.PathLike[str]) -> Path:
    """`src` itself, or the one `.params` file in the directory `src`.

    The zoo of 1.x and its scripts make such directories: `model.yml`, `vocab.json`, `*.params`
    (GluonNLP master, scripts/conversion_toolkits). AutoGluon's TextPredictor has `net.params` in
    its folder `saved_model`. Raises `ParamsError` when a directory holds no or several such files,
    naming them.
    """
    path = Path(src)
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.params")) or sorted(path.glob(f"{SAVED}/*.params"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise ParamsError(f"{path}: a directory without a .params file: name the file itself")
    names = ", ".join(entry.name for entry in found)
    raise ParamsError(
        f"{path}: a directory with several .params files: give one of them as source: {names}"
    )


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
    if source.symbol is None:
        return _in_archive(index) if index.member is not None else None
    try:
        return SymbolText(source.symbol.name, read_regular(source.symbol, MAX_SYMBOL))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParamsError(f"{source.symbol}: cannot be read as a graph: {reason}") from error


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


def _in_archive(index: Index) -> SymbolText | None:
    """The graph in the archive that the parameters are in: of their name, or the only one."""
    from converter.params.containers import members  # zipfile, tar: few need them
    from converter.params.inflate import PackedError

    folder, _, name = (index.member or "").rpartition("/")
    wanted = [f"{folder}/{own}".lstrip("/") for own in symbol_names(name)]
    try:
        with index.path.open("rb") as file:
            there = members(file, index.size, index.path)
            found = {run.name: run for run in there if run.name.endswith(SYMBOL)}
            own = [member for member in wanted if member in found]
            own = own or ([*found] if len(found) == 1 else [])
            if not own:
                return None
            run = found[own[0]]
            if run.end - run.start > MAX_SYMBOL:
                raise PackedError(f"{safe(run.name)} is too large for a graph")
            return SymbolText(run.name.rpartition("/")[2], run.head(MAX_SYMBOL))
    except (OSError, PackedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParamsError(f"{index.path}: {reason}") from error
