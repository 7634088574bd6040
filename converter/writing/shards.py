"""One `model.safetensors`, or shards with an index where it would be too large: hub naming.

Sources: huggingface_hub 2.4 `serialization/_base.py` (`split_state_dict_into_shards_factory`,
`parse_size_to_int`), whose planner and units these are; Transformers 4.57 and 5.23
`modeling_utils.py`, which reads `model.safetensors` alone where both are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from converter.files.progress import Progress, silent
from converter.writing.safetensors import Tensor, write_files

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def write_shards(
    directory: Path, tensors: Sequence[Tensor], limit: int, progress: Progress = silent
) -> None:
    """Write `tensors` into `model.safetensors`; what is larger than `limit` bytes, into shards.

    A shard is larger only when one tensor is. Raises as `write_files` does.
    """
    if sum(tensor.nbytes for tensor in tensors) <= limit:
        write_files({directory / WEIGHTS: tensors}, progress)
        return
    from huggingface_hub import split_state_dict_into_shards_factory  # slow to import, and rare

    named = {tensor.name: tensor for tensor in tensors}
    split: Any = split_state_dict_into_shards_factory(
        named,
        get_storage_size=lambda tensor: tensor.nbytes,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=limit,
    )
    files = split.filename_to_tensors.items()
    write_files({directory / file: [named[n] for n in names] for file, names in files}, progress)
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (directory / INDEX).write_text(text, "utf-8", newline="\n")


def weight_files(directory: Path) -> list[str]:
    """The names of the files in `directory` that hold the model's weights, sorted."""
    return sorted(file.name for file in directory.glob("model*.safetensors"))


def stored_in(directory: Path) -> Mapping[str, Path]:
    """Every stored tensor's name with the file that it is in, whether there are shards or not.

    Raises `ValueError` when index and shards do not agree exactly, `OSError` and
    `SafetensorError` for a file that cannot be read.
    """
    files = weight_files(directory)
    if not (directory / INDEX).exists():
        if files != [WEIGHTS] and files:
            raise ValueError(f"{', '.join(files)}: shards need {INDEX}, which is not there")
        return dict.fromkeys(_names(directory / WEIGHTS), directory / WEIGHTS)
    told = _read_index(directory / INDEX)
    found: dict[str, str] = {}
    problems = [f"{file} is not there" for file in sorted({*told.values()} - {*files})]
    problems += [f"{file} is in no line of it" for file in files if file not in told.values()]
    for file in files:
        for name in _names(directory / file):
            if name in found:
                problems.append(f"{name} is in {found[name]} and in {file}")
            found[name] = file
    problems += _disagreements(told, found)
    if problems:
        raise ValueError("; ".join(problems))
    return {name: directory / file for name, file in found.items()}


def _names(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return list(file.keys())


def _read_index(path: Path) -> dict[str, str]:
    try:
        told = json.loads(path.read_text("utf-8"))["weight_map"]
        if not all(isinstance(file, str) for file in told.values()):
            raise TypeError("a file's name is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no index of shards ({error})") from error
    return dict(told)


def _disagreements(told: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(told.keys() | found.keys()):
        if told.get(name) != found.get(name):
            here, there = (f"in {p}" if p else "nowhere" for p in (found.get(name), told.get(name)))
            yield f"{name} is {here}, and should be {there}"
