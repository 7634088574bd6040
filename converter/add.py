"""A tokenizer for a directory that was converted without one."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.errors import ConvertError, ParityError, PlanError, WriteError
from converter.files.staging import OURS, staging
from converter.report.model_card import with_tokenizer_section
from converter.report.told import told
from converter.tables.load import family_names, load_family, load_table
from converter.tokenizer import FILES, Files, Prepared, prepare, tokenizer_json, write_tokenizer
from converter.writing.model import write_json, write_text

if TYPE_CHECKING:
    from converter.proof.tokens import Tokens

PathLike = str | os.PathLike[str]


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
    record = told(destination)
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
        raise ConvertError(f"{destination / OURS}: says no vocab_size")
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
        _copy(destination, stage.path)
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
        write_json(stage.path / OURS, record)
        write_text(stage.path / "README.md", _card(stage.path / "README.md", prepared, tokens))
        stage.commit()
    return prepared, tokens


def _copy(source: Path, target: Path) -> None:
    """Everything but the tokenizer: the weights as links; what is written anew, as copies."""
    try:
        for path in source.iterdir():
            if path.is_dir():
                shutil.copytree(path, target / path.name, symlinks=True)
            elif path.name not in FILES:
                _link(path, target / path.name)
    except (OSError, shutil.Error) as error:
        raise WriteError(f"{source}: cannot be made anew: {error}") from error


def _link(path: Path, new: Path) -> None:
    if path.suffix == ".safetensors":
        try:
            os.link(path, new)
            return
        except OSError:  # a file system without links
            pass
    shutil.copy2(path, new, follow_symlinks=False)


def _card(path: Path, prepared: Prepared, tokens: Tokens) -> str:
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        text = ""
    return with_tokenizer_section(text, prepared, tokens)


def add_json(prepared: Prepared, tokens: Tokens) -> dict[str, Any]:
    """What `tokenizer --json` prints."""
    return {"tokenizer": tokenizer_json(prepared), "proof": asdict(tokens)}
