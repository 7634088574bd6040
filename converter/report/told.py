"""What a conversion was told, from the `conversion.json` that it left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from converter.errors import ConvertError
from converter.files.staging import OURS
from converter.planning.model_yml import recorded_model_config


def told(directory: Path) -> dict[str, Any]:
    """The whole record; what `verify` and `tokenizer` need of it is there and of its type.

    Raises `ConvertError` for a directory that convert did not write.
    """
    path = directory / OURS
    try:
        record = json.loads(path.read_text("utf-8"))
        kinds = {
            "family": str,
            "config_overrides": dict,
            "config": dict,
            "dtype": str,
            "gluonnlp_version": str | None,
            "model_config": dict | None,
            "part": str | None,
            "tokenizer": dict | None,
        }
        if not all(isinstance(record[key], kind) for key, kind in kinds.items()):
            raise ValueError("its fields are not what convert writes")
        if record["model_config"] is not None:
            record["model_config"] = recorded_model_config(record["model_config"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConvertError(
            f"{path}: cannot be used ({error}): a directory that bort-convert wrote is needed"
        ) from error
    return {**record}
