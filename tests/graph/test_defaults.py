"""MXNet 1.5.0 and 1.9.1 agree on what a graph does not say."""

import tomllib
from typing import Any

from tests.graph.recordings import ROOT

NEW = tomllib.loads((ROOT.parents[1] / "converter/graph/defaults.toml").read_text("utf-8"))
OLD = tomllib.loads((ROOT / "defaults-1.5.0.toml").read_text("utf-8"))

# What 1.5.0 describes wrongly: it reads these as 1.9.1 does, or has no use for them
MISDESCRIBED = {
    *(("_eye", key) for key in ("N", "M", "k")),  # as real numbers
    *(("shape_array", f"{side}_{end}") for side in ("lhs", "rhs") for end in ("begin", "end")),
}


def attributes(table: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(table[name].get("attributes", {}))


def test_no_default_differs() -> None:
    for name in OLD:
        for key, old in attributes(OLD, name).items():
            if (name, key) in MISDESCRIBED:
                continue
            new = attributes(NEW, name)[key]
            assert new["type"] == old["type"], (name, key)
            assert new.get("none") == old.get("none"), (name, key)
            assert set(old.get("values", ())) <= set(new.get("values", ())), (name, key)
            if "default" in old:
                assert new["default"] == old["default"], (name, key)
            else:
                assert key == "scalar" or new["required"], (name, key)


def test_an_attribute_that_came_later_has_a_default() -> None:
    for name in OLD:
        for key in set(attributes(NEW, name)) - set(attributes(OLD, name)):
            assert "default" in attributes(NEW, name)[key], (name, key)


def test_no_input_differs_but_the_length_of_softmax() -> None:
    changed = {name for name in OLD if OLD[name]["inputs"] != NEW[name]["inputs"]}
    assert changed == {"softmax", "squeeze"}
    assert NEW["softmax"]["inputs"] == [*OLD["softmax"]["inputs"], "length"]
    assert OLD["squeeze"]["inputs"] == ["data[]"]  # it takes one, and is described with several


def test_no_other_name_is_lost() -> None:
    for name in OLD:
        assert set(OLD[name].get("aliases", ())) <= set(NEW[name].get("aliases", ()))
