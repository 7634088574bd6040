"""What a plan takes for granted: every value of the config that no tensor tells.

A proof shows that both sides compute the same with these values. It cannot show that the values are
those the model was trained with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from converter.planning.match import Match
from converter.planning.scopes import may_be
from converter.tables.table import Version
from converter.tokenizer import TokenizerSpec

CHECKED = frozenset({"model_type"})  # the class that is built has it, or the proof fails


@dataclass(frozen=True)
class Assumed:
    """The `value` of a config field that no tensor tells, and `why` it was taken.

    Also of `gluonnlp_version` and `lower`, which are options.
    """

    field: str
    value: Any
    why: str


def assumptions(
    chosen: Match,
    config: Mapping[str, Any],
    version: Version | None,
    given: frozenset[str],
    gluonnlp: str | None,
) -> Iterator[Assumed]:
    """What of `config` neither the tensors nor the user nor a `model.yml` told.

    given: the fields that the user or `model.yml` gave
    gluonnlp: the release that the user gave; without one, an assumption where releases differ
    """
    table = chosen.table
    known = chosen.known.config if chosen.known else {}
    of_heads = {name for head in chosen.heads for name in head.config}
    of_heads |= {n for head in chosen.absent if head.absent for n in head.absent.config}
    for name, value in config.items():
        if name.startswith("_") or name in given | of_heads | CHECKED | chosen.sizes.keys():
            continue
        if name in known:
            yield Assumed(name, value, f"sizes of {chosen.known.name if chosen.known else ''}")
        elif version and name in version.config:
            yield Assumed(name, value, f"GluonNLP {gluonnlp}")
        elif value is None:
            yield Assumed(name, value, "no vocabulary tells it")
        elif name in table.config:
            yield Assumed(name, value, f"family {table.name}")
    if gluonnlp is None:
        for entry in table.versions:
            if entry.text and may_be(chosen.version, entry.versions):
                releases = " or ".join(entry.versions)
                yield Assumed("gluonnlp_version", f"not {releases}", "the file cannot tell")


def of_tokenizer(spec: TokenizerSpec | None) -> Iterator[Assumed]:
    """What a vocabulary was taken for, where neither the user nor a name nor the family told."""
    if spec and spec.lower_assumed:
        yield Assumed("lower", True, "no token of the vocabulary has an upper-case letter")


def renewed(recorded: Any, spec: TokenizerSpec) -> list[Assumed]:
    """What conversion.json lists as assumed, brought up to date with a new tokenizer."""
    told = {"lower", *spec.ids}
    known = [a for a in recorded if isinstance(a, dict)] if isinstance(recorded, list) else []
    before = [Assumed(str(a.get("field")), a.get("value"), str(a.get("why"))) for a in known]
    return [*(a for a in before if a.field not in told), *of_tokenizer(spec)]


def assumed_line(assumed: Sequence[Assumed]) -> str:
    """`hidden_act=gelu, layer_norm_eps=1e-05 (family bort); …`: those of one reason together."""
    groups = []
    for why, same in groupby(sorted(assumed, key=lambda a: a.why), key=lambda a: a.why):
        groups.append(", ".join(f"{a.field}={_shown(a.value)}" for a in same) + f" ({why})")
    return "; ".join(groups)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
