"""GluonNLP 1.x's `model.yml`: what a model's author stated and no tensor can tell.

It is the YAML of a yacs CfgNode (autogluon_contrib_nlp 0.0.1b20220208 `models/bert.py`, get_cfg):
sections (`MODEL`, `INITIALIZER`) of plain values. So is AutoGluon's `cfg.yml` (autogluon.text 0.3.1
`text_prediction/mx/models.py`, base_cfg), which names the zoo's model in `model.backbone`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.errors import PlanError
from converter.files.regular import read_regular

MAX_BYTES = 2**16  # the zoo's have 500: a larger file is something else
SECTION = "MODEL"  # the others are about training
AUTOGLUON = "cfg.yml"
BACKBONE = "model", "backbone"  # the section of it that is about the text model
LARGEST = 2**63  # above all sizes; a hexadecimal number can have more digits than Python prints
SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class ModelConfig:
    """Plain values by keys like `"MODEL.num_heads"`; `file` is where they are."""

    file: str
    values: Mapping[str, Any]


def find_model_config(params: Path) -> Path | None:
    """The `model.yml` (in the zoo `model-<8 digits of a hash>.yml`) beside `params`, if any.

    Else AutoGluon's `cfg.yml`. Raises `PlanError` naming them when there are several.
    """
    try:
        files = [path for path in params.parent.iterdir() if path.suffix in (".yml", ".yaml")]
        beside = [path for path in files if path.is_file()]
    except OSError:  # then the file itself cannot be read either, which is said elsewhere
        return None
    found = sorted(p for p in beside if p.stem == "model" or p.stem.startswith("model-"))
    if len(found) > 1:
        raise PlanError(
            f"{params.parent} holds several configurations; choose with --model-config:",
            [path.name for path in found],
        )
    return next(iter(found or (path for path in beside if path.name == AUTOGLUON)), None)


def read_model_config(path: Path) -> ModelConfig:
    """The values of a `model.yml`, or of a `cfg.yml`. Raises `PlanError` naming the file.

    Only plain YAML is read (no tags, so nothing is run). Text that is a number counts as one, as
    yacs has it: YAML takes `1e-12`, without a point, for text.
    """
    import yaml  # one file in many needs it

    class Plain(yaml.SafeLoader):  # type: ignore[misc]
        """Without merge keys: nested, 800 bytes of them become millions of keys."""

        def flatten_mapping(self, node: Any) -> None:
            if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
                raise ValueError("it has a merge key (<<), as no model.yml has: write out the keys")

    try:
        data = yaml.load(read_regular(path, MAX_BYTES).decode("utf-8"), Loader=Plain)
        for place in ((SECTION,), BACKBONE):
            section = data
            for key in place:
                section = section.get(key) if isinstance(section, dict) else None
            if isinstance(section, dict):
                return ModelConfig(path.name, dict(_plain(section, ".".join(place))))
    except Exception as error:  # values with a wrong tag make PyYAML raise more than YAMLError
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise PlanError(f"{path}: cannot be read as a model.yml:", [reason or "unknown"]) from error
    raise PlanError(
        f"{path}: cannot be read as a model.yml:",
        [
            f"it has neither a section {SECTION} (GluonNLP 1.x) nor {'.'.join(BACKBONE)} "
            "(AutoGluon): give another with --model-config, or move it away"
        ],
    )


def recorded_model_config(record: Mapping[str, Any]) -> ModelConfig:
    """What `conversion.json` repeats. Raises `ValueError` for anything else."""
    file, values = record.get("file"), record.get("values")
    if not (
        isinstance(file, str) and isinstance(values, dict) and record.keys() <= {"file", "values"}
    ):
        raise ValueError("its model_config is not what convert writes")
    if not all(isinstance(value, SCALARS) for value in values.values()):
        raise ValueError("its model_config holds more than plain values")
    return ModelConfig(file, values)


def _plain(section: Mapping[Any, Any], place: str = SECTION) -> Iterator[tuple[str, Any]]:
    """Its values, and those of a section in it (BART's `ENCODER`, `DECODER`), by their places."""
    for key, value in section.items():
        if isinstance(value, SCALARS):
            value = _number(value) if isinstance(value, str) else value
            if isinstance(value, int | float) and not abs(value) < LARGEST:  # nor is NaN
                raise ValueError(f"{place}.{key} is no finite number, or one of too many digits")
            yield f"{place}.{key}", value
        elif isinstance(value, dict) and place == SECTION:
            yield from _plain(value, f"{place}.{key}")
        elif value is not None:  # None: as if it were not there
            yield f"{place}.{key}", f"a {type(value).__name__}"  # which no table knows


def _number(text: str) -> str | float:
    try:
        return float(text) if text[:1] in "+-.0123456789" else text
    except ValueError:
        return text
