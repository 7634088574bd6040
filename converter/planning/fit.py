"""What is asked of a file, and how a table fits it: the names, before any weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.errors import safe
from converter.params import Index, TensorEntry
from converter.planning.shapes import RowMatch
from converter.tables.patterns import Numbers
from converter.tables.table import Head, Known, Table, Target


@dataclass(frozen=True, repr=False)
class Match:
    """How a table fits an index. `problems` is empty when it fits whole.

    `sizes` are config fields read off shapes and layer numbers; `tied` pairs a second name with
    the tensor it must equal; `exported` go beside the model, and `export_reason` says why;
    `dropped` gives the table's reason for every source left out, and of these `zero` must be all
    zeros.

    `absent` are the optional heads that the file does not have. The keys of `index` are structural
    names. `version` is the GluonNLP that the names tell, a key of
    `converter.planning.scopes.VERSIONS`; `undecided`: they can be read in more than one way.
    `backbone`: the model alone is converted; `around` are the names of what is no part of it, and
    among the `exported`.
    `begin` is how the names of the model begin in the file, and `others` how those of other models
    of the family begin that are set aside. `read_as` is the class of GluonNLP whose head's names
    these are, where a head of one's own could have the same.
    """

    table: Table
    index: Index
    problems: tuple[str, ...]
    prefix: str = ""
    heads: tuple[Head, ...] = ()
    absent: tuple[Head, ...] = ()
    target: Target | None = None
    rows: tuple[RowMatch, ...] = ()
    tied: tuple[tuple[TensorEntry, TensorEntry], ...] = ()
    exported: tuple[TensorEntry, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    zero: tuple[TensorEntry, ...] = ()
    numbers: Numbers = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    known: Known | None = None
    export_reason: str = ""
    version: str | None = None
    undecided: bool = False
    part: str | None = None
    backbone: bool = False
    around: frozenset[str] = frozenset()
    begin: str = ""
    others: tuple[str, ...] = ()
    read_as: str | None = None

    def __repr__(self) -> str:
        fits = f"does not fit, {len(self.problems)} problems" if self.problems else "fits"
        return f"<Match of {safe(self.index.path.name)} with {self.table.name}: {fits}>"

    @property
    def accounted(self) -> int:
        """How many tensors of the file the table explains."""
        sources = {row.source.name for row in self.rows}
        return len(sources) + len(self.tied) + len(self.exported) + len(self.dropped)


@dataclass(frozen=True)
class Choice:
    """What the user says of a file, for those who match it.

    config:   fields that choose between heads of the same names (`Head.instead_of`)
    part:     of the models of a file that holds several
    use:      what a head is for that no name tells
    backbone: the model alone is meant; what is around it in a network of one's own is set aside
    prefix:   how the names of that model begin
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    part: str | None = None
    use: str | None = None
    backbone: bool = False
    prefix: str | None = None
