"""CSV and JSON Lines → splits, and everything that is wrong with them, before training starts."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from agora.errors import DataError
from agora.points import Point, Split, key


def read_split(path: Path) -> Split:
    """Texts, or pairs of texts, and labels, which are strings.

    Raises:
        DataError: the file cannot be read, is empty, lacks a column, a text or a label.
    """
    rows = _rows(path)
    points = _texts(path, rows, "label")
    labels = [row.get("label") for row in rows]
    missing = [i for i, label in enumerate(labels) if label is None or not str(label).strip()]
    _raise(path, [f"row {i + 1}: the label {labels[i]!r} is missing" for i in missing])
    return Split(points, map(str, labels))


def read_texts(path: Path) -> tuple[Point, ...]:
    """Texts, or pairs of texts, without labels.

    Raises:
        DataError: as `read_split`.
    """
    return tuple(_texts(path, _rows(path)))


def check_splits(splits: Mapping[str, Split], first: str = "train") -> None:
    """Every problem that splits have together; `train` tells the labels, and is called `first`.

    Raises:
        DataError: texts and pairs mixed, a label that train lacks, only one label, or an item in
            two splits.
    """
    problems: list[str] = []
    kinds = {name: isinstance(split.points[0], tuple) for name, split in splits.items()}
    if len(set(kinds.values())) > 1:
        problems.append(f"single texts and pairs are mixed: {', '.join(kinds)}")
    known = set(splits["train"].labels)
    if len(known) < 2:
        problems.append(f"{first} has one label only, {min(known)!r}")
    for other, name in combinations(splits, 2):
        keys = {key(point) for point in splits[other].points}
        if both := [point for point in splits[name].points if key(point) in keys]:
            problems.append(
                f"{len(both)} items are in {first if other == 'train' else other} "
                f"and in {name}, for one {both[0]!r}"
            )
    for name, split in splits.items():
        unknown = sorted(set(split.labels) - known)
        problems += [f"{name} has the label {label!r}, which {first} lacks" for label in unknown]
    if problems:
        raise DataError("the splits cannot be used together", problems)


def numbered(split: Split, names: tuple[str, ...]) -> Split:
    """The split with classes 0..k-1 in the place of their names."""
    places = {name: i for i, name in enumerate(names)}
    return Split(split.points, [places[label] for label in split.labels])


def _texts(path: Path, rows: list[dict[str, Any]], *needed: str) -> list[Point]:
    names = set(rows[0])
    pair = {"text_a", "text_b"} <= names
    if not (pair or "text" in names) or not {*needed} <= names:
        wanted = " and ".join(["text (or text_a and text_b)", *needed])
        raise DataError(f"{path} has the columns {', '.join(sorted(names))}: it needs {wanted}")
    columns = ("text_a", "text_b") if pair else ("text",)
    texts = [tuple(row.get(name) for name in columns) for row in rows]
    told = [all(isinstance(text, str) and text.strip() for text in some) for some in texts]
    _raise(path, [f"row {i}: a text is missing or empty" for i, ok in enumerate(told, 1) if not ok])
    return [some if pair else some[0] for some in texts]


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist: give a .jsonl or .csv file")
    if path.suffix not in (".jsonl", ".json", ".csv"):
        raise DataError(f"{path} is neither .jsonl nor .csv")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                rows: list[Any] = [*csv.DictReader(file, strict=True)]
            else:
                rows = [json.loads(line) for line in file if line.strip()]
    except (ValueError, csv.Error) as error:  # a wrong encoding is a ValueError
        raise DataError(f"{path} cannot be read: {error}") from None
    if not rows:
        raise DataError(f"{path} is empty or has no rows: every split needs some")
    wrong = [i for i, row in enumerate(rows, 1) if not isinstance(row, dict) or None in row]
    _raise(path, [f"row {i}: it is no object, or has more fields than the header" for i in wrong])
    return rows


def _raise(path: Path, problems: list[str]) -> None:
    if problems:
        raise DataError(f"{path} cannot be used: {len(problems)} rows", problems)
