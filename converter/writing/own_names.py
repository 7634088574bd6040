"""What an export writes: every tensor under its own name, and what its target cannot hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from converter.errors import PlanError
from converter.params import Index, TensorEntry, Weights
from converter.params.nonfinite import Tally
from converter.writing.safetensors import CODES, Pieces, Tensor

LONGEST = 65_531  # bytes of a name: a ZIP counts them in 16 bits, `.npy` included


def exported_names(
    index: Index, prefixes: Sequence[str]
) -> tuple[Mapping[str, TensorEntry], list[str]]:
    """The target's names, in the order of the file, each with its source tensor.

    And the prefixes that no name has, where another that was given was there: of arg: and aux:,
    many files have only the first. Raises `PlanError` when nothing can be stripped, or too much is.
    """
    names = {name: name for name, e in index.tensors.items() if e.storage != "none"}  # → target
    problems, unmet = [], []
    for prefix in prefixes:
        met = [name for name, target in names.items() if prefix and target.startswith(prefix)]
        unmet += [] if met else [prefix]
        names.update({name: names[name].removeprefix(prefix) for name in met})
    if prefixes and len(unmet) == len(prefixes):
        several = " or ".join(map(repr, unmet))
        problems.append(f"no name begins with {several}; `bort-convert inspect` lists them")
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
    return {target: index.tensors[name] for name, target in names.items()}, unmet


def unholdable(names: Mapping[str, TensorEntry], npz: bool) -> Iterator[str]:
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


def sparse(names: Mapping[str, TensorEntry]) -> Iterator[str]:
    """A line for each tensor that would have to be made dense."""
    for entry in names.values():
        if entry.storage != "dense":
            yield (
                f"{entry.name} is {entry.storage}; --densify writes it in full: "
                f"{entry.dense_nbytes:,} bytes, held in memory"
            )


def exported_tensor(name: str, entry: TensorEntry, weights: Weights, tally: Tally) -> Tensor:
    """One tensor as it is, under the name `name`; `tally` counts what is not finite."""

    def pieces() -> Pieces:
        return tally.watch(entry, weights.pieces(entry))

    return Tensor(name, entry.dtype, entry.shape, entry.dense_nbytes, pieces)
