"""Any parameters file → safetensors or `.npz`, under its own names: no family is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from converter.errors import ConvertError, ParityError, PlanError
from converter.files.staging import staging
from converter.params import Index, TensorEntry, Weights, check_unchanged, read_index, state_of
from converter.params.nonfinite import Tally, refuse_nonfinite
from converter.report.record import ExportReport
from converter.writing.safetensors import CODES, Pieces, Progress, Tensor, silent, write_safetensors

PathLike = str | os.PathLike[str]
LONGEST = 65_531  # bytes of a name: a ZIP counts them in 16 bits, `.npy` included


def export(
    src: PathLike,
    dst: PathLike,
    *,
    npz: bool = False,
    strip_prefixes: Sequence[str] = (),
    verify: bool = True,
    force: bool = False,
    allow_nonfinite: bool = False,
    densify: bool = False,
    progress: Progress = silent,
) -> ExportReport:
    """Copy every tensor of the parameters file `src` into the new file `dst`, bit for bit.

    dst: ends in `.safetensors` or `.npz`
    npz: write an `.npz`, whatever `dst` is called
    strip_prefixes: taken off the names that begin with them, one after another, each once
    verify: False leaves out the proof, which reads every tensor back through the library that
        users of `dst` have (safetensors; `numpy.load`)
    force: replace a file that exists
    allow_nonfinite: copy NaN and infinities too
    densify: make sparse tensors dense, each whole in memory for its turn; else they are refused
    progress: called with (stage, done, total)

    Every dtype, shape and value is kept; safetensors holds all dtypes of MXNet, `.npz` all but
    bfloat16. A name that holds no array is left out, and the report says so. Memory does not grow
    with the file. Raises `ParamsError`, `PlanError` (every name or
    dtype that the target cannot hold, at once), `NonfiniteError`, `WriteError`, and `ParityError`
    (with the report) when the proof fails. After any of them `dst` is as before.
    """
    npz = _is_npz(dst, npz)
    source, destination = Path(os.path.realpath(src)), Path(os.path.realpath(dst))
    if source == destination or (destination.is_file() and _is_same(source, destination)):
        raise ConvertError(f"{dst}: is the source itself; choose another DST")
    before = state_of(source)
    index = read_index(src)
    names = _names(index, strip_prefixes)
    if problems := [*_problems(names, npz), *([] if densify else _sparse(names))]:
        raise PlanError(f"{src} cannot be exported as {'npz' if npz else 'safetensors'}:", problems)
    tally = Tally()
    with (
        staging(destination, file=True, force=force) as stage,
        Weights(index, densify=densify) as weights,
    ):
        tensors = [_tensor(name, entry, weights, tally) for name, entry in names.items()]
        if npz:
            from converter.writing.npz import write_npz  # zipfile: half of the files do without

            write_npz(stage.path, tensors, progress)
        else:
            write_safetensors(stage.path, tensors, progress)
        refuse_nonfinite(index.path, tally.found, allowed=allow_nonfinite)
        copies = None
        if verify:
            from converter.proof.copies import check_copies  # nothing of it, when it is not asked

            copies = check_copies(names, weights, stage.path, npz=npz, progress=progress)
        report = ExportReport(index, "npz" if npz else "safetensors", names, tally.found, copies)
        check_unchanged(source, before)
        if copies and not copies.passed:
            raise ParityError(f"{src}: exported, and the proof failed; {dst} was not made", report)
        stage.commit()
    return report


def _is_npz(dst: PathLike, npz: bool) -> bool:
    suffix = Path(dst).suffix.lower()
    if npz and suffix == ".safetensors":
        raise ConvertError(f"{dst}: ends in .safetensors, and an .npz is asked for; rename it")
    if not npz and suffix not in (".safetensors", ".npz"):
        raise ConvertError(f"{dst}: ends neither in .safetensors nor in .npz; rename it")
    return npz or suffix == ".npz"


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:  # the source cannot be looked at: reading it will say why
        return False


def _names(index: Index, prefixes: Sequence[str]) -> Mapping[str, TensorEntry]:
    """The target's names, in the order of the file, each with its source tensor."""
    names = {name: name for name, e in index.tensors.items() if e.storage != "none"}  # → target
    problems = []
    for prefix in prefixes:
        met = [name for name, target in names.items() if prefix and target.startswith(prefix)]
        if not met:
            problems.append(f"no name begins with {prefix!r}; `bort-convert inspect` lists them")
        names.update({name: names[name].removeprefix(prefix) for name in met})
    sources: dict[str, list[str]] = {}
    for name, target in names.items():
        sources.setdefault(target, []).append(name)
    for target, same in sources.items():
        if len(same) > 1:
            problems.append(f"{' and '.join(same)} would both be {target!r}; strip less")
        if not target and same != [""]:
            problems.append(f"nothing would be left of the name {same[0]}; strip less")
    if problems:
        raise PlanError(f"{index.path}: the prefixes cannot be stripped:", problems)
    return {target: index.tensors[name] for name, target in names.items()}


def _problems(names: Mapping[str, TensorEntry], npz: bool) -> Iterator[str]:
    """What the target cannot hold, and what to do about each."""
    rename = "give it another name with converter.load_params and save_params"
    for name, entry in names.items():
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            yield f"the name {name!r} is not UTF-8; {rename}"
            continue
        if npz:
            if "\0" in name or size > LONGEST or name + ".npy" in names:
                yield f"no .npz can hold the name {name[:80]!r}; write .safetensors"
            if entry.dtype.name == "bfloat16":
                yield f"{name}: NumPy's files have no bfloat16; write .safetensors"
        elif name == "__metadata__":
            yield f"safetensors reserves the name {name}; write an .npz, or {rename}"
        if not npz and entry.dtype.name not in CODES:
            yield f"{name}: safetensors has no {entry.dtype.name}; write an .npz"


def _sparse(names: Mapping[str, TensorEntry]) -> Iterator[str]:
    for entry in names.values():
        if entry.storage != "dense":
            yield (
                f"{entry.name} is {entry.storage}; --densify writes it in full: "
                f"{entry.dense_nbytes:,} bytes, held in memory"
            )


def _tensor(name: str, entry: TensorEntry, weights: Weights, tally: Tally) -> Tensor:
    def pieces() -> Pieces:
        return tally.watch(entry, weights.pieces(entry))

    return Tensor(name, entry.dtype, entry.shape, entry.dense_nbytes, pieces)
