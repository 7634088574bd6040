"""Every published size is told by names and shapes alone, among all tables, without an option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from converter.errors import PlanError
from converter.operations import OPERATIONS
from converter.planning.plan import make_plan
from converter.tables.load import family_names, load_family
from converter.tables.patterns import expand, numbers_of
from converter.tables.rows import size_of
from converter.tables.table import Known, Table
from tests.indexes import Shapes, make_index

TABLES = {name: load_family(name) for name in family_names()}
# What the zoo's files have and a known entry does not say: a vocabulary of theirs, and the like
REST = {
    "albert_1x": {"vocab_size": 30000, "max_position_embeddings": 512},
    "bart_1x": {"vocab_size": 51201, "max_position_embeddings": 1026},
    "bert": {"vocab_size": 30522},
    "bert_1x": {"vocab_size": 30522, "max_position_embeddings": 512},
    "bort": {"vocab_size": 50265, "max_position_embeddings": 512},
    "distilbert": {"vocab_size": 30522},
    "electra_1x": {"vocab_size": 30522, "max_position_embeddings": 512},
    "ernie": {"vocab_size": 17964},
    "gpt2": {"vocab_size": 50257, "n_positions": 1024},
    "gpt2_1x": {"vocab_size": 50257, "n_positions": 1024},
    "mobilebert_1x": {"vocab_size": 30522, "max_position_embeddings": 512},
    "roberta_1x": {"vocab_size": 50265},
    "roberta_1x_master": {"max_position_embeddings": 514},
    "xlmr_1x": {"max_position_embeddings": 514},
    "xlnet": {"vocab_size": 32000, "d_head": 64},
}
KNOWN = [(table, known) for table in TABLES.values() for known in table.known]


def sizes_of(table: Table, known: Known) -> dict[str, Any]:
    """The fields of config.json that the shapes of such a file are made of."""
    sizes = {"type_vocab_size": 2} | dict(table.config) | dict(known.config)
    sizes |= REST.get(table.name, {})
    if table.name == "bart_1x":
        sizes |= {f"{side}_ffn_dim": 4 * sizes["d_model"] for side in ("encoder", "decoder")}
    if table.name == "gpt2_1x":
        sizes["n_inner"] = 4 * sizes["n_embd"]
    if table.name == "mobilebert_1x":
        sizes |= {"_rest_of_units": 512 - 128, "_value_size": 128}
    return sizes


def shapes_of(table: Table, sizes: Mapping[str, Any]) -> Shapes:
    """The backbone, with the second names and the tensors of zeros that it has."""
    bare = next((t for t in table.targets if not t.heads and not t.export), table.targets[0])
    heads = [
        head
        for head in table.heads
        if head.name in bare.heads
        or (head.absent and any(sizes[a] != sizes[b] for a, b in head.absent.equal))
    ]
    numbers = numbers_of(
        {letter: sizes[field] for letter, field in table.layers.items()}, table.last
    )
    prefix = table.prefixes[0]

    def named() -> Iterator[tuple[str, tuple[int, ...]]]:
        for row in [*table.rows, *(row for head in heads for row in head.rows)]:
            wanted = [size_of(size, sizes) for size in table.sizes[row.targets[0]]]
            assert None not in wanted, (row.source, table.sizes[row.targets[0]])
            shape = tuple(size for size in wanted if size is not None)
            for name, _ in expand(prefix + row.source, numbers):
                yield name, OPERATIONS[row.operation].source_shape(shape, row.number)

    return dict(named())


@pytest.mark.parametrize(
    ("table", "known"), KNOWN, ids=[f"{t.name}-{k.name}".replace(" ", "_") for t, k in KNOWN]
)
def test_a_published_size_is_told_among_all_tables(table: Table, known: Known) -> None:
    index = make_index(shapes_of(table, sizes_of(table, known)))
    told = {name: "gelu" for name in ("hidden_act",) if name in table.required}  # of model.yml
    made = make_plan(index, [*TABLES.values()], told)
    assert (made.table.name, made.known) == (table.name, known.name)


def test_what_a_published_size_leaves_open_is_asked_for() -> None:
    table = TABLES["bert_1x"]
    index = make_index(shapes_of(table, sizes_of(table, table.known[0])))
    with pytest.raises(PlanError, match="google_bert_base, whose sizes these are, can have severa"):
        make_plan(index, [*TABLES.values()], {})
