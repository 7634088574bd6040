"""Files of the kinds that people bring: our own (fixtures/brought/), and a folder of more.

`BORT_CASES` names that folder; else it is `shared/cases` beside the project. Where it is not, what
reads it has so many files less, and every kind is still tried on our own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from tests.conftest import ROOT

T = TypeVar("T")
FOLDER = ROOT / "fixtures" / "brought"
CASES = Path(os.environ.get("BORT_CASES") or ROOT.parent / "shared" / "cases")


def there(files: Mapping[str, T]) -> list[tuple[Path, T]]:
    """(path, what belongs to it) of every file; of the folder of cases those that are there."""
    paths = [
        (CASES / name.removeprefix("cases/") if name.startswith("cases/") else FOLDER / name, more)
        for name, more in files.items()
    ]
    return [(path, more) for path, more in paths if path.exists() or CASES not in path.parents]
