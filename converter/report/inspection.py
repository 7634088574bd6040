"""What is in a file, and which families fit it, as lines for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from converter.errors import safe
from converter.params import Index, TensorEntry, origin
from converter.params.diagnosis import listed
from converter.planning.backbones import Backbone
from converter.planning.match import Match
from converter.planning.refusals import foreign_headline, foreign_ways, is_foreign, known_as
from converter.planning.scopes import VERSIONS
from converter.report.columns import Row, columns, merged
from converter.report.plan_json import nonfinite_json
from converter.tables.unsupported import outsized

if TYPE_CHECKING:
    from converter.params.content import Content

LISTED = 8  # tensors of one kind that a person is shown; conversion.json has them all


def some_names(entries: Sequence[TensorEntry]) -> str:
    """The names of a few tensors, or those of the first and how many there are."""
    names = ", ".join(safe(entry.name) for entry in entries[:LISTED])
    return f"{names}, … ({len(entries)} in all)" if len(entries) > LISTED else names


def inspection_lines(
    index: Index,
    fits: Sequence[Match],
    content: Content | None = None,
    backbones: Sequence[Backbone] = (),
    every: bool = False,
) -> Iterator[str]:
    """The tensors of a file; where it is from; how each family fits, or what a network holds.

    Those of all layers are on one line, with their bytes together; `every`: each has its own.
    """
    rows = [("name", "dtype", "shape", "bytes", "format")]
    for entry in index.tensors.values():
        if entry.storage == "none":
            rows.append((entry.name, "–", "no array", "0", entry.version))
            continue
        shape = "×".join(map(str, entry.shape)) or "scalar"
        kind = entry.version if entry.storage == "dense" else f"{entry.version} {entry.storage}"
        rows.append((entry.name, entry.dtype.name, shape, f"{entry.nbytes:,}", kind))
    yield from columns(
        rows if every or outsized(index) else [_together(*row) for row in merged(rows)]
    )
    yield ""
    yield f"{len(index.tensors):,} tensors, {index.size:,} bytes"
    yield from _origin(index, content)
    if version := next((fit.version for fit in fits if fit.version), None):
        yield f"names as {VERSIONS[version]} gives them"
    if content:
        yield from _content_lines(content)
    yield from _fits_lines(index, fits, backbones)


def _together(row: Row, of: Sequence[Row]) -> Row:
    """A row for the tensors `of` all layers, with the bytes of each."""
    size = row[3] if len(of) == 1 else f"{len(of)} × {row[3]}"
    return *row[:3], size, *row[4:]


def _fits_lines(
    index: Index, fits: Sequence[Match], backbones: Sequence[Backbone]
) -> Iterator[str]:
    """The families that fit; when none does, the one that explains most, and why it does not.

    Of a network of one's own, the models in it, and the options that convert them.
    """
    fitting = [fit for fit in fits if not fit.problems]
    told = fitting or sorted(fits, key=lambda f: (not f.undecided, -f.accounted))[:1]
    if not fitting:
        if known := known_as(index, [fit.table for fit in fits]):
            yield from map(safe, known)
            return
        for backbone in backbones:
            yield backbone.line()
            yield f"  - converted by {' '.join(backbone.options)}"
        if backbones:
            yield from told[0].problems if told[0].undecided else ()
            return
        if not told or (not told[0].undecided and is_foreign(told[0], several=True)):
            yield foreign_headline(*told)
            yield from (f"  - {safe(line)}" for line in foreign_ways(index))
            return
    for fit in told:
        yield from fit_lines(fit)
    if len(fitting) > 1 and len([fit for fit in fitting if fit.known]) != 1:
        yield "more than one family fits: choose with --family"
    others = [fit.table.name for fit in fits if fit not in told]
    if others:
        yield f"does not fit: {', '.join(others)}"


def _origin(index: Index, content: Content | None) -> Iterator[str]:
    if index.container != "params":
        yield f"container: {index.container}" + (f", in it {index.member}" if index.member else "")
    for version, era in origin.eras(index).items():
        yield f"format: {version}, written by {era}"
    if index.tensors:
        scheme = origin.naming(index)
        yield f"names: {scheme} ({origin.NAMINGS[scheme]})"
        yield "dtypes: " + ", ".join(f"{n:,} {name}" for name, n in origin.dtypes(index).items())
    if sparse := origin.stored_as(index, "row_sparse", "csr"):
        yield f"sparse: {listed(sparse)}"
    if missing := origin.stored_as(index, "none"):
        yield f"without array: {listed(missing)}"
    if model := origin.zoo_model(index, content.sha1 if content else None):
        yield f"GluonNLP's zoo: {model[0]}, by its {model[1]}"


def _content_lines(content: Content) -> Iterator[str]:
    """What reading all weights told."""
    for names in content.equal:
        yield f"equal: {' = '.join(names)}"
    if content.constant:
        yield f"one value throughout: {content.constant:,} tensors"
    for name, count in content.nonfinite.items():
        yield f"not finite: {name}: {count}"
    if not content.nonfinite:
        yield "all values are finite"


def fit_lines(fit: Match) -> Iterator[str]:
    """Whether a family fits, and what is missing or must be given by hand."""
    name = fit.table.name
    if fit.problems:
        yield f"{name}: does not fit: {fit.accounted} of {len(fit.index.tensors)} tensors explained"
        if fit.accounted or fit.undecided:  # else the list would be the whole table
            yield from (f"  - {safe(problem)}" for problem in fit.problems)
        return
    known = f", the sizes of {fit.known.name}" if fit.known else ""
    target = fit.target.transformers_class if fit.target else "nothing"
    yield f"{name}: fits{known}; becomes {target}"
    config = {*fit.sizes, *fit.table.config, *(fit.known.config if fit.known else ())}
    for needed in sorted(fit.table.required.keys() - config):
        yield f"  - the file does not store {needed}: convert with --config {needed}=N"
    if fit.exported:
        yield f"  - not converted but exported: {some_names(fit.exported)}"
    yield from (f"  - {version.text}" for version in fit.table.versions if version.text)


def inspection_json(
    index: Index,
    fits: Sequence[Match],
    content: Content | None = None,
    backbones: Sequence[Backbone] = (),
) -> dict[str, Any]:
    """A file as plain data: what `inspect --json` prints."""
    model = origin.zoo_model(index, content.sha1 if content else None)
    return {
        "file": index.path.name,
        "bytes": index.size,
        "container": index.container,
        "member": index.member,
        "written_by": origin.eras(index),
        "naming": origin.naming(index),
        "named_by": next((VERSIONS[fit.version] for fit in fits if fit.version), None),
        "dtypes": origin.dtypes(index),
        "zoo_model": {"name": model[0], "known_by": model[1]} if model else None,
        "tensors": [
            {
                "name": entry.name,
                "dtype": entry.dtype.name if entry.storage != "none" else None,
                "shape": entry.shape,
                "bytes": entry.nbytes,
                "offset": entry.offset,
                "version": entry.version,
                "storage": entry.storage,
            }
            for entry in index.tensors.values()
        ],
        "backbones": [
            {
                "family": backbone.fit.table.name,
                "begin": backbone.fit.begin,
                "class": backbone.fit.target.transformers_class if backbone.fit.target else None,
                "tensors": backbone.tensors,
                "others": [entry.name for entry in backbone.fit.exported],
                "options": backbone.options,
            }
            for backbone in backbones
        ],
        "families": {fit.table.name: {"problems": fit.problems} for fit in fits},
        "content": _content_json(content) if content else None,
    }


def _content_json(content: Content) -> dict[str, Any]:
    return {
        "sha1": content.sha1,
        "equal": content.equal,
        "constant": content.constant,
        "nonfinite": nonfinite_json(content.nonfinite),
    }
