"""CSV and JSON Lines → splits, and everything that is wrong with them, before training starts."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agora.errors import DataError
from agora.points import Point, Split, key

COLUMNS = "text (or text_a and text_b)"
SHOWN = 5  # problems of one kind


def read_split(path: Path) -> Split:
    """Texts, or pairs of texts, and labels, which are strings.

    Raises:
        DataError: the file cannot be read, is empty, lacks a column, a text or a label.
    """
    rows, points = _texts(path, "label")
    labels = [row.get("label") for row in rows]
    missing = [i for i, label in enumerate(labels) if label is None or not str(label).strip()]
    _raise(path, [f"row {i + 1}: the label {labels[i]!r} is missing" for i in missing])
    return Split.of(points, map(str, labels))


def read_texts(path: Path) -> tuple[Point, ...]:
    """Texts, or pairs of texts, without labels.

    Raises:
        DataError: as `read_split`.
    """
    return Split.of(points := _texts(path)[1], [0] * len(points)).points


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
    for name, split in splits.items():
        unknown = sorted(set(split.labels) - known)
        problems += [
            f"{name} has the label {label!r}, which {first} lacks" for label in unknown[:SHOWN]
        ]
    names = list(splits)
    for i, name in enumerate(names):
        for other in names[:i]:
            keys = {key(point) for point in splits[other].points}
            both = [point for point in splits[name].points if key(point) in keys]
            if both:
                problems.append(
                    f"{len(both)} items are in {first if other == 'train' else other} "
                    f"and in {name}, for one {both[0]!r}"
                )
    if problems:
        raise DataError("the splits cannot be used together", problems)


def numbered(split: Split, names: tuple[str, ...]) -> Split:
    """The split with classes 0..k-1 in the place of their names."""
    places = {name: i for i, name in enumerate(names)}
    return Split(split.points, tuple(places[label] for label in split.labels))


def _texts(path: Path, *needed: str) -> tuple[list[dict[str, Any]], list[Point]]:
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path} has no rows: every split needs some")
    names = set(rows[0])
    pair = {"text_a", "text_b"} <= names
    if not (pair or "text" in names) or not {*needed} <= names:
        wanted = " and ".join([COLUMNS, *needed])
        raise DataError(f"{path} has the columns {', '.join(sorted(names))}: it needs {wanted}")
    texts = [
        [row.get(name) for name in (("text_a", "text_b") if pair else ("text",))] for row in rows
    ]
    _raise(
        path,
        [
            f"row {place}: a text is missing or empty"
            for place, some in enumerate(texts, 1)
            if not all(isinstance(text, str) and text.strip() for text in some)
        ],
    )
    return rows, [tuple(some) if pair else some[0] for some in texts]


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist: give a .jsonl or .csv file")
    if path.suffix not in (".jsonl", ".json", ".csv"):
        raise DataError(f"{path} is neither .jsonl nor .csv")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                reader = csv.DictReader(file, strict=True)
                rows: list[Any] = [{**row} for row in reader]
                empty = reader.fieldnames is None
            else:
                rows = [json.loads(line) for line in file if line.strip()]
                empty = not rows
    except (ValueError, csv.Error) as error:  # a wrong encoding is a ValueError
        raise DataError(f"{path} cannot be read: {error}") from None
    if empty:
        raise DataError(f"{path} is empty: every split needs rows")
    wrong = [i for i, row in enumerate(rows, 1) if not isinstance(row, dict) or None in row]
    _raise(path, [f"row {i}: it is no object, or has more fields than the header" for i in wrong])
    return rows


def _raise(path: Path, problems: list[str]) -> None:
    more = len(problems) - SHOWN
    some = problems[:SHOWN] + ([f"and {more} more"] if more > 0 else [])
    if problems:
        raise DataError(f"{path} cannot be used: {len(problems)} rows", some)
