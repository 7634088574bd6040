"""Everything about a table that can be wrong before any checkpoint is seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from converter.tables.patterns import is_pattern, placeholders
from converter.tables.rows import More
from converter.tables.table import Absent, Head, Table
from converter.tables.tokenizer_rule import tokenizer_problems

# The words of `Outputs.named`, in the order of a report, each with its shape.
OUTPUTS = {
    "query_stream": ("batch", "length", "units"),
    "pooled": ("batch", "units"),
    "logits": ("batch", "classes"),
    "nsp_logits": ("batch", "two"),
    "sop_logits": ("batch", "two"),
    "rtd_logits": ("batch", "length"),
    "mlm_logits": ("batch", "length", "vocabulary"),
    "lm_logits": ("batch", "length", "vocabulary"),
    "token_logits": ("batch", "length", "classes"),
    "start_logits": ("batch", "length"),
    "end_logits": ("batch", "length"),
    "intent_logits": ("batch", "classes"),
    "slot_logits": ("batch", "length", "classes"),
}
SIZES = {"dense": [2], "conv1d": [2], "split": [2], "norm": [1], "rms_norm": [1], "transpose": [2]}
EMBEDDINGS = "embeddings"  # the first of the hidden states, as reports call it
DECODER_EMBEDDINGS = "decoder embeddings"


def problems_of(table: Table) -> Iterator[str]:
    """A line for everything about a table that contradicts itself or the program."""
    yield from _pattern_problems(table)
    yield from _target_problems(table)
    yield from _head_problems(table)
    yield from _size_problems(table)
    yield from _known_problems(table)
    yield from _difference_problems(table)
    yield from _version_problems(table)
    if table.tokenizer:
        yield from tokenizer_problems(table.tokenizer, _fields(table))
    yield from _statement_problems(table)


def _target_problems(table: Table) -> Iterator[str]:
    heads = {head.name: head for head in table.heads}
    yield from _repeated(
        "set of heads of [[target]]", (sorted(t.heads | t.export) for t in table.targets)
    )
    if not table.targets:
        yield "  - there is no [[target]]: which Transformers class is written?"
    for target in table.targets:
        place = f"  - [[target]] {target.transformers_class}"
        for missing in sorted((target.heads | target.export) - heads.keys()):
            yield f"{place}: there is no head {missing!r}"
        for both in sorted(target.heads & target.export):
            yield f"{place}: the head {both!r} is converted and exported"
        if bool(target.export) != bool(target.reason):
            yield f"{place}: export and reason go together"
        converted = [heads[name] for name in sorted(target.heads & heads.keys())]
        for head in converted:
            if head.export:
                yield f"{place}: the head {head.name!r} has names that are only exported"
        used = [*table.rows, *(row for head in converted for row in head.rows)]
        place = f"  - for {target.transformers_class}:"
        made = (*(name for row in used for name in row.targets), *table.zeros)
        yield from _repeated(f"{place} target", (name.removeprefix(target.strip) for name in made))
        yield from _repeated(
            f"{place} source", (*(r.source for r in used), *table.drop, *table.zero)
        )


def _head_problems(table: Table) -> Iterator[str]:
    heads = {head.name: head for head in table.heads}
    sources = {row.source for row in table.all_rows()}
    for head in table.heads:
        place = f"  - [head.{head.name}]"
        if not [*head.sources()]:
            yield f"{place} has no rows"
        if head.dropout and [*head.without_dropout().sources()] == [*head.sources()]:
            yield f"{place} dropout: no number in its names is smaller without Dropout blocks"
        yield from _optional_problems(table, head)
        if head.instead_of:
            if head.instead_of not in heads or heads[head.instead_of].instead_of:
                yield f"{place} instead_of: there is no head {head.instead_of!r} to stand for"
            if not head.config:
                yield f"{place} instead_of: its config must say when"
    ties = [("[tied]", table.tied), *((f"[head.{h.name}.tied]", h.tied) for h in table.heads)]
    claimed = sources - {row.source for h in table.heads if h.instead_of for row in h.rows}
    for place, tied in ties:
        for second, first in tied.items():
            if first not in sources:
                yield f"  - {place} {second!r}: there is no row for {first!r}"
            if second in claimed or placeholders(second):
                yield f"  - {place} {second!r} has a row, or counts layers"


def _optional_problems(table: Table, head: Head) -> Iterator[str]:
    place = f"  - [head.{head.name}]"
    absent = head.absent or Absent()
    for pair in (*head.equal, *absent.equal):
        if len(pair) != 2:
            yield f"{place} equal: a pair has two sizes, not {len(pair)}"
        for name in sorted({*pair} - table.size_names()):
            yield f"{place} equal: {name!r} is the size of no row"
    targets = {target for row in head.rows for target in row.targets}
    made = [*absent.identity, *absent.zeros]
    for name in sorted({*made} - targets):
        yield f"{place} absent: {name!r} is no target of its rows"
    yield from _repeated(f"{place} absent: target", made)
    for name in absent.identity:
        if len(table.sizes.get(name, ())) != 2:
            yield f"{place} absent: {name!r} is no matrix"
        elif table.sizes[name] not in absent.equal and table.sizes[name][::-1] not in absent.equal:
            yield f"{place} absent: an identity {name!r} needs equal sizes"
    optional = [t for t in table.targets if head.absent and head.name in t.heads | t.export]
    for target in optional:
        yield f"{place} is optional: [[target]] {target.transformers_class} must not name it"


def _pattern_problems(table: Table) -> Iterator[str]:
    if not table.prefixes:
        yield '  - prefixes is empty: names without a prefix have the prefix ""'
    yield from _repeated("prefix", table.prefixes)
    yield from _part_problems(table)
    for prefix in table.prefixes:
        if not is_pattern(prefix) or placeholders(prefix):
            yield f"  - prefix {prefix!r} has a brace"
    rows = [*table.all_rows()]
    exported = (name for head in table.heads for name in head.export)
    names = (name for row in rows for name in (row.source, *row.targets))
    for pattern in (*names, *exported, *table.zeros, *table.drop, *table.zero):
        if not is_pattern(pattern):
            yield f"  - {pattern!r}: a name has each {{letter}} once and no other brace"
        for letter in sorted(placeholders(pattern) - table.layers.keys() - table.last.keys()):
            yield f"  - {pattern!r}: [layers] does not say what {{{letter}}} counts"
    for row in rows:
        for target in row.targets:
            if placeholders(row.source) - table.last.keys() != placeholders(target):
                yield f"  - {row.source!r} and {target!r} count different layers"
        if not row.targets:
            yield f"  - [{row.operation}] {row.source!r}: needs a target"
        if row.operation == "split" and row.number < 2:
            yield f"  - [split] {row.source!r}: needs at least two targets"
        if row.operation == "pad" and row.number < 1:
            yield f"  - [pad] {row.source!r}: rows is at least 1"
    for letter, of in table.last.items():
        if letter in table.layers or of not in table.layers:
            yield f"  - [last] {letter} = {of!r}: a new letter, for the last of one of [layers]"
    counted = {letter for row in table.rows for letter in placeholders(row.source)}
    for letter in sorted(table.layers.keys() - counted):
        yield f"  - [layers] {letter}: no row outside the heads counts it"


def _part_problems(table: Table) -> Iterator[str]:
    yield from _repeated("[[part]] name", (part.name for part in table.parts))
    for part in table.parts:
        place = f"  - [[part]] {part.name}"
        if bool(part.export) != bool(part.reason):
            yield f"{place}: export and reason go together"
        for beginning in part.export:
            if beginning.startswith(part.prefix) or part.prefix.startswith(beginning):
                yield f"{place}: export {beginning!r} are names of the model itself"


def _size_problems(table: Table) -> Iterator[str]:
    beside = [(f"[zeros] {name!r}", zeros.sizes) for name, zeros in table.zeros.items()]
    for rows in (table, *table.heads):
        for kind, source, module in rows.modules():
            place, count = f"[{kind}] {source!r}", len(module.sizes)
            beside.append((place, module.sizes))
            if module.number and kind != "pad":
                yield f"  - {place}: {module.number} comes before its target: only pad has one"
            if count not in SIZES.get(kind, range(1, 9)):
                yield f"  - {place}: {count} sizes are not those of its kind"
        for target, sizes in rows.target_sizes():
            if sizes != table.sizes[target]:
                yield f"  - {target!r} has the sizes {sizes} and elsewhere {table.sizes[target]}"
    for place, sizes in beside:
        factors = [f for size in sizes for f in (size if isinstance(size, tuple) else (size,))]
        numbers = [f.plus if isinstance(f, More) else f for f in factors]
        if () in sizes or any(isinstance(number, int) and number < 1 for number in numbers):
            yield f"  - {place}: a size is at least 1"
    counts = table.size_names() | set(table.layers.values()) | {"num_labels"}
    places = {"[config]": table.config}
    places |= {f"[head.{head.name}.config]": head.config for head in table.heads}
    places |= {f"[[known]] {known.name}": known.config for known in table.known}
    places |= {f"[[version]] {', '.join(v.versions)}": v.config for v in table.versions}
    for place, config in places.items():
        for name in sorted(counts & config.keys()):
            if type(config[name]) is not int or config[name] < 1:  # type: ignore[operator]
                yield f"  - {place} {name} = {config[name]!r} is no size"


def _known_problems(table: Table) -> Iterator[str]:
    """A known model must be recognised by its sizes, and by them alone."""
    yield from _repeated("[[known]] name", (known.name for known in table.known))
    told = table.size_names() | set(table.layers.values())
    sizes = [{k: v for k, v in known.config.items() if k in told} for known in table.known]
    for number, (known, own) in enumerate(zip(table.known, sizes, strict=True)):
        if not own:
            yield f"  - [[known]] {known.name!r} states no size to recognise it by"
        for other, theirs in zip(table.known[:number], sizes, strict=False):
            if all(own[name] == theirs[name] for name in own.keys() & theirs.keys()):
                yield f"  - [[known]] {other.name!r} and {known.name!r} can have the same sizes"


def _difference_problems(table: Table) -> Iterator[str]:
    fields = _fields(table)
    for known in table.known_differences:
        if known.value is None and known.config not in fields:
            yield f"  - [[known_difference]] {known.setting}: {known.config!r} is not defined"
    outputs = [known.output for known in table.known_differences if known.output != EMBEDDINGS]
    outputs += [output for target in table.targets for output in target.outputs.values()]
    for output in outputs:
        if output not in OUTPUTS:
            yield f"  - there is no output {output!r}; there are: {', '.join(OUTPUTS)}"


def _fields(table: Table) -> set[str]:
    """The config fields that shapes, the table or the user tell."""
    told = {*table.size_names(), *table.layers.values()}
    return told | table.config.keys() | table.required.keys() | {*table.unset}


def _version_problems(table: Table) -> Iterator[str]:
    yield from _repeated("version", (v for version in table.versions for v in version.versions))
    copied = {row.source for row in table.rows if row.operation == "copy"}
    for version in table.versions:
        place = f"  - [[version]] {', '.join(version.versions)}"
        if not version.versions:
            yield f"{place}: versions is empty"
        for name in sorted(version.config.keys() - table.config.keys()):
            yield f"{place}: {name!r} is no field of [config]"
        if version.unscramble and version.heads not in _fields(table):
            yield f"{place}: {version.heads!r} is not defined"
        for triple in version.unscramble:
            if len(triple) != 3 or len({*triple}) != 3:
                yield f"{place}: unscramble needs query, key and value, not {triple}"
            for name in sorted({*triple} - copied):
                yield f"{place}: unscramble {name!r}: no row copies it"


def _statement_problems(table: Table) -> Iterator[str]:
    fields = _fields(table)
    heads = {head.name for head in table.heads}
    for key, statement in table.model_yml.items():
        place = f"  - [model_yml] {key!r}"
        ways = [bool(statement.config), bool(statement.models), bool(statement.unused)]
        if sum(ways) + (statement.only is not None) != 1:
            yield f"{place}: one of config, models, only and unused says what it is for"
        for model, values in statement.models.items():
            for name in sorted(values.keys() - fields):
                yield f"{place} {model}: {name!r} is not defined"
        if statement.config and statement.config not in fields:
            yield f"{place}: {statement.config!r} is not defined"
        if not statement.config and (statement.values or statement.scale or statement.plus):
            yield f"{place}: values, scale and plus are those of a config field"
        if bool(statement.scale) != bool(statement.scaled_by):
            yield f"{place}: scale and scaled_by go together"
        if statement.scale and statement.scale not in table.model_yml:
            yield f"{place}: there is no key {statement.scale!r}"
        if statement.scaled_by and statement.scaled_by not in heads:
            yield f"{place}: there is no head {statement.scaled_by!r}"


def _repeated(what: str, values: Iterable[Any]) -> Iterator[str]:
    seen = set()
    for value in values:
        if repr(value) in seen:
            yield f"  - {what} {value!r} is a duplicate"
        seen.add(repr(value))
