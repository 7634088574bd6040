"""Runs under any Transformers: the ids that AutoTokenizer gives.

    python -W error load_tokenizers.py FOLDER TEXTS.json OUT.json NAME...

Every NAME is a directory in FOLDER. Texts are encoded without special tokens, those in them taken
for text unless `:special` follows the name; `sequences` are one text, a pair and a padded batch as
a user encodes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import transformers


def main(folder: Path, texts: Path, out: Path, names: list[str]) -> None:
    """Load each directory and encode all texts."""
    words = [t for category in json.loads(texts.read_text("utf-8")).values() for t in category]
    results = {}
    logging: Any = transformers.utils.logging
    logging.set_verbosity_error()
    for argument in names:
        name, _, special = argument.partition(":")
        loaded = transformers.AutoTokenizer.from_pretrained(folder / name, local_files_only=True)
        results[name] = {
            "ids": [
                loaded(text, add_special_tokens=False, split_special_tokens=not special)[
                    "input_ids"
                ]
                for text in words
            ],
            "sequences": [
                dict(loaded("Hello world", "and you")),
                dict(loaded(["Hello world", "and"], padding=loaded.pad_token is not None)),
            ],
            "masked": loaded(f"Hello {loaded.mask_token or ''} world")["input_ids"],
            "special": {
                role: getattr(loaded, f"{role}_token_id")
                for role in ("pad", "bos", "eos", "cls", "sep", "mask", "unk")
            },
            "length": len(loaded),
            "longest": loaded.model_max_length,
        }
    found = {"transformers": transformers.__version__, "cases": results}
    out.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
