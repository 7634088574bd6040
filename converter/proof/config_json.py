"""Whether `config.json` still says what was planned: the same words, or others for the same model.

People give the labels their names, and Transformers writes a config anew when it saves a model:
what changes nothing that is computed is reported as edited, and everything else is a problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NOTES = ("_name_or_path", "transformers_version")  # who wrote it, from where
LABELS = ("id2label", "label2id")
OF_4 = {"position_embedding_type": "absolute"}  # what Transformers 4 adds, and 5 has no field for


@dataclass
class ConfigFields:
    """The fields that are not as planned: `problems` change the model, `edited` do not."""

    problems: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


def compare_config(planned: Mapping[str, Any], found: Any, config_class: type) -> ConfigFields:
    """Compare the content of a config.json with the config of the plan.

    `config_class` is Transformers' class of it: its own values stand where a field is left out. It
    is asked about what was planned only: what is found may be hostile.
    """
    fields = ConfigFields()
    if not isinstance(found, dict):
        fields.problems.append("config.json: is no JSON object")
        return fields
    # Its name until Transformers 4.56, which keeps beside it what it read as dtype
    if "torch_dtype" in found and found.get("dtype", found["torch_dtype"]) == found["torch_dtype"]:
        found = {"dtype" if key == "torch_dtype" else key: v for key, v in found.items()}
        fields.edited.append("torch_dtype")
    usual = config_class().to_dict()
    whole = config_class.from_dict(dict(planned)).to_dict() | OF_4  # type: ignore[attr-defined]
    for name in sorted(planned.keys() | found.keys()):
        # Null is not absent: Transformers has a value of its own then
        here, there = ((name in c, c.get(name)) for c in (found, planned))
        if _same(here, there):
            continue
        if name in NOTES:
            same = isinstance(found[name], str) if here[0] else True
        elif name in LABELS:
            same = here[0] and _labels(found.get("id2label"), found.get("label2id"), planned)
        elif not there[0]:
            same = name in whole and _same(whole[name], found[name])
        else:
            same = not here[0] and name in usual and _same(usual[name], planned[name])
        if same:
            fields.edited.append(name)
        else:
            told = (repr(value) if is_there else "absent" for is_there, value in (here, there))
            fields.problems.append("config.json: {} is {}, planned {}".format(name, *told))
    return fields


def _same(one: Any, other: Any) -> bool:
    """Equal, and of one type: 1 is not True, and 1.0 is not 1."""
    return bool(one == other) and repr(one) == repr(other)


def _labels(names: Any, numbers: Any, planned: Mapping[str, Any]) -> bool:
    """Whether these are other names for as many labels."""
    before = planned.get("id2label")
    if not (isinstance(names, dict) and isinstance(numbers, dict) and isinstance(before, dict)):
        return False
    texts = all(isinstance(name, str) for name in names.values())
    inverse = {str(number): name for name, number in numbers.items()} if texts else {}
    return texts and names.keys() == before.keys() and inverse == names
