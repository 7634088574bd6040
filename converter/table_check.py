"""Everything about a table that can be wrong before any checkpoint is seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from converter.table import Table, is_pattern, placeholders

# What converter/gluon/ has, by file, with the settings of each `forward`; a test compares.
ARITHMETICS = {
    "bert": frozenset(
        {
            "num_heads",
            "activation",
            "layer_norm_eps",
            "decoder_layer_norm_eps",
            "embedding_layer_norm_eps",
            "attention_biases",
        }
    ),
    "gpt2": frozenset({"num_heads", "activation", "layer_norm_eps"}),
    "xlnet": frozenset({"activation", "layer_norm_eps"}),
}
OPTIONAL = frozenset({"embedding_layer_norm_eps", "attention_biases"})  # settings with a default
# The words of `Outputs.named`, in the order of a report, each with its shape.
OUTPUTS = {
    "pooled": ("batch", "units"),
    "logits": ("batch", "classes"),
    "nsp_logits": ("batch", "two"),
    "mlm_logits": ("batch", "length", "vocabulary"),
    "lm_logits": ("batch", "length", "vocabulary"),
    "token_logits": ("batch", "length", "classes"),
    "start_logits": ("batch", "length"),
    "end_logits": ("batch", "length"),
    "intent_logits": ("batch", "classes"),
    "slot_logits": ("batch", "length", "classes"),
}


def problems_of(table: Table) -> Iterator[str]:
    """A line for everything about a table that contradicts itself or the program."""
    yield from _pattern_problems(table)
    yield from _target_problems(table)
    yield from _size_problems(table)
    yield from _known_problems(table)
    yield from _arithmetic_problems(table)


def _target_problems(table: Table) -> Iterator[str]:
    heads = {head.name: head for head in table.heads}
    yield from _repeated("set of heads of [[target]]", (sorted(t.heads) for t in table.targets))
    if not table.targets:
        yield "  - there is no [[target]]: which Transformers class is written?"
    for target in table.targets:
        for missing in sorted(target.heads - heads.keys()):
            yield f"  - [[target]] {target.transformers_class}: there is no head {missing!r}"
        used = [
            *table.rows,
            *(r for h in sorted(target.heads & heads.keys()) for r in heads[h].rows),
        ]
        place = f"  - for {target.transformers_class}:"
        made = (*(row.target for row in used), *table.zeros)
        yield from _repeated(f"{place} target", (name.removeprefix(target.strip) for name in made))
        yield from _repeated(f"{place} source", (*(r.source for r in used), *table.drop))
    sources = {row.source for row in table.all_rows()}
    for head in table.heads:
        if not head.rows:
            yield f"  - [head.{head.name}] has no rows"
        for second, first in head.tied.items():
            if first not in sources:
                yield f"  - [head.{head.name}.tied] {second!r}: there is no row for {first!r}"
            if second in sources or placeholders(second):
                yield f"  - [head.{head.name}.tied] {second!r} has a row, or counts layers"


def _pattern_problems(table: Table) -> Iterator[str]:
    if not table.prefixes:
        yield '  - prefixes is empty: names without a prefix have the prefix ""'
    yield from _repeated("prefix", table.prefixes)
    for prefix in table.prefixes:
        if not is_pattern(prefix) or placeholders(prefix):
            yield f"  - prefix {prefix!r} has a brace"
    rows = [*table.all_rows()]
    for pattern in (*(p for r in rows for p in (r.source, r.target)), *table.zeros, *table.drop):
        if not is_pattern(pattern):
            yield f"  - {pattern!r}: a name has at most one {{letter}} and no other brace"
        for letter in sorted(placeholders(pattern) - table.layers.keys()):
            yield f"  - {pattern!r}: [layers] does not say what {{{letter}}} counts"
    for row in rows:
        if placeholders(row.source) != placeholders(row.target):
            yield f"  - {row.source!r} and {row.target!r} count different layers"
    counted = {letter for row in table.rows for letter in placeholders(row.source)}
    for letter in sorted(table.layers.keys() - counted):
        yield f"  - [layers] {letter}: no row outside the heads counts it"


def _size_problems(table: Table) -> Iterator[str]:
    targets = dict.fromkeys([*(row.target for row in table.all_rows()), *table.zeros])
    for pattern in targets:
        if pattern not in table.sizes:
            yield f"  - [sizes] has no entry for {pattern!r}"
    for pattern, sizes in table.sizes.items():
        if pattern not in targets:
            yield f"  - [sizes] {pattern!r} is no target of any row"
        if any(isinstance(size, int) and size < 1 for size in sizes):
            yield f"  - [sizes] {pattern!r}: a size is at least 1"
    counts = table.size_names() | set(table.layers.values()) | {"num_labels"}
    places = {"[config]": table.config}
    places |= {f"[head.{head.name}.config]": head.config for head in table.heads}
    places |= {f"[[known]] {known.name}": known.config for known in table.known}
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


def _arithmetic_problems(table: Table) -> Iterator[str]:
    arithmetic = table.arithmetic
    settings = ARITHMETICS.get(arithmetic.name)
    if settings is None:
        there = ", ".join(ARITHMETICS)
        yield f"  - [arithmetic] there is no {arithmetic.name!r}; there are: {there}"
    elif not settings - OPTIONAL <= arithmetic.settings.keys() <= settings:
        yield f"  - [arithmetic] {arithmetic.name} has the settings {', '.join(sorted(settings))}"
    fields = (
        table.size_names() | set(table.layers.values()) | table.config.keys() | table.needed.keys()
    )
    for name, setting in arithmetic.settings.items():
        if setting.value is None and setting.config is None:
            yield f"  - [arithmetic] {name}: neither a value nor a config field tells it"
        if setting.config is not None and setting.config not in fields:
            yield f"  - [arithmetic] {name}: nothing tells {setting.config!r}"
    for limit in table.limits:
        if limit.setting not in arithmetic.settings:
            yield f"  - [[limit]] {limit.setting!r} is no setting of [arithmetic]"
        if limit.config not in fields:
            yield f"  - [[limit]] {limit.setting}: nothing tells {limit.config!r}"
    outputs = [*(limit.output for limit in table.limits)]
    outputs += [output for target in table.targets for output in target.outputs.values()]
    for output in outputs:
        if output not in OUTPUTS:
            yield f"  - there is no output {output!r}; there are: {', '.join(OUTPUTS)}"


def _repeated(what: str, values: Iterable[Any]) -> Iterator[str]:
    seen = set()
    for value in values:
        if repr(value) in seen:
            yield f"  - {what} {value!r} stands twice"
        seen.add(repr(value))
