"""Tokenizer → the files that Transformers' AutoTokenizer reads, 4 and 5 alike.

`PreTrainedTokenizerFast` takes tokenizer.json as it is; the classes of one model (BertTokenizer,
RobertaTokenizer) replace steps of it by their own, which are not GluonNLP's.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from converter.errors import WriteError
from converter.tokenizer.build import build
from converter.tokenizer.spec import TokenizerSpec

# What may be written; a directory that lacks the first has no tokenizer
FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "spiece.model"),
)


def write_tokenizer(spec: TokenizerSpec, directory: Path) -> list[str]:
    """Write the tokenizer into an existing directory; returns the names of the files."""
    special = {f"{role}_token": token for role, token in spec.vocabulary.special.items()}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_input_names": [
            "input_ids",
            *(["token_type_ids"] if spec.rule.token_types else []),
            "attention_mask",
        ],
        "padding_side": spec.rule.padding_side,
        **({"model_max_length": spec.max_length} if spec.max_length else {}),
        **special,
    }
    contents: dict[str, bytes] = {
        "tokenizer.json": (build(spec).to_str(pretty=True) + "\n").encode(),
        "tokenizer_config.json": _json(settings),
        "special_tokens_map.json": _json(special),
        **_vocabulary(spec),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return [*contents]


def copy_without_tokenizer(source: Path, target: Path, rewritten: Collection[str]) -> None:
    """Everything but the tokenizer: `rewritten` as copies, the rest as the same files.

    So nothing large is copied, the owners stay, and who has a file open goes on writing into it.
    """
    try:
        for path in source.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.copytree(path, target / path.name, symlinks=True, copy_function=_link)
            elif path.name in rewritten:
                shutil.copy2(path, target / path.name)
            elif path.name not in FILES:
                _link(path, target / path.name)
    except (OSError, shutil.Error) as error:
        raise WriteError(f"{source}: cannot be made anew: {error}") from error


def _link(path: str | Path, new: str | Path) -> None:
    if not os.path.islink(path):  # noqa: PTH114  (copytree gives text)
        try:
            os.link(path, new)
            return
        except OSError:  # a file system without links, or a file of somebody else's
            pass
    shutil.copy2(path, new, follow_symlinks=False)


def _vocabulary(spec: TokenizerSpec) -> dict[str, bytes]:
    """The vocabulary in Transformers' own layouts, for whoever reads that."""
    if spec.model:
        ids = {"vocab.json": _json(spec.vocabulary.ids)} if spec.files.vocab else {}
        return {"spiece.model": spec.model.content, **ids}
    if spec.kind == "wordpiece":
        return {"vocab.txt": "".join(f"{t}\n" for t in spec.vocabulary.tokens).encode()}
    merges = "".join(f"{first} {second}\n" for first, second in spec.merges)
    return {
        "vocab.json": _json(spec.vocabulary.ids),
        "merges.txt": f"#version: 0.2\n{merges}".encode(),
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


# Without a vocabulary Transformers 5 invents a tokenizer of five tokens, and every text becomes the
# same ids. A class that cannot be is refused by both 4, which names it, and 5.
MARKER = "tokenizer_config.json"
NO_TOKENIZER = _json({"tokenizer_class": "NoVocabularyWasConverted_RunBortConvertTokenizer"})


def write_no_tokenizer(directory: Path) -> None:
    """Let `AutoTokenizer` fail loudly on a directory without a vocabulary."""
    (directory / MARKER).write_bytes(NO_TOKENIZER)
