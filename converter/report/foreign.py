"""What in a directory with a `conversion.json` this program did not write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from converter.files.entries import check_entries, entries
from converter.files.regular import read_regular
from converter.files.staging import RECORD_FILE, Foreign
from converter.planning.base import MODULE_FILE, UNCONVERTED_FILE
from converter.report.record import MAX_BYTES, TOOL
from converter.tokenizer.write import FILES, MARKER, NO_TOKENIZER
from converter.writing.shards import INDEX

CARD = "README.md"
REWRITTEN = (CARD, "config.json", RECORD_FILE)  # by `tokenizer`, with the files of one
SHARD = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")


def foreign_files(directory: Path) -> list[str]:
    """The names in `directory` that its record does not tell of.

    A link is one of them, whatever its name: this program writes none.
    """
    try:
        record = json.loads(read_regular(directory / RECORD_FILE, MAX_BYTES))
        ours = record["tool"]["name"] == TOOL
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        ours = False
    if not ours:
        return [f"{RECORD_FILE} (it is not as bort-convert writes it)"]
    return sorted(
        path.name
        for path in directory.iterdir()
        if path.is_symlink() or not (_is_cache(path) or (path.is_file() and _is_told(path, record)))
    )


def _is_cache(path: Path) -> bool:
    """Whether it is what Python makes of the written module when somebody imports it."""
    stem = Path(MODULE_FILE).stem
    return path.name == "__pycache__" and all(
        file.name.startswith(f"{stem}.") and file.suffix == ".pyc" and not file.is_symlink()
        for file in path.iterdir()
    )


def _is_told(path: Path, record: dict[str, Any]) -> bool:
    """Whether the record tells of this file; an earlier one, without lists, of all that may be."""
    name = path.name
    if name in (RECORD_FILE, CARD):
        return True
    if name == UNCONVERTED_FILE:
        return bool(record.get("exported", True))
    if name == MODULE_FILE:
        return record.get("way") == "graph"
    if name in ("config.json", INDEX, *FILES):
        digests = record.get("sha256")
        if not isinstance(digests, dict):
            return True
        if name in FILES and not record.get("tokenizer"):  # else it is a tokenizer of the user's
            return name == MARKER and path.read_bytes() == NO_TOKENIZER
        return name in digests
    weights = record.get("files")
    return name in weights if weights and isinstance(weights, list) else bool(SHARD.fullmatch(name))


def foreign_to_tokenizer(directory: Path) -> Foreign:
    """The same for `tokenizer`, which keeps what it does not write, as it is from now on.

    What somebody puts in or changes while the directory is made anew would be lost: then the
    answer is a `WriteError`.
    """
    before = entries(directory)

    def foreign(directory: Path) -> list[str]:
        check_entries(directory, before)
        return [name for name in foreign_files(directory) if name in (*REWRITTEN, *FILES)]

    return foreign
