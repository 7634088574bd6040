"""`model.safetensors` and `config.json`, read back by the safetensors library."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import converter
from converter.params import load_params, save_params
from converter.params.weights import PIECE
from converter.planning.file import plan_file
from converter.planning.steps import DTYPES, Step, widest_dtype
from converter.writing.model import write_model
from tests import zoo_master
from tests.borts import source
from tests.faults.making import (
    BORT_TOML,
    CONFIG,
    bort_arrays,
    mixed,
    table_with,
    write_params,
)
from tests.memory import peak
from tests.writing.making import EMBEDDING, OVER_A_PIECE, planned, planned_from, written

FFN = "bert.encoder.layer.{i}.intermediate.dense.weight"


def assert_same_bytes(array: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    assert array.tobytes() == expected.tobytes()


@pytest.fixture
def transposing(tmp_path: Path) -> Path:
    """A table in which the position embedding and ffn_1 are stored the other way round."""
    names = ("encoder.position_weight", "ffn.ffn_1")
    position, ffn = (
        next(line for line in BORT_TOML.splitlines() if line.startswith(f'"{name}"'))
        for name in names
    )
    return table_with(
        tmp_path / "transposing.toml",
        (f"[tensor]\n{position}", ""),
        (f"{ffn}\n", ""),
        (
            "[layer.norm]",
            '[layer.transpose]\n"ffn.ffn_1.weight" = ["intermediate.dense.weight", "hidden_size", '
            '"intermediate_size"]\n[layer.tensor]\n"ffn.ffn_1.bias" = ["intermediate.dense.bias", '
            '"intermediate_size"]\n[layer.norm]',
        ),
        (
            "\n[[layer]]",
            '[transpose]\n"encoder.position_weight" = ["bert.embeddings.position_embeddings.weight"'
            ', "hidden_size", "max_position_embeddings"]\n[[layer]]',
        ),
    )


@pytest.mark.parametrize("name", ["bort_decoder", "bort_float16", "bort_backbone"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_tensor_reads_back_equal_to_the_cast_source(
    name: str, dtype: str, tmp_path: Path
) -> None:
    plan = planned(source(name), dtype=dtype)
    tensors = written(plan, tmp_path / "out")
    arrays = converter.load_params(source(name))
    assert tensors.keys() == {step.target for step in plan.steps}
    for step in plan.steps:
        if step.source:
            expected = arrays[step.source.name]
            wanted = DTYPES[dtype] or expected.dtype
            assert_same_bytes(tensors[step.target], expected.astype(wanted))


def test_zeros_are_written_in_the_models_dtype(tmp_path: Path) -> None:
    tensors = written(planned(source("bort_float16")), tmp_path / "out")
    zeros = tensors["bert.embeddings.token_type_embeddings.weight"]
    assert_same_bytes(zeros, np.zeros((1, 32), np.float16))


def test_header_is_what_the_format_asks(tmp_path: Path) -> None:
    plan = planned_from(tmp_path, mixed(bort_arrays(mlm=False)))
    written(plan, tmp_path / "out")
    data = (tmp_path / "out" / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    widths = {step.target: step.dtype.itemsize for step in plan.steps}
    assert {*widths.values()} == {2, 4, 8}
    assert length % 8 == 0
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, after = entry["data_offsets"]
        assert (begin, begin % widths[name]) == (end, 0), name
        end = after
    assert 8 + length + end == len(data)


def test_mixed_dtypes_read_back(tmp_path: Path) -> None:
    arrays = mixed(bort_arrays())
    plan = planned_from(tmp_path, arrays)
    tensors = written(plan, tmp_path / "out")
    for step in plan.steps:
        if step.source:
            assert_same_bytes(tensors[step.target], arrays[step.source.name])


@pytest.mark.parametrize(("mask", "file_mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_mode_the_umask_asks(mask: int, file_mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        converter.convert(
            source("bort_backbone"), tmp_path / "out", family="bort", config=CONFIG, verify=False
        )
    finally:
        os.umask(before)
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()}
    assert modes == dict.fromkeys(modes, file_mode)
    assert "model.safetensors" in modes
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.parametrize("dtype", ["keep", "float16", "bfloat16"])
@pytest.mark.parametrize("positions", [5, OVER_A_PIECE])
def test_transposed_tensor_has_the_right_numbers(
    positions: int, dtype: str, transposing: Path, tmp_path: Path
) -> None:
    arrays = bort_arrays()
    random = np.random.default_rng(1)
    value = random.standard_normal((positions, 8), dtype=np.float32)
    arrays["encoder.position_weight"] = value
    tensors = written(
        planned_from(tmp_path, arrays, table=transposing, dtype=dtype), tmp_path / "out"
    )
    found = tensors["embeddings.position_embeddings.weight"]
    expected = value.T.astype(DTYPES[dtype] or np.float32)
    assert_same_bytes(found, expected)
    # What a writer does that takes the memory as it lies: the same shape, other numbers.
    assert not np.array_equal(found, value.astype(found.dtype).reshape(found.shape))


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensor_larger_than_a_piece(dtype: str, tmp_path: Path) -> None:
    arrays = bort_arrays(vocabulary=OVER_A_PIECE)
    assert arrays[EMBEDDING].nbytes > 3 * PIECE
    assert arrays[EMBEDDING].nbytes % PIECE
    tensors = written(planned_from(tmp_path, arrays, dtype=dtype), tmp_path / "out")
    expected = arrays[EMBEDDING].astype(DTYPES[dtype] or np.float32)
    assert_same_bytes(tensors["embeddings.word_embeddings.weight"], expected)


# float32: quiet and signalling, negative, smallest and largest payload
INFINITY_AND_NAN = [0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FBFFFFF]


@pytest.mark.parametrize("bits", INFINITY_AND_NAN, ids=hex)
@pytest.mark.parametrize("dtype", DTYPES)
def test_infinity_and_nan_pass_a_cast(bits: int, dtype: str, tmp_path: Path) -> None:
    arrays = bort_arrays()
    arrays[EMBEDDING].view(np.uint32)[3, 3] = bits
    special = arrays[EMBEDDING][3, 3]
    tensors = written(planned_from(tmp_path, arrays, dtype=dtype), tmp_path / "out")
    found = tensors["embeddings.word_embeddings.weight"]
    assert np.isfinite(found).sum() == found.size - 1
    assert np.array_equal(found[3, 3].astype(np.float32), special, equal_nan=True)
    assert np.signbit(found[3, 3].astype(np.float32)) == np.signbit(special)


def test_config_says_what_transformers_needs(tmp_path: Path) -> None:
    write_model(planned(source("bort_classifier"), dtype="bfloat16"), tmp_path)
    text = (tmp_path / "config.json").read_text("utf-8")
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "architectures": ["BertForSequenceClassification"],
        "dtype": "bfloat16",
        "model_type": "bert",
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": 32,
        "intermediate_size": 24,
        "max_position_embeddings": 20,
        "vocab_size": 97,
        "type_vocab_size": 1,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-05,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": True,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"},
        "label2id": {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2},
    }


MEASURED = """
import sys, converter
heads = {"num_attention_heads": 4}
converter.convert(*sys.argv[1:], family="bort", config=heads, dtype="float16", verify=False)
assert not {"torch", "transformers"} & sys.modules.keys()
"""


def test_memory_does_not_grow_with_the_file_and_torch_is_not_imported(tmp_path: Path) -> None:
    arrays = bort_arrays()
    arrays[EMBEDDING] = np.zeros((200_000_000 // 32, 8), np.float32)
    path = write_params(tmp_path / "a.params", arrays)
    taken, _ = peak(MEASURED, path, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > 100_000_000
    assert taken < 150_000_000


def test_a_value_that_becomes_several_tensors_is_counted_once(tmp_path: Path) -> None:
    """BART's words, untied: one tensor of the source, three of the target."""
    arrays = {k: np.array(a) for k, a in load_params(zoo_master.source("bart_untied")).items()}
    for name in ("src_embed_layer.weight", "tgt_embed_layer.weight"):  # one, under two names
        arrays[name][3, 5] = np.nan
    source = tmp_path / "nan.params"
    save_params(source, arrays, "V3")
    plan = plan_file(source, family="bart_1x", config=zoo_master.plan_of("bart_untied").overrides)
    copies = [s for s in plan.steps if s.source and s.source.name == "src_embed_layer.weight"]
    assert len(copies) == 3
    (tmp_path / "out").mkdir()
    found = write_model(plan, tmp_path / "out")
    assert {name: count.nan for name, count in found.items()} == {"src_embed_layer.weight": 1}


