"""Convert every fixture of every family and keep how far it is from what real MXNet recorded.

    python -m tools.figures      rewrites fixtures/figures.json, from which README's table is made

A figure is the largest absolute difference between the converted Transformers model and the
recorded run of MXNet + GluonNLP, over all hidden states and every output, in float32.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import converter

FIXTURES = Path(__file__).parents[1] / "fixtures"
FIGURES = FIXTURES / "figures.json"


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every fixture, without its suffix, and what is stated of it."""
    zoos = (FIXTURES / folder for folder in ("zoo", "zoo_1x", "zoo_1x_master", "autogluon"))
    for folder in (FIXTURES, *zoos):
        for name, stated in json.loads((folder / "manifest.json").read_text("utf-8")).items():
            refused = stated.get("transformers_class", "") is None
            several = name.startswith("electra_pretrain")  # test_parts.py
            if not refused and not several:
                yield folder / name, {"family": "bort", "gluonnlp": "0.8.3", **stated}


def choice_of(fixture: Path, stated: Mapping[str, Any]) -> dict[str, Any]:
    """What the user of such a file has to say. Beside those of `zoo_1x` is a `model.yml`."""
    config: dict[str, Any] = stated.get("config", {})
    if stated["gluonnlp"] == "1.x":
        return {"family": stated["family"], "config": config}
    if "num_attention_heads" in stated:
        config = {"num_attention_heads": stated["num_attention_heads"]}
    if stated["family"] == "gpt2":
        config = {"n_head": stated["num_attention_heads"]}
        config["activation_function"] = stated.get("activation_function", "gelu_new")
    elif stated["family"] == "xlnet":
        config = {"ff_activation": stated.get("ff_activation", "gelu_new")}
        if fixture.name.endswith("_untied"):
            config["tie_word_embeddings"] = False
    return {
        "family": stated["family"],
        "config": config,
        "gluonnlp_version": stated["gluonnlp"],
    }


def figure(fixture: Path, stated: dict[str, Any], out: Path) -> dict[str, Any]:
    """Convert one fixture into `out`, verified against its recording. Raises `ConvertError`."""
    source, choice = fixture.with_suffix(".params"), choice_of(fixture, stated)
    converter.convert(source, out, **choice)
    report = converter.verify(source, out, golden=fixture.with_suffix(".golden.npz"))
    assert report.proof is not None
    assert report.proof.golden is not None
    plan, golden = report.plan, report.proof.golden
    return {
        "family": plan.table.name,
        "gluonnlp": stated["gluonnlp"],
        "transformers_class": plan.transformers_class,
        "heads": sorted({*plan.heads} - {head.name for head in plan.table.heads if head.absent}),
        "exported": sorted(entry.name for entry in plan.match.exported),
        "difference": max(d.max_abs_diff for d in golden.differences),
        "stated": max((d.max_abs_diff for d in golden.stated), default=None),
    }


def main() -> None:
    """Rewrite figures.json; the run stops at the first fixture that is not proven."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (fixture, stated) in enumerate(manifests()):
            name = str(fixture.relative_to(FIXTURES).as_posix())
            found[name] = figure(fixture, stated, Path(folder) / str(number))
            print(f"{name}: {found[name]['difference']:.1e}", flush=True)
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    FIGURES.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
