"""What `make run` shows: a small Bort, converted and proven with its tokenizer; then text in,
prediction out, by the lines of its model card.

    python -m tools.run FOLDER

The Bort is the fixture with its decoder, with as many words as the fixture vocabulary has tokens.
Its weights are random, and so is what it predicts; the seed is one with which that is a word.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

import converter
from converter.report.card.example import PLACE

FIXTURES = Path(__file__).parents[1] / "fixtures"
VOCAB = FIXTURES / "tokenizers" / "openwebtext_ccnews_stories_books_cased.vocab"
MERGES = FIXTURES / "tokenizers" / "bort.merges"
WORDS, TOKENS = 97, 605  # rows of the fixture's embedding; tokens of the vocabulary
SEED = 35


def source(path: Path) -> Path:
    """The fixture, at `path`, with a row for each token; the tied tensors stay equal."""
    arrays = converter.load_params(FIXTURES / "bort_decoder.params")
    random = np.random.default_rng(SEED)
    rows: dict[bytes, np.ndarray] = {}

    def resized(array: np.ndarray) -> np.ndarray:
        if array.shape[0] != WORDS:
            return array
        new = random.normal(0, 0.5, (TOKENS, *array.shape[1:])).astype(array.dtype)
        return rows.setdefault(array.tobytes(), new)

    made = {name: resized(np.asarray(arrays[name])) for name in arrays}
    converter.save_params(path, made, force=True)
    return path


def main(folder: Path) -> None:
    """Show the command and the lines before what they print."""
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "bort"
    words = ["bort-convert", str(source(folder / "bort.params")), str(out), "--force"]
    words += ["--family", "bort", "--config", "num_attention_heads=4"]
    words += ["--vocab", str(VOCAB.relative_to(Path.cwd())), "--merges"]
    words += [str(MERGES.relative_to(Path.cwd()))]
    print(f"$ {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "bort_convert", *words[1:]], check=True)
    card = (out / "README.md").read_text("utf-8")
    lines = card.split("```python\n")[1].split("\n```")[0].replace(PLACE, str(out))
    shown = "\n".join(f">>> {line}".rstrip() for line in lines.split("\n"))
    print(f"\n$ python\n{shown}", flush=True)
    subprocess.run([sys.executable, "-W", "ignore", "-c", lines], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
