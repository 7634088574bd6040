"""Make the pictures of README.md and docs/: the line with its two-sided proof, and the terminal.

    python -m tools.pictures docs/pictures

The words of the line are the proof's own (`converter.proof.proof.TableProof`), and the terminal is
what a conversion of the fixture printed just now.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from converter.proof.proof import Proof, TableProof

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "fixtures" / "bort_decoder.params"
OPTIONS = ("--family", "bort", "--config", "num_attention_heads=4")
TERMINALS = {"terminal.svg": 100, "terminal-narrow.svg": 40}  # columns

# Ink, paper, and the two sides of the proof
LIGHT = {"ink": "#24292f", "paper": "#f6f8fa", "source": "#9a6700", "target": "#0969da"}
DARK = {"ink": "#e6edf3", "paper": "#161b22", "source": "#e3b341", "target": "#58a6ff"}


def questions() -> list[str]:
    """What the proof of a family's model asks, in its order."""
    first = ["bits", "names", "parity"]
    more = [f.name for f in dataclasses.fields(TableProof) if f.name not in (*first, "passed")]
    base = {f.name for f in dataclasses.fields(Proof)}
    return first + [name for name in more if name not in base]


def line(colours: dict[str, str]) -> str:
    """The line of design.md as an SVG of 860 by 250 pixels."""
    boxes = [(10, "my.params", "source"), (190, "plan", "ink"), (340, "write", "ink")]
    boxes += [(500, "proof", "ink"), (700, "out/", "target")]
    width = {"my.params": 120, "plan": 90, "write": 100, "proof": 140, "out/": 110}
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 250" role="img" '
        'font-family="ui-sans-serif, system-ui, sans-serif" font-size="16">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
        'markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z" fill="context-stroke"/>'
        "</marker></defs>",
    ]
    for x, name, kind in boxes:
        parts.append(
            f'<rect x="{x}" y="100" width="{width[name]}" height="50" rx="8" '
            f'fill="{colours["paper"]}" stroke="{colours[kind]}" stroke-width="2"/>'
            f'<text x="{x + width[name] / 2}" y="130" text-anchor="middle" '
            f'fill="{colours["ink"]}">{name}</text>'
        )
    for (x, name, _), (after, *_) in itertools.pairwise(boxes):
        parts.append(_arrow(f"M{x + width[name] + 4} 125H{after - 6}", colours["ink"]))
    parts += [
        _arrow("M70 96V50H570V94", colours["source"]),
        _text(320, 40, "MXNet's arithmetic, in NumPy, on your file", colours["source"]),
        _arrow("M390 154V200H570V156", colours["target"]),
        _text(480, 222, "PyTorch on what was written", colours["target"]),
        _text(690, 178, " · ".join(questions()), colours["ink"], 14),
        _text(712, 84, "by one rename, when all have passed", colours["ink"], 14),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _arrow(path: str, colour: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" marker-end="url(#a)"/>'


def _text(x: int, y: int, text: str, colour: str, size: int = 15) -> str:
    place = f'x="{x}" y="{y}" fill="{colour}" font-size="{size}" text-anchor="middle"'
    return f"<text {place}>{text}</text>"


def terminal(columns: int) -> str:
    """What a conversion prints on a terminal of so many columns, as an SVG."""
    arguments = ["bort.params", "out/", *OPTIONS]
    here = {k: v for k, v in os.environ.items() if k not in ("MXNET_HOME", "NO_COLOR")}
    with tempfile.TemporaryDirectory() as made:
        folder = str(Path(made).resolve())
        shutil.copy(SOURCE, Path(folder) / "bort.params")
        more = {
            "COLUMNS": str(columns),
            "FORCE_COLOR": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "HOME": folder,
            "USERPROFILE": folder,
        }
        printed = subprocess.run(
            [sys.executable, "-m", "converter", *arguments],
            cwd=folder,
            env={**here, **more},
            check=True,
            capture_output=True,
            encoding="utf-8",
        ).stdout
    text = Text("$ " + " ".join(["bort-convert", *arguments]) + "\n\n", style="bold")
    text.append_text(Text.from_ansi(printed.replace(folder, "~").replace("\\", "/")))
    console = Console(record=True, width=columns, file=io.StringIO(), legacy_windows=False)
    console.print(text)
    # Rich's own format has a style sheet that fetches a font from another server
    head, rest = CONSOLE_SVG_FORMAT.split("@font-face", 1)
    plain = head + rest[rest.index(".{unique_id}-matrix") :]
    return console.export_svg(title="bort-convert", code_format=plain, unique_id=f"t{columns}")


def main(folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"line-light.svg": line(LIGHT), "line-dark.svg": line(DARK)}
    pictures |= {name: terminal(columns) for name, columns in TERMINALS.items()}
    for name, content in pictures.items():
        (folder / name).write_text(content, "utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
