"""CSV and JSON Lines → splits, and everything that is wrong with them, before training starts."""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agora.errors import DataError
from agora.points import Split

COLUMNS = "text (or text_a and text_b) and label"
SHOWN = 5  # problems of one kind


def read_split(path: Path, number: bool) -> Split:
    """Texts, or pairs of texts, and labels: strings, or floats if `number`.

    Raises:
        DataError: the file cannot be read, is empty, lacks a column, a text or a label.
    """
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path} has no rows: every split needs some")
    names = set(rows[0])
    pair = {"text_a", "text_b"} <= names
    if not (pair or "text" in names) or "label" not in names:
        raise DataError(f"{path} has the columns {', '.join(sorted(names))}: it needs {COLUMNS}")
    points, labels, problems = [], [], []
    for place, row in enumerate(rows, 1):
        texts = [row["text_a"], row["text_b"]] if pair else [row["text"]]
        label = _label(row["label"], number)
        if label is None:
            problems.append(f"row {place}: the label {row['label']!r} is missing or no number")
        if not all(isinstance(text, str) and text.strip() for text in texts):
            problems.append(f"row {place}: a text is missing or empty")
        points.append(tuple(map(str, texts)) if pair else str(texts[0]))
        labels.append(label)
    if problems:
        raise DataError(f"{path} cannot be used: {len(problems)} rows", _some(problems))
    return Split.of(points, labels)


def check_splits(splits: Mapping[str, Split], number: bool) -> None:
    """Every problem that splits have together; `train` is the one that tells the labels.

    Raises:
        DataError: texts and pairs mixed, a label that train lacks, only one label, or an item in
            two splits.
    """
    problems: list[str] = []
    kinds = {name: isinstance(split.points[0], tuple) for name, split in splits.items()}
    if len(set(kinds.values())) > 1:
        problems.append(f"single texts and pairs are mixed: {', '.join(kinds)}")
    known = set(splits["train"].labels)
    if not number and len(known) < 2:
        problems.append(f"train has one label only, {min(known)!r}")
    for name, split in splits.items():
        unknown = sorted(set(split.labels) - known) if not number else []
        problems += [
            f"{name} has the label {label!r}, which train lacks" for label in unknown[:SHOWN]
        ]
    names = list(splits)
    for i, name in enumerate(names):
        for other in names[:i]:
            both = set(splits[name].points) & set(splits[other].points)
            if both:
                problems.append(
                    f"{len(both)} items are in {other} and in {name}, for one {min(both)!r}"
                )
    if problems:
        raise DataError("the splits cannot be used together", problems)


def numbered(split: Split, names: tuple[str, ...]) -> Split:
    """The split with classes 0..k-1 in the place of their names."""
    places = {name: i for i, name in enumerate(names)}
    return Split(split.points, tuple(places[label] for label in split.labels))


def _rows(path: Path) -> list[dict[str, Any]]:
    from datasets import Dataset, Features, Value, disable_progress_bars

    if not path.is_file():
        raise DataError(f"{path} does not exist: give a .jsonl or .csv file")
    if path.suffix not in (".jsonl", ".json", ".csv"):
        raise DataError(f"{path} is neither .jsonl nor .csv")
    if not path.read_bytes().strip():
        raise DataError(f"{path} is empty: every split needs rows")
    disable_progress_bars()
    read: Any = Dataset.from_csv if path.suffix == ".csv" else Dataset.from_json
    with tempfile.TemporaryDirectory(prefix="agora-") as cache:
        try:
            more: dict[str, Any] = {}
            if path.suffix == ".csv":  # all strings, whatever they look like ("NA" and "1" too)
                with path.open(encoding="utf-8", newline="") as file:
                    reader = csv.reader(file)
                    header = next(reader)
                    if not next(reader, None):
                        return []
                more = {"features": Features({name: Value("string") for name in header})}
                more["keep_default_na"] = False
            rows: list[dict[str, Any]] = read(
                str(path), cache_dir=cache, keep_in_memory=True, **more
            ).to_list()
        except Exception as error:  # what the readers of `datasets` raise is not stated
            cause = error.__cause__ or error
            raise DataError(f"{path} cannot be read: {' '.join(str(cause).split())}") from None
    return rows


def _label(value: Any, number: bool) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not number:
        return str(value)
    try:
        return float(value) if math.isfinite(float(value)) else None
    except (TypeError, ValueError):
        return None


def _some(problems: list[str]) -> list[str]:
    more = len(problems) - SHOWN
    return problems[:SHOWN] + ([f"and {more} more"] if more > 0 else [])
