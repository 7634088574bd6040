"""The models in a network of one's own: what converts each, and what it would set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from converter.params import Index, TensorEntry
from converter.planning.attempt import uses_of
from converter.planning.match import NOTHING, Choice, Match, match_table, models_of
from converter.planning.scopes import without_kind
from converter.tables.table import Table

SHOWN = 6  # models that are listed, and tensors of each that it would set aside


@dataclass(frozen=True)
class Backbone:
    """A model of a family in a network of one's own, and the options that convert it.

    fit: how the family's table matches it; what is around it is exported
    options: of the command, such as `("--family", "bert", "--backbone")`
    """

    fit: Match
    options: tuple[str, ...]

    @property
    def tensors(self) -> int:
        """How many tensors are the model's."""
        return self.fit.accounted - len(self.fit.exported)

    def line(self) -> str:
        """``39 tensors behind `backbone.` fit bert; 2 others: output.weight (2×768), …``."""
        rest = [*self.others()]
        shown = ", ".join(map(_shown, rest[:SHOWN])) + (", …" if len(rest) > SHOWN else "")
        begin = _behind(self.fit.begin)
        return (
            f"{self.tensors} tensors {f'behind {begin} ' if begin else ''}fit "
            f"{self.fit.table.name}; {len(rest) or 'no'} others"
            + (f": {shown}" if rest else "")
            + "".join(f"; and a model behind {_behind(other)}" for other in self.fit.others)
        )

    def others(self) -> Iterator[TensorEntry]:
        """What it would set aside, but for other models of the family."""
        begins = tuple(begin for other in self.fit.others for begin in other.split(","))
        for entry in self.fit.exported:
            if not begins or not without_kind(entry.name).startswith(begins):
                yield entry


def find_backbones(
    index: Index, tables: Sequence[Table], choice: Choice = NOTHING
) -> list[Backbone]:
    """Every model of `tables` that a network of one's own holds whole, in the order of the file.

    choice: as for `match_table`; what it says already is not asked for again

    Where the sizes are those of a published model, the families that know none are left out.
    """
    found = [fit for table in tables for fit in models_of(index, table, choice)]
    begins = dict.fromkeys(fit.begin for fit in found)
    models = []
    for begin in begins:
        alike = [fit for fit in found if fit.begin == begin]
        alike = [fit for fit in alike if fit.known] or alike
        for fit in alike:
            options = ["--family", fit.table.name] if len(alike) > 1 else []
            options += ["--prefix", begin] if len(begins) > 1 else ["--backbone"]
            for name in _needed(fit, choice.config):
                options += ["--config", name]
            models.append(Backbone(fit, tuple(options)))
    return models


def backbone_lines(models: Sequence[Backbone]) -> Iterator[str]:
    """The options for each model, and what it is; a line each."""
    for model in models[:SHOWN]:
        yield f"{' '.join(model.options)}: {model.line()}"
    if len(models) > SHOWN:
        yield f"… and {len(models) - SHOWN} more: bort-convert inspect --json lists them"


def head_line(index: Index, tables: Sequence[Table], choice: Choice) -> Iterator[str]:
    """A line for the options by which a Dense around a model becomes the head of its class."""
    uses = dict.fromkeys(use for table in tables for use in uses_of(table))
    fitting = [
        use
        for use in uses
        if any(not match_table(index, t, replace(choice, use=use)).problems for t in tables)
    ]
    if fitting:
        told = " or ".join(f"--head {use}" for use in fitting)
        yield f"{told}, in place of --backbone: if you know that this is what the rest is for"


def _needed(fit: Match, given: Mapping[str, Any]) -> Iterator[str]:
    """Fields that somebody has to tell, as `--config` takes them."""
    known = fit.known.config if fit.known else {}
    for name, required in fit.table.required.items():
        if name not in {*fit.sizes, *fit.table.config, *known, *given}:
            yield f"{name}={'N' if required.divides or required.multiple_of else 'VALUE'}"


def _behind(begin: str) -> str:
    return " and ".join(f"`{part}`" for part in begin.split(",") if part)


def _shown(entry: TensorEntry) -> str:
    return (
        f"{entry.name} ({'×'.join(map(str, entry.shape))})" if len(entry.shape) > 1 else entry.name
    )
