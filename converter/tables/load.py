"""TOML → Table: the package's own tables and a user's; what they say is checked at once."""

from __future__ import annotations

import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from converter.errors import TableError
from converter.operations import ROW_OPERATIONS
from converter.tables.check import problems_of
from converter.tables.section import SCALAR, Section, of_type
from converter.tables.statements import parse_statements
from converter.tables.table import (
    Absent,
    Golden,
    Head,
    Known,
    KnownDifference,
    More,
    Needed,
    Part,
    Row,
    Size,
    Table,
    Target,
    Version,
)
from converter.tables.tokenizer_rule import parse_tokenizer

MAX_BYTES = 2**20  # the shipped table has 12,000: a larger file is no table


def family_names() -> list[str]:
    """The names of the tables that come with the package."""
    folder = resources.files("converter.tables") / "families"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")


def load_family(name: str) -> Table:
    """A table of the package, by name. Raises `TableError` listing the names there are."""
    if name not in family_names():
        raise TableError(
            f"there is no family {name!r}; there are: {', '.join(family_names())}. "
            "A table of your own is given with --table FILE."
        )
    text = (resources.files("converter.tables") / "families" / f"{name}.toml").read_text("utf-8")
    return parse_table(text, name, f"{name}.toml")


def load_table(path: str | os.PathLike[str]) -> Table:
    """A user's own table; its name is the file's. Raises `TableError`."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TableError(f"{path}: cannot be read as a table: {reason or error}") from error
    return parse_table(text, path.stem, str(path))


def parse_table(text: str, name: str, origin: str) -> Table:
    """TOML text → checked table. Raises `TableError` naming `origin` and the key."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of 5,000 digits
        raise TableError(f"{origin}: not TOML: {error}") from error
    table = _build(Section(data, origin), name, origin, text)
    problems = [*dict.fromkeys(problems_of(table))]  # two targets may share one
    if problems:
        raise TableError("\n".join([f"{origin}: the table contradicts itself:", *problems]))
    return table


def _build(top: Section, name: str, origin: str, text: str) -> Table:
    table = Table(
        name=name,
        origin=origin,
        text=text,
        title=top.take("title", str),
        reference=top.take("reference", str),
        prefixes=top.listed("prefixes", str, [""]),
        layers=top.mapping("layers", str),
        last=top.mapping("last", str),
        rows=_rows(top),
        zeros=top.mapping("zeros", str),
        drop=top.mapping("drop", str),
        zero=top.mapping("zero", str),
        heads=_heads(top.section("head")),
        parts=tuple(_part(section) for section in top.sections("part")),
        targets=tuple(_target(section) for section in top.sections("target")),
        tied=top.mapping("tied", str),
        untested=top.mapping("untested", str),
        sizes={
            target: tuple(_size(s, origin, f"sizes.{target}") for s in sizes)
            for target, sizes in top.mapping("sizes", list).items()
        },
        config=top.mapping("config", SCALAR),
        needed=_needed(top.section("needed")),
        model_config=parse_statements(top.section("model_config")),
        known=tuple(_known(section) for section in top.sections("known")),
        known_differences=tuple(
            _known_difference(section) for section in top.sections("known_difference")
        ),
        versions=tuple(_version(section) for section in top.sections("version")),
        golden=_golden(top.section("golden")),
        notes=_notes(top.section("card")),
        tokenizer=parse_tokenizer(top.section("tokenizer")),
    )
    top.end()
    return table


def _rows(section: Section) -> tuple[Row, ...]:
    return tuple(
        _row(operation, source, value, section.place)
        for operation in ROW_OPERATIONS
        for source, value in section.mapping(operation, (str, list, dict)).items()
    )


def _row(operation: str, source: str, value: Any, place: str) -> Row:
    """A target; `split` has a list of them, `copy` may have one; `pad` has `{ target, rows }`."""
    place = f"{place}: [{operation}] {source!r}"
    if operation == "pad":
        entry = Section(of_type(value, dict, place, "pad"), place)
        row = Row(operation, source, (entry.take("target", str),), entry.take("rows", int))
        entry.end()
        return row
    if operation == "split":
        targets = of_type(value, list, place, "split")
        names = tuple(of_type(target, str, place, "split") for target in targets)
        return Row(operation, source, names, len(names))
    if operation == "copy" and isinstance(value, list):
        return Row(
            operation, source, tuple(of_type(target, str, place, "copy") for target in value)
        )
    return Row(operation, source, (of_type(value, str, place, operation),))


