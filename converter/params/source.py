"""What `--src` may be beside a file: a model directory of GluonNLP 1.x or of AutoGluon."""

from __future__ import annotations

import os
from pathlib import Path

from converter.errors import ParamsError

SAVED = "saved_model"  # where TextPredictor.save puts the model (autogluon.text 0.3.1)


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
