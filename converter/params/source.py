"""What `--src` may be beside a file: a directory that a library left behind."""

from __future__ import annotations

import os
from pathlib import Path

from converter.errors import ParamsError
from converter.params.diagnosis import listed

# Where the parameters are, the first that is there: any library's; autogluon.text 0.3.1,
# TextPredictor.save; awslabs/sockeye sockeye/constants.py; SageMaker's algorithms, also packed
PLACES = ("*.params", "saved_model/*.params", "params.best", "model_algo-1", "model.tar.gz")


def find_params(src: str | os.PathLike[str]) -> Path:
    """`src` itself, or the one file of parameters in the directory `src`.

    The zoo of 1.x and its scripts make such directories: `model.yml`, `vocab.json`, `*.params`
    (GluonNLP master, scripts/conversion_toolkits). AutoGluon's TextPredictor has `net.params` in
    its folder `saved_model`; Sockeye and SageMaker have names without `.params`. Raises
    `ParamsError` when a directory holds no or several such files, naming them.
    """
    path = Path(src)
    if not path.is_dir():
        return path
    try:
        found = next((there for place in PLACES if (there := sorted(path.glob(place)))), [])
        names = listed(sorted(entry.name for entry in path.iterdir()))
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror or error}") from error
    if len(found) == 1:
        return found[0]
    if not found:
        raise ParamsError(
            f"{path}: a directory without a .params file: name the file itself; in it: {names}"
        )
    names = listed([entry.name for entry in found])
    raise ParamsError(
        f"{path}: a directory with several .params files: give one of them as source: {names}"
    )
