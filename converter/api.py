"""The whole line: the only module that knows every step. These functions are the Python API."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.errors import ConvertError, ParityError, PlanError
from converter.files.staging import OURS, staging
from converter.params import Index, Weights, check_unchanged, read_index, state_of
from converter.params.nonfinite import Nonfinite, Tally, refuse_nonfinite
from converter.params.source import find_params
from converter.planning.match import Fit, fit
from converter.planning.model_yml import ModelConfig, find_model_config
from converter.planning.plan import Plan, make_plan
from converter.planning.steps import DTYPES
from converter.planning.words import with_recorded, with_tokenizer
from converter.proof.proof import DEFAULT_ATOL, prove
from converter.report.model_card import model_card
from converter.report.record import Report
from converter.report.told import told
from converter.tables.load import family_names, load_family, load_table
from converter.tables.table import Table
from converter.tokenizer import Files, write_tokenizer
from converter.writing.model import write_json, write_model, write_text
from converter.writing.safetensors import Progress, silent
from converter.writing.shards import MAX_SHARD_SIZE, parse_size, weight_files

if TYPE_CHECKING:
    from converter.params.content import Content

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Inspection:
    """What is in a file, and how each family's table fits it (best first).

    `content` is None unless it was asked for.
    """

    index: Index
    fits: tuple[Fit, ...]
    content: Content | None = None


def inspect(src: PathLike, *, content: bool = False, progress: Progress = silent) -> Inspection:
    """Read the index of `src` and try every family on it.

    content: read every weight too: which tensors are equal, which values are not finite
    progress: called with (stage, done, total)

    Raises `ParamsError` when `src` is no whole parameters file.
    """
    index = read_index(find_params(src))
    fits = [fit(index, load_family(name)) for name in family_names()]
    fits.sort(key=lambda f: (len(f.problems), -f.accounted))
    if not content:
        return Inspection(index, tuple(fits))
    from converter.params.content import read_content

    return Inspection(index, tuple(fits), read_content(index, progress))


def plan_file(
    src: PathLike,
    *,
    family: str | None = None,
    table: PathLike | None = None,
    config: Mapping[str, Any] | None = None,
    dtype: str = "keep",
    gluonnlp_version: str | None = None,
    model_config: PathLike | ModelConfig | None = None,
    part: str | None = None,
    vocab: PathLike | None = None,
    merges: PathLike | None = None,
    sentencepiece: PathLike | None = None,
    lower: bool | None = None,
) -> Plan:
    """What `convert` would do with `src`, without reading a weight or writing anything.

    Arguments and errors as for `convert`.
    """
    _check_dtype(dtype)
    params = find_params(src)
    made = _planned(
        params, _tables(family, table), config or {}, dtype, gluonnlp_version, model_config, part
    )
    given = (None if path is None else Path(path) for path in (vocab, merges, sentencepiece))
    return with_tokenizer(made, Files(*given), lower)


def _planned(
    params: Path,
    tables: Sequence[Table],
    config: Mapping[str, Any],
    dtype: str,
    gluonnlp_version: str | None,
    model_config: PathLike | ModelConfig | None,
    part: str | None,
) -> Plan:
    """The plan, with the `model.yml` that is given or stands beside `params`."""
    told = Path(model_config) if isinstance(model_config, (str, os.PathLike)) else model_config
    found = told or find_model_config(params)
    made = make_plan(read_index(params), tables, config, dtype, gluonnlp_version, found, part)
    if told and made.model_config is None:
        raise PlanError(
            f"{params} cannot be converted as {made.table.name}:",
            [f"its models have no model.yml: leave out --model-config {model_config}"],
        )
    return made


def convert(
    src: PathLike,
    dst: PathLike,
    *,
    family: str | None = None,
    table: PathLike | None = None,
    config: Mapping[str, Any] | None = None,
    dtype: str = "keep",
    gluonnlp_version: str | None = None,
    model_config: PathLike | None = None,
    part: str | None = None,
    vocab: PathLike | None = None,
    merges: PathLike | None = None,
    sentencepiece: PathLike | None = None,
    lower: bool | None = None,
    max_shard_size: int | str = MAX_SHARD_SIZE,
    verify: bool = True,
    atol: float = DEFAULT_ATOL,
    force: bool = False,
    allow_nonfinite: bool = False,
    progress: Progress = silent,
) -> Report:
    """Convert the `.params` file `src` into the new directory `dst`, and prove it equal.

    src: the file, or a directory with one such file in it, as those of GluonNLP 1.x
    family: a name of `bort-convert families`; None lets the file's sizes decide
    table: a table file of one's own, instead of a family
    config: Transformers' config fields that no tensor tells, such as `num_attention_heads`
    dtype: `keep`, `float32`, `float16` or `bfloat16`
    gluonnlp_version: what the model was trained under, such as "0.9"; None: the meaning that all
        other versions share
    model_config: the `model.yml` of a GluonNLP 1.x model; None: the one beside the file, if any
    part: which model to convert of a file that holds several, such as ELECTRA's `generator`
    vocab, merges, sentencepiece: files of the tokenizer; if all are None, those that stand beside
        the source or in `$MXNET_HOME/models` under GluonNLP's names; if there are none, no
        tokenizer is written
    lower: whether text is lower-cased; None: the vocabulary's name or the table tells
    max_shard_size: weights of more bytes become several files and an index; "500MB" is 500,000,000
    verify: False writes without proof, and imports neither torch nor transformers
    atol: the largest absolute difference allowed in float32 hidden states and logits; ten times as
        much at a position where values reach 100, and so on
    force: replace a directory that an earlier conversion wrote
    allow_nonfinite: convert NaN and infinite weights too; parity then holds a value for equal
        when both sides have NaN, or the same infinity, in its place
    progress: called with (stage, done, total)

    Raises `ParamsError`, `TableError`, `VocabularyError`, `PlanError` (all problems at once),
    `WriteError`, `NonfiniteError` (every tensor with NaN or infinity), and `ParityError` (with the
    report) when the proof fails. After any of them `dst` is as before.
    """
    size = parse_size(max_shard_size)
    source, destination = Path(os.path.realpath(src)), Path(os.path.realpath(dst))
    if source == destination or destination in source.parents:
        raise ConvertError(f"{dst}: the source is in it; choose another --dst")
    params = find_params(src)
    read = Path(os.path.realpath(params))
    before = state_of(read)
    made = plan_file(
        params,
        family=family,
        table=table,
        config=config,
        dtype=dtype,
        gluonnlp_version=gluonnlp_version,
        model_config=model_config,
        part=part,
        vocab=vocab,
        merges=merges,
        sentencepiece=sentencepiece,
        lower=lower,
    )
    with staging(destination, force=force) as stage:
        found = write_model(made, stage.path, progress, size)
        if made.tokenizer:
            write_tokenizer(made.tokenizer, stage.path)
        check_unchanged(read, before)
        refuse_nonfinite(made.index.path, found, allowed=allow_nonfinite)
        proof = prove(made, stage.path, atol, None, progress, bool(found)) if verify else None
        report = Report(made, proof, found, tuple(weight_files(stage.path)))
        check_unchanged(read, before)
        if verify and not report.passed:
            raise ParityError(f"{src}: converted, and the proof failed; {dst} was not made", report)
        write_json(stage.path / OURS, report.to_json())
        folder = source.name if source.is_dir() else None  # GluonNLP 1.x calls every file "model"
        write_text(stage.path / "README.md", model_card(report, folder))
        progress("flushing to disk", 0, 1)
        stage.commit()
    return report


def verify(
    src: PathLike,
    dst: PathLike,
    *,
    golden: PathLike | None = None,
    family: str | None = None,
    table: PathLike | None = None,
    config: Mapping[str, Any] | None = None,
    gluonnlp_version: str | None = None,
    model_config: PathLike | None = None,
    atol: float = DEFAULT_ATOL,
    progress: Progress = silent,
) -> Report:
    """Repeat the proof on a directory that `convert` wrote; nothing is written.

    What the conversion was told (family, config, dtype) is read from its `conversion.json`;
    arguments given here win. `golden` is a file of `examples/record_golden.py`.
    Raises as `convert` does; `ParityError` carries the report.
    """
    record = told(Path(dst))
    if table is None and family is None:
        family = record["family"]
        if family not in family_names():
            raise ConvertError(f"{dst} was converted with the table {family!r}: give it by --table")
    _check_dtype(record["dtype"])
    made = _planned(
        find_params(src),
        _tables(family, table),
        {**record["config_overrides"], **(config or {})},
        record["dtype"],
        gluonnlp_version or record["gluonnlp_version"],
        model_config or record["model_config"],
        record["part"],
    )
    made = with_recorded(made, record["tokenizer"], Path(dst))
    found = _nonfinite(made)
    recorded = None if golden is None else Path(golden)
    proof = prove(made, Path(dst), atol, recorded, progress, bool(found))
    report = Report(made, proof, found, tuple(weight_files(Path(dst))))
    if not report.passed:
        raise ParityError(f"{dst} is not proven to be {src}", report)
    return report


def _nonfinite(plan: Plan) -> Mapping[str, Nonfinite]:
    """The tensors of the plan that hold NaN or infinity: what `write_model` returns."""
    tally = Tally()
    with Weights(plan.index) as weights:
        for source in {s.source.name: s.source for s in plan.steps if s.source}.values():
            for _ in tally.watch(source, weights.pieces(source)):
                pass
    return tally.found


def _check_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise ConvertError(f"there is no dtype {dtype!r}; there are: {', '.join(DTYPES)}")


def _tables(family: str | None, table: PathLike | None) -> Sequence[Table]:
    if family is not None and table is not None:
        raise PlanError("family and table exclude each other:", ["give one of them"])
    if table is not None:
        return [load_table(table)]
    return [load_family(name) for name in ([family] if family else family_names())]
