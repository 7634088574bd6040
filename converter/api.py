"""The whole line: the only module that knows every step. These functions are the Python API."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.errors import ConvertError, ParityError, PlanError
from converter.files.staging import RECORD_FILE, staging
from converter.params import Index, Weights, check_unchanged, read_index, state_of
from converter.params.nonfinite import Nonfinite, Tally, refuse_nonfinite
from converter.params.source import find_params
from converter.planning.file import check_dtype, plan_file, planned, tables_of
from converter.planning.match import Match, match_table
from converter.planning.plan import Plan
from converter.planning.vocabulary import RecordedTokenizer
from converter.proof.proof import DEFAULT_ATOL, check_reference, prove
from converter.report.model_card import model_card, with_tokenizer_section
from converter.report.record import ExportReport, Report, read_record
from converter.tables.load import family_names, load_family, load_table
from converter.tokenizer import (
    Files,
    Prepared,
    copy_without_tokenizer,
    prepare,
    tokenizer_json,
    write_tokenizer,
)
from converter.writing.model import write_json, write_model, write_text
from converter.writing.own_names import exported_names, exported_tensor, sparse, unholdable
from converter.writing.safetensors import Progress, silent, write_safetensors
from converter.writing.shards import MAX_SHARD_SIZE, parse_size, weight_files

if TYPE_CHECKING:
    from converter.params.content import Content
    from converter.proof.tokens import Tokens

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Inspection:
    """What is in a file, and how each family's table fits it (best first).

    `content` is None unless it was asked for.
    """

    index: Index
    fits: tuple[Match, ...]
    content: Content | None = None


def inspect(src: PathLike, *, content: bool = False, progress: Progress = silent) -> Inspection:
    """Read the index of `src` and try every family on it.

    content: read every weight too: which tensors are equal, which values are not finite
    progress: called with (stage, done, total)

    Raises `ParamsError` when `src` is no whole parameters file.
    """
    index = read_index(find_params(src))
    fits = [match_table(index, load_family(name)) for name in family_names()]
    fits.sort(key=lambda f: (len(f.problems), -f.accounted))
    if not content:
        return Inspection(index, tuple(fits))
    from converter.params.content import read_content

    return Inspection(index, tuple(fits), read_content(index, progress))


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
    if verify:
        check_reference(made)
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
        write_json(stage.path / RECORD_FILE, report.to_json())
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
    record = read_record(Path(dst))
    if table is None and family is None:
        family = record["family"]
        if family not in family_names():
            raise ConvertError(f"{dst} was converted with the table {family!r}: give it by --table")
    check_dtype(record["dtype"])
    made = planned(
        find_params(src),
        tables_of(family, table),
        {**record["config_overrides"], **(config or {})},
        record["dtype"],
        gluonnlp_version or record["gluonnlp_version"],
        model_config or record["model_config"],
        record["part"],
        RecordedTokenizer(record=record["tokenizer"], directory=Path(dst)),
    )
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


def export(
    src: PathLike,
    dst: PathLike,
    *,
    npz: bool = False,
    strip_prefixes: Sequence[str] = (),
    verify: bool = True,
    force: bool = False,
    allow_nonfinite: bool = False,
    densify: bool = False,
    progress: Progress = silent,
) -> ExportReport:
    """Copy every tensor of the parameters file `src` into the new file `dst`, bit for bit.

    dst: ends in `.safetensors` or `.npz`
    npz: write an `.npz`, whatever `dst` is called
    strip_prefixes: taken off the names that begin with them, one after another, each once
    verify: False leaves out the proof, which reads every tensor back through the library that
        users of `dst` have (safetensors; `numpy.load`)
    force: replace a file that exists
    allow_nonfinite: copy NaN and infinities too
    densify: make sparse tensors dense, each whole in memory for its turn; else they are refused
    progress: called with (stage, done, total)

    Every dtype, shape and value is kept; safetensors holds all dtypes of MXNet, `.npz` all but
    bfloat16. A name that holds no array is left out, and the report says so. Memory does not grow
    with the file. Raises `ParamsError`, `PlanError` (every name or
    dtype that the target cannot hold, at once), `NonfiniteError`, `WriteError`, and `ParityError`
    (with the report) when the proof fails. After any of them `dst` is as before.
    """
    npz = _is_npz(dst, npz)
    source, destination = Path(os.path.realpath(src)), Path(os.path.realpath(dst))
    if source == destination or (destination.is_file() and _is_same(source, destination)):
        raise ConvertError(f"{dst}: is the source itself; choose another DST")
    before = state_of(source)
    index = read_index(src)
    names = exported_names(index, strip_prefixes)
    if problems := [*unholdable(names, npz), *([] if densify else sparse(names))]:
        raise PlanError(f"{src} cannot be exported as {'npz' if npz else 'safetensors'}:", problems)
    tally = Tally()
    with (
        staging(destination, file=True, force=force) as stage,
        Weights(index, densify=densify) as weights,
    ):
        tensors = [exported_tensor(name, entry, weights, tally) for name, entry in names.items()]
        if npz:
            from converter.writing.npz import write_npz  # zipfile: half of the files do without

            write_npz(stage.path, tensors, progress)
        else:
            write_safetensors(stage.path, tensors, progress)
        refuse_nonfinite(index.path, tally.found, allowed=allow_nonfinite)
        copies = None
        if verify:
            from converter.proof.copies import check_copies  # nothing of it, when it is not asked

            copies = check_copies(names, weights, stage.path, npz=npz, progress=progress)
        report = ExportReport(index, "npz" if npz else "safetensors", names, tally.found, copies)
        check_unchanged(source, before)
        if copies and not copies.passed:
            raise ParityError(f"{src}: exported, and the proof failed; {dst} was not made", report)
        stage.commit()
    return report


def _is_npz(dst: PathLike, npz: bool) -> bool:
    suffix = Path(dst).suffix.lower()
    if npz and suffix == ".safetensors":
        raise ConvertError(f"{dst}: ends in .safetensors, and an .npz is asked for; rename it")
    if not npz and suffix not in (".safetensors", ".npz"):
        raise ConvertError(f"{dst}: ends neither in .safetensors nor in .npz; rename it")
    return npz or suffix == ".npz"


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:  # the source cannot be looked at: reading it will say why
        return False


def add_tokenizer(
    dst: PathLike,
    *,
    vocab: PathLike | None = None,
    merges: PathLike | None = None,
    sentencepiece: PathLike | None = None,
    lower: bool | None = None,
    gluonnlp_version: str | None = None,
    table: PathLike | None = None,
) -> tuple[Prepared, Tokens]:
    """Put a tokenizer into `dst`, a directory that `convert` wrote, in place of any it has.

    The directory is made anew beside itself, the weights being the same file (a link where the
    file system can), and appears by one rename. config.json, conversion.json and the model card
    are brought up to date. Arguments as for `convert`; `table` only where convert was given one.
    Raises `VocabularyError`, `PlanError`, `WriteError`, and `ParityError` when the tokenizer does
    not give GluonNLP's ids. After any of them `dst` is as before.
    """
    from converter.proof.tokens import check_tokens  # as in `prove`: slow to import

    destination = Path(os.path.realpath(dst))
    record = read_record(destination)
    if table is None and record["family"] not in family_names():
        raise ConvertError(
            f"{dst} was converted with the table {record['family']!r}: give it by --table"
        )
    used = load_family(record["family"]) if table is None else load_table(table)
    if used.tokenizer is None:
        raise PlanError(f"{used.origin} has no [tokenizer]:", ["no tokenizer can be made of it"])
    files = Files(
        *(None if path is None else Path(path) for path in (vocab, merges, sentencepiece))
    )
    config = record["config"]
    if type(config.get("vocab_size")) is not int:
        raise ConvertError(f"{destination / RECORD_FILE}: says no vocab_size")
    prepared = prepare(
        used.tokenizer,
        files,
        config,
        record["config_overrides"],
        lower,
        gluonnlp_version or record["gluonnlp_version"],
    )
    old = (record["tokenizer"] or {}).get("ids", {})
    config = {key: value for key, value in config.items() if key not in old} | prepared.ids
    with staging(destination, force=True) as stage:
        copy_without_tokenizer(destination, stage.path)
        write_tokenizer(prepared, stage.path)
        tokens = check_tokens(prepared, stage.path)
        if not tokens.passed:
            lines = [f"{dst}: the tokenizer does not give GluonNLP's ids:", *tokens.problems]
            raise ParityError("\n  - ".join(lines), tokens)
        record |= {"config": config, "tokenizer": tokenizer_json(prepared)}
        if isinstance(record.get("proof"), dict):
            record["proof"]["tokens"] = asdict(tokens)
        if record["model_config"]:
            record["model_config"] = asdict(record["model_config"])
        write_json(stage.path / "config.json", config)
        write_json(stage.path / RECORD_FILE, record)
        write_text(stage.path / "README.md", _card(stage.path / "README.md", prepared, tokens))
        stage.commit()
    return prepared, tokens


def _card(path: Path, prepared: Prepared, tokens: Tokens) -> str:
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        text = ""
    return with_tokenizer_section(text, prepared, tokens)
