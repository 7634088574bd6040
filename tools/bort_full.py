"""Real MXNet writes full-size Borts with random weights; each is converted and verified.

    python tools/bort_full.py MXNET_PYTHON FOLDER

Shows, for both predefined sizes, how far the converted model is from what MXNet 1.5.0 itself
computed, and fails when a hidden state is further than 1e-5. The files stay in FOLDER.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import converter
from converter.text import summary

ROOT = Path(__file__).parents[1]
MODELS = ("bort_4_8_768_1024", "bort_2_16_512_1024")
ATOL = 1e-5


def main(mxnet_python: str, folder: Path) -> None:
    """Write, convert and verify both models."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        source, golden = folder / f"{model}.params", folder / f"{model}.golden.npz"
        if not golden.exists():
            script = str(ROOT / "fixtures" / "make_full.py")
            options = ["--model", model, "--golden", str(golden)]
            subprocess.run(
                [mxnet_python, "-W", "ignore", script, str(source), *options], check=True
            )
        destination = folder / model
        converter.convert(source, destination, force=True)
        report = converter.verify(source, destination, golden=golden, atol=ATOL)
        print("\n".join(summary(report)), end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