HALF, BRAIN, SINGLE, DOUBLE = map(np.dtype, ("<f2", ml_dtypes.bfloat16, "<f4", "<f8"))


@pytest.mark.parametrize(
    ("dtypes", "widest"),
    [
        ([HALF, HALF], HALF),
        ([BRAIN], BRAIN),
        ([HALF, SINGLE], SINGLE),
        ([DOUBLE, HALF, SINGLE], DOUBLE),
        ([HALF, BRAIN], SINGLE),
    ],
)
def test_the_widest_dtype_holds_all(dtypes: list[np.dtype], widest: np.dtype) -> None:
    steps = [Step("zeros", (), f"{n}", dtype, (2,)) for n, dtype in enumerate(dtypes)]
    assert widest_dtype(steps) == widest


def test_a_model_that_is_cast_in_part_is_loaded_as_it_is(tmp_path: Path) -> None:
    """`net.encoder.cast('float16')`: the dtype of most bytes would round the embeddings."""
    import torch
    from transformers import BertModel

    arrays = bort_arrays(vocabulary=9)
    halves = {n: a.astype(np.float16) if "encoder" in n else a for n, a in arrays.items()}
    source = write_params(tmp_path / "a.params", halves)
    report = converter.convert(source, tmp_path / "out", family="bort", config=CONFIG)
    assert report.passed
    assert report.plan.config["dtype"] == "float32"
    model = BertModel.from_pretrained(tmp_path / "out", add_pooling_layer=False, dtype="auto")
    words = model.embeddings.word_embeddings.weight
    assert words.dtype == torch.float32
    assert (words.detach().numpy() == arrays["word_embed.0.weight"]).all()