def _size(value: Any, place: str, key: str) -> Size:
    """A field, a number, a list of these (their product), or `{ of, plus }` (the sum)."""
    if isinstance(value, dict):
        entry = Section(value, f"{place}: {key}")
        more = More(entry.take("of", str), entry.take("plus", int))
        entry.end()
        return more
    if isinstance(value, list):
        return tuple(of_type(factor, (str, int), place, key) for factor in value)
    size: Size = of_type(value, (str, int), place, key)
    return size


def _heads(section: Section) -> tuple[Head, ...]:
    heads = []
    for name in section.keys():
        head = section.section(name)
        heads.append(
            Head(
                name,
                rows=_rows(head),
                tied=head.mapping("tied", str),
                outer=head.take("outer", bool, False),
                config=head.mapping("config", SCALAR),
                export=head.listed("export", str, []),
                instead_of=head.take("instead_of", str, ""),
                equal=_pairs(head, "equal"),
                absent=_absent(head.section("absent")) if "absent" in head.keys() else None,
            )
        )
        head.end()
    return tuple(heads)


def _absent(section: Section) -> Absent:
    absent = Absent(
        equal=_pairs(section, "equal"),
        identity=section.listed("identity", str, []),
        zeros=section.listed("zeros", str, []),
        config=section.mapping("config", SCALAR),
    )
    section.end()
    return absent


def _pairs(section: Section, key: str) -> tuple[tuple[str, ...], ...]:
    pairs = section.listed(key, list, [])
    return tuple(tuple(of_type(n, str, section.place, key) for n in pair) for pair in pairs)


def _target(section: Section) -> Target:
    target = Target(
        section.take("class", str),
        heads=frozenset(section.listed("heads", str)),
        strip=section.take("strip", str, ""),
        init=section.mapping("init", SCALAR),
        outputs=section.mapping("outputs", str),
        export=frozenset(section.listed("export", str, [])),
        reason=section.take("reason", str, ""),
    )
    section.end()
    return target


def _part(section: Section) -> Part:
    part = Part(
        section.take("name", str),
        section.take("prefix", str),
        tied=section.mapping("tied", str),
        drop=section.mapping("drop", str),
        export=section.listed("export", str, []),
        reason=section.take("reason", str, ""),
    )
    section.end()
    return part


def _needed(section: Section) -> dict[str, Needed]:
    needed = {}
    for name in section.keys():
        entry = section.section(name)
        needed[name] = Needed(
            divides=entry.take("divides", str, ""), multiple_of=entry.take("multiple_of", str, "")
        )
        entry.end()
    return needed


def _known(section: Section) -> Known:
    name = section.take("name", str)
    return Known(name, {key: section.take(key, SCALAR) for key in section.keys()})


def _version(section: Section) -> Version:
    unscramble = section.section("unscramble")
    version = Version(
        versions=section.listed("versions", str),
        text=section.take("text", str, ""),
        config=section.mapping("config", SCALAR),
        heads=unscramble.take("heads", str, ""),
        unscramble=tuple(
            tuple(of_type(name, str, unscramble.place, "biases") for name in triple)
            for triple in (
                of_type(t, list, unscramble.place, "biases")
                for t in unscramble.take("biases", list, [])
            )
        ),
    )
    unscramble.end()
    section.end()
    return version


def _known_difference(section: Section) -> KnownDifference:
    known = KnownDifference(
        setting=section.take("setting", str),
        config=section.take("config", str, "")
        if "value" in section.keys()
        else section.take("config", str),
        output=section.take("output", str),
        text=section.take("text", str),
        value=section.take("value", float) if "value" in section.keys() else None,
    )
    section.end()
    return known


def _golden(section: Section) -> Golden | None:
    if not section.keys():
        return None
    golden = Golden(
        of=section.take("of", str),
        input_ids=section.listed("input_ids", int),
        shape=section.listed("hidden_states_shape", int),
        begin=section.listed("hidden_states_begin", (int, float)),
        weights=section.take("weights", str),
        atol=section.take("atol", float),
    )
    section.end()
    return golden


def _notes(section: Section) -> tuple[str, ...]:
    notes = section.listed("notes", str, [])
    section.end()
    return notes
