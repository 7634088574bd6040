"""The whole line: the only module that knows every step. These functions are the Python API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.errors import ConvertError, ParityError, PlanError
from converter.files.staging import RECORD_FILE, staging
from converter.params import Weights, check_unchanged, read_index, state_of
from converter.params.graphs import find_source
from converter.params.nonfinite import Nonfinite, Tally, refuse_nonfinite
from converter.params.source import find_params
from converter.planning.assumptions import renewed
from converter.planning.base import Plan
from converter.planning.file import files_of, plan_of, tables_of
from converter.planning.inspection import Inspection as Inspection
from converter.planning.inspection import inspect as inspect
from converter.planning.inspection import inspect_graph as inspect_graph
from converter.planning.options import (
    CONVERT,
    EXPORT,
    NETWORK,
    TOKENIZER,
    VERIFY,
    Options,
    PathLike,
    parse_size,
)
from converter.planning.plan import TablePlan
from converter.planning.takes import Takes
from converter.planning.vocabulary import RecordedTokenizer
from converter.proof.beside import beside
from converter.proof.proof import check_installed, check_reference, prove
from converter.report.foreign import REWRITTEN, foreign_files, foreign_to_tokenizer
from converter.report.record import (
    ExportReport,
    Report,
    check_record,
    read_record,
    report_of,
    write_record,
)
from converter.tables.load import family_names
from converter.tokenizer import (
    TokenizerSpec,
    copy_without_tokenizer,
    make_spec,
    tokenizer_json,
    write_no_tokenizer,
    write_tokenizer,
)
from converter.writing.model import write_json, write_model, write_text
from converter.writing.own_names import exported_names, exported_tensor, sparse, unholdable
from converter.writing.safetensors import write_safetensors
from converter.writing.shards import weight_files

if TYPE_CHECKING:
    from converter.proof.tokens import Tokens


@Takes(Options, CONVERT)
def convert(src: PathLike, dst: PathLike, options: Options) -> Report:
    """Convert the `.params` file `src` into the new directory `dst`, and prove it equal.

    `src` is the file, or a directory with one such file in it, as those of GluonNLP 1.x. Without
    a family or table the file's sizes decide. Without files of a tokenizer those under GluonNLP's
    names are taken, beside the source or in `$MXNET_HOME/models`; else the only vocabulary of the
    model's size that is beside the source, or in the archive that it is.

    Raises `ParamsError`, `TableError`, `VocabularyError`, `PlanError` (all problems at once),
    `WriteError`, `NonfiniteError` (every tensor with NaN or infinity), and `ParityError` (with the
    report) when the proof fails. After any of them `dst` is as before.
    """
    size, progress = parse_size(options.max_shard_size), options.progress
    source, destination = Path(os.path.realpath(src)), Path(os.path.realpath(dst))
    if source == destination or destination in source.parents:
        raise ConvertError(f"{dst}: the source is in it; choose another --dst")
    found_source = find_source(src, options.symbol)
    read = Path(os.path.realpath(found_source.params))
    before = state_of(read)
    made = plan_of(found_source, options)
    if options.verify:
        check_installed(made)
        check_reference(made)
    with (
        beside(options.jobs if options.verify else 1) as calls,
        staging(destination, force=options.force, foreign=foreign_files) as stage,
    ):
        found = write_model(made, stage.path, progress, size)
        if isinstance(made, TablePlan):
            _write_tokenizer(made, stage.path)
        check_unchanged(read, before)
        refuse_nonfinite(made.index.path, found, allowed=options.allow_nonfinite)
        proof = None
        if options.verify:
            proof = prove(made, stage.path, options.atol, None, progress, bool(found), calls)
        report = report_of(made, proof, found, tuple(weight_files(stage.path)), options.given())
        check_unchanged(read, before)
        if proof and not report.passed:
            raise ParityError(f"{src}: converted, and the proof failed; {dst} was not made", report)
        from converter.report.card import model_card  # slow to import, for a whole conversion alone

        folder = source.name if source.is_dir() else None  # GluonNLP 1.x calls every file "model"
        write_text(stage.path / "README.md", model_card(report, folder))
        write_record(stage.path, report.to_json())
        progress("flushing to disk", 0, 1)
        stage.commit()
    return report


@Takes(Options, VERIFY)
def verify(src: PathLike, dst: PathLike, options: Options) -> Report:
    """Repeat the proof on a directory that `convert` wrote; nothing is written.

    What the conversion was told (family, config, dtype) is read from its `conversion.json`; what is
    said here wins. Raises as `convert` does; `ParityError` carries the report.
    """
    record = read_record(Path(dst))
    if record["way"] == "graph":
        told = _told_graph(record, options)
        made = plan_of(find_source(src, options.symbol), told)
    else:
        told = _told_table(record, options, dst)
        tokenizer = RecordedTokenizer(record=record["tokenizer"], directory=Path(dst))
        made = plan_of(find_source(src), told, tokenizer, record["model_config"])
    check_installed(made)
    recorded = None if options.golden is None else Path(options.golden)
    with beside(options.jobs) as calls:
        found = _nonfinite(made)
        rest = options.atol, recorded, options.progress, bool(found), calls
        proof = prove(made, Path(dst), *rest)
    proof = replace(proof, unchanged=check_record(Path(dst), config=not proof.names.passed))
    files = tuple(weight_files(Path(dst)))
    report = report_of(made, proof, found, files, record.get("options", {}))
    if not report.passed:
        raise ParityError(f"{dst} is not proven to be {src}", report)
    return report


def _told_table(record: Mapping[str, Any], options: Options, dst: PathLike) -> Options:
    """The options of the conversion by a table, those said now in place of those said then."""
    if options.table is None and options.family is None:
        if record["family"] not in family_names():
            raise ConvertError(
                f"{dst} was converted with the table {record['family']!r}: give it by --table"
            )
        options = replace(options, family=record["family"])
    before = record.get("options", {})
    return replace(
        options,
        way="table",
        config={**record["config_overrides"], **(options.config or {})},
        dtype=record["dtype"],
        gluonnlp_version=options.gluonnlp_version or record["gluonnlp_version"],
        part=record["part"],
        force_config=True,  # `convert` allowed it
        **{n: getattr(options, n) or before.get(n, getattr(Options, n)) for n in NETWORK},
    )


def _told_graph(record: Mapping[str, Any], options: Options) -> Options:
    """The same by a graph."""
    before = record["options"]
    said = {n: getattr(options, n) or before.get(n, ()) for n in ("inputs", "outputs")}
    return replace(options, way="graph", dtype=record["dtype"], **said)


def _write_tokenizer(plan: TablePlan, directory: Path) -> None:
    if plan.tokenizer:
        write_tokenizer(plan.tokenizer, directory)
    else:
        write_no_tokenizer(directory)


def _nonfinite(plan: Plan) -> Mapping[str, Nonfinite]:
    """The tensors of the plan that hold NaN or infinity: what `write_model` returns."""
    tally = Tally()
    with Weights(plan.index) as weights:
        for source in {s.source.name: s.source for s in plan.steps if s.source}.values():
            for _ in tally.watch(source, weights.pieces(source)):
                pass
    return tally.found


@Takes(Options, EXPORT)
def export(src: PathLike, dst: PathLike, options: Options) -> ExportReport:
    """Copy every tensor of the parameters file `src` into the new file `dst`, bit for bit.

    `src` is the file, or a directory with one such file in it.
    `dst` ends in `.safetensors` or `.npz`. Every dtype, shape and value is kept; safetensors holds
    all dtypes of MXNet, `.npz` all but bfloat16. A name that holds no array is left out, and the
    report says so. The proof reads every tensor back through the library that users of `dst` have
    (safetensors; `numpy.load`). Memory does not grow with the file.

    Raises `ParamsError`, `PlanError` (every name or dtype that the target cannot hold, at once),
    `NonfiniteError`, `WriteError`, and `ParityError` (with the report) when the proof fails. After
    any of them `dst` is as before.
    """
    npz, progress = _is_npz(dst, options.npz), options.progress
    src = find_params(src)
    source, destination = Path(os.path.realpath(src)), Path(os.path.realpath(dst))
    if source == destination or (destination.is_file() and _is_same(source, destination)):
        raise ConvertError(f"{dst}: is the source itself; choose another DST")
    before = state_of(source)
    index = read_index(src)
    names, unmet = exported_names(index, options.strip_prefixes)
    if problems := [*unholdable(names, npz), *([] if options.densify else sparse(names))]:
        raise PlanError(f"{src} cannot be exported as {'npz' if npz else 'safetensors'}:", problems)
    tally = Tally()
    with (
        staging(destination, file=True, force=options.force) as stage,
        Weights(index, densify=options.densify) as weights,
    ):
        tensors = [exported_tensor(name, entry, weights, tally) for name, entry in names.items()]
        if npz:
            from converter.writing.npz import write_npz  # zipfile: half of the files do without

            write_npz(stage.path, tensors, progress)
        else:
            write_safetensors(stage.path, tensors, progress)
        refuse_nonfinite(index.path, tally.found, allowed=options.allow_nonfinite)
        copies = None
        if options.verify:
            from converter.proof.copies import check_copies  # nothing of it, when it is not asked

            copies = check_copies(names, weights, stage.path, npz=npz, progress=progress)
        target = "npz" if npz else "safetensors"
        report = ExportReport(index, target, names, tally.found, copies, tuple(unmet))
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


@Takes(Options, TOKENIZER)
def add_tokenizer(dst: PathLike, options: Options) -> tuple[TokenizerSpec, Tokens]:
    """Put a tokenizer into `dst`, a directory that `convert` wrote, in place of any it has.

    The directory is made anew beside itself, the weights being the same file (a link where the
    file system can), and yours too, and appears by one rename. config.json, conversion.json and
    the model card are brought up to date; a table is given only where convert was given one.

    Raises `VocabularyError`, `PlanError`, `WriteError`, and `ParityError` when the tokenizer does
    not give GluonNLP's ids. After any of them `dst` is as before.
    """
    check_installed()
    from converter.proof.tokens import check_tokens  # as in `prove`: slow to import
    from converter.report.card import with_tokenizer

    destination = Path(os.path.realpath(dst))
    foreign = foreign_to_tokenizer(destination)
    record = read_record(destination)
    if record["way"] != "table":
        raise ConvertError(f"{dst}: holds the module of a graph, which takes no tokenizer")
    if options.table is None and record["family"] not in family_names():
        raise ConvertError(
            f"{dst} was converted with the table {record['family']!r}: give it by --table"
        )
    (used,) = tables_of(None if options.table else record["family"], options.table)
    if used.tokenizer is None:
        raise PlanError(f"{used.origin} has no [tokenizer]:", ["no tokenizer can be made of it"])
    files = files_of(options)
    config = record["config"]
    if type(config.get("vocab_size")) is not int:
        raise ConvertError(f"{destination / RECORD_FILE}: says no vocab_size")
    spec = make_spec(
        used.tokenizer,
        files,
        config,
        record["config_overrides"],
        options.lower,
        options.gluonnlp_version or record["gluonnlp_version"],
    )
    old = (record["tokenizer"] or {}).get("ids", {})
    gone = old.keys() - spec.ids.keys()  # the others keep their places in the file
    config = {key: value for key, value in config.items() if key not in gone} | spec.ids
    with staging(destination, force=True, foreign=foreign) as stage:
        copy_without_tokenizer(destination, stage.path, REWRITTEN)
        write_tokenizer(spec, stage.path)
        tokens = check_tokens(spec, stage.path, used.reference)
        if not tokens.passed:
            lines = [f"{dst}: the tokenizer does not give GluonNLP's ids:", *tokens.problems]
            raise ParityError("\n  - ".join(lines), tokens)
        assumed = renewed(record.get("assumed"), spec)
        record |= {"config": config, "tokenizer": tokenizer_json(spec)}
        record["assumed"] = [*map(asdict, assumed)]
        if isinstance(record.get("proof"), dict):
            record["proof"]["tokens"] = asdict(tokens)
        if record["model_config"]:
            record["model_config"] = asdict(record["model_config"])
        write_json(stage.path / "config.json", config)
        card = with_tokenizer(_text(stage.path / "README.md"), spec, tokens, assumed, record, used)
        write_text(stage.path / "README.md", card)
        write_record(stage.path, record)
        stage.commit()
    return spec, tokens


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""
