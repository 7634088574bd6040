"""What an index tells about its origin: the MXNet that wrote it, its naming, the zoo's model."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from converter.params.entries import Index

# NDArray::Save in MXNet's src/ndarray/ndarray.cc, tags v0.7.0 to v0.10.0 (no magic number), 0.11.0
# (V1, in this version alone), 0.12.0 (V2), 1.5.0 (V3, within np_shape); 2.0.0.beta1 (npz).
ERAS = {
    "V0": "MXNet 0.10 or earlier",
    "V1": "MXNet 0.11",
    "V2": "MXNet 0.12 or later",
    "V3": "MXNet 1.5 or later, with NumPy shapes",
    "npy": "NumPy, or MXNet 2",
}
NAMINGS = {
    "structural": "Block.save_parameters",
    "name-scope": "collect_params().save or save_params",
    "exported": "HybridBlock.export or Module.save_checkpoint",
    "positions": "an unnamed list",
    "other": "of one's own choice: mx.nd.save, or a block with no block in it",
}


def naming(index: Index) -> str:
    """A key of `NAMINGS`: how the tensors are named."""
    names = [entry.name for entry in index.tensors.values()]
    if names == [str(number) for number in range(len(names))]:
        return "positions"
    if all(name.startswith(("arg:", "aux:")) for name in names):
        return "exported"
    if any(":" in name for name in names):
        return "other"
    # attributes on the way to each; a Parameter of the outermost block's own has no dot
    own = [name for name in names if "." not in name]
    scoped = [name for name in own if any(part[-1:].isdigit() for part in name.split("_")[:-1])]
    within = len(own) < len(names) or {*own} <= {"weight", "bias"}
    if within and not scoped and all(map(str.isidentifier, own)):
        return "structural"
    # a scope is a word and its counter: `bertencoder0_transformer0_proj_weight`; a Parameter that
    # was made by itself has none
    if len(own) == len(names) < 2 * len(scoped):
        return "name-scope"
    return "other"


def eras(index: Index) -> dict[str, str]:
    """Which MXNet wrote each version met in the file."""
    return {version: ERAS[version] for version in index.versions}


def dtypes(index: Index) -> dict[str, int]:
    """How many tensors there are of each dtype, most first; names without array are not counted."""
    names = (entry.dtype.name for entry in index.tensors.values() if entry.storage != "none")
    return dict(Counter(names).most_common())


def stored_as(index: Index, *storages: str) -> list[str]:
    """The names of the tensors that are stored in one of these ways."""
    return [entry.name for entry in index.tensors.values() if entry.storage in storages]


@cache
def zoo() -> Mapping[str, str]:
    """The models of GluonNLP's zoo: name → SHA-1 of the file."""
    text = files("converter.params").joinpath("zoo.toml").read_text("utf-8")
    return {name: sum_ for part in tomllib.loads(text).values() for name, sum_ in part.items()}


def zoo_model(index: Index, sha1: str | None = None) -> tuple[str, str] | None:
    """(model, by what it is known: `sha1` or `file name`), or None.

    With a `sha1`, which is the file's own, a name that says otherwise is not believed.
    """
    for name, stated in zoo().items():
        if sha1 == stated:
            return name, "sha1"
    if sha1 is None:
        for stem in (
            index.path.stem,
            (index.member or "").rpartition("/")[2].removesuffix(".params"),
        ):
            for name, stated in zoo().items():
                if stem == f"{name}-{stated[:8]}":
                    return name, "file name"
    return None
