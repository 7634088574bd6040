"""Teachers of texts: a directory of Transformers, or a pipeline of scikit-learn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agora.bort import Borts
from agora.data import read_split
from agora.errors import AgoraError, DataError, OptionError
from agora.points import Label, Point, Split, content

SURE = 0.9  # the probability from which on a teacher counts as sure
Probabilities = Callable[[Sequence[Point]], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Taught:
    """A teacher of classes 0..k-1.

    probabilities: points → float64 (points, classes).
    """

    probabilities: Probabilities = field(repr=False)
    content: str  # a digest: by it a run knows the teacher

    def __call__(self, points: Sequence[Point]) -> Sequence[Label]:
        return [int(place) for place in self.probabilities(points).argmax(1)]

    def sure(self, points: Sequence[Point]) -> float:
        """The share of points for which one class has a probability of `SURE` or more."""
        return float((self.probabilities(points).max(1) >= SURE).mean())


def read_teacher(source: str, data: Path | None, names: tuple[str, ...], most: int) -> Taught:
    """What `--teacher` names; `names` are the classes, in order.

    Raises:
        AgoraError: it cannot be read, or teaches other labels.
    """
    path = Path(source)
    if source == "tfidf":
        if data is None:
            raise OptionError("--teacher tfidf needs --teacher-data, labelled texts to fit it on")
        return _fitted(read_split(data), names)
    if data is not None:
        raise OptionError("--teacher-data is for --teacher tfidf")
    if path.suffix in (".csv", ".json", ".jsonl"):
        raise OptionError(
            f"--teacher {path} is a table of labels: put it into --train, or fit a teacher on it "
            "with --teacher tfidf --teacher-data"
        )
    try:
        if path.suffix == ".skops":
            return _of_pipeline(_skops(path), names, hashlib.sha256(path.read_bytes()).hexdigest())
        return _of_directory(path, names, most)
    except AgoraError:
        raise
    except Exception as error:  # whatever skops and Transformers meet in files of the user's
        raise DataError(f"{path} cannot be read as a classifier: {error}") from None


def _of_directory(path: Path, names: tuple[str, ...], most: int) -> Taught:
    if not (path / "config.json").is_file():
        raise DataError(
            f"{path} has no config.json: give a fine-tuned classifier and its tokenizer"
        )
    named = json.loads((path / "config.json").read_text("utf-8")).get("id2label") or {}
    own = tuple(named[key] for key in sorted(named, key=int))
    generic = [f"LABEL_{i}" for i in range(len(names))]
    # two nameless labels are what a config without names means
    own = names if list(own or generic[:2]) == generic else own
    student, order = Borts(str(path), own, most, preset=False).load(path), _order(path, own, names)
    return Taught(lambda points: np.array(student.probabilities(points))[:, order], content(path))


def _skops(path: Path) -> Any:
    from skops.io import get_untrusted_types, load

    if untrusted := get_untrusted_types(file=path):
        raise DataError(
            f"{path} has types that skops does not trust, so it is not loaded: use scikit-learn's "
            "own estimators alone",
            untrusted,
        )
    return load(path)


def _of_pipeline(pipeline: Any, names: tuple[str, ...], digest: str) -> Taught:
    own = tuple(map(str, getattr(pipeline, "classes_", ())))
    order = _order("the pipeline", own, names)

    def probabilities(points: Sequence[Point]) -> npt.NDArray[np.float64]:
        texts = _joined(points)
        if hasattr(pipeline, "predict_proba"):
            return np.asarray(pipeline.predict_proba(texts), np.float64)[:, order]
        said = np.asarray(pipeline.predict(texts))  # it tells no doubt
        return np.asarray(said[:, None] == pipeline.classes_[order], np.float64)

    return Taught(probabilities, digest)


def _joined(points: Sequence[Point]) -> list[str]:
    """Texts; the two of a pair as two lines."""
    return ["\n".join(point) if isinstance(point, tuple) else point for point in points]


def _fitted(split: Split, names: tuple[str, ...]) -> Taught:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    judge = LogisticRegression(C=10.0, max_iter=1000)
    try:
        fitted = make_pipeline(TfidfVectorizer(), judge).fit(_joined(split.points), split.labels)
    except ValueError as error:  # one class only, or no words
        raise DataError(f"no teacher can be fitted on --teacher-data: {error}") from None
    return _of_pipeline(fitted, names, split.digest())


def _order(source: object, own: tuple[str, ...], names: tuple[str, ...]) -> list[int]:
    """The column of each class among the teacher's own."""
    if set(own) != set(names):
        raise DataError(f"{source} knows the labels {own}, train has {names}")
    return [own.index(name) for name in names]
