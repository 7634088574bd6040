"""The command that prints the recorder, which runs in the old environment, as one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

# Python 3.6 of the old environment: nothing here imports these files
FOLDER = Path(__file__).parents[1] / "recording"
MAIN = "record_golden"
END = '\n\nif __name__ == "__main__":\n    main()\n'
FINDER = '''

# The modules above are in several files; `bort-convert record-golden` puts them into this one.


class Inside:
    """Finds the modules that stand in this file as texts."""

    def find_spec(self, name, path=None, target=None):
        """Return the spec of one of them."""
        return importlib.machinery.ModuleSpec(name, self) if name in SOURCES else None

    def create_module(self, spec):
        """Take what Python makes."""

    def exec_module(self, module):
        """Run its text."""
        exec(compile(SOURCES[module.__name__], module.__name__ + ".py", "exec"), module.__dict__)


SOURCES = {
'''
INSTALLED = """}
sys.modules["record_golden"] = sys.modules[__name__]
sys.meta_path.insert(0, Inside())
"""


def recorder() -> str:
    """The text of `record_golden.py`, with all that it imports beside MXNet and GluonNLP."""
    text = (FOLDER / f"{MAIN}.py").read_text("utf-8")
    begin = text.removesuffix(END)
    begin = begin.replace(
        "\nimport importlib\n", "\nimport importlib\nimport importlib.machinery\n", 1
    )
    return "".join([begin, FINDER, *_sources(), INSTALLED, END])


def _sources() -> Iterator[str]:
    for path in sorted(FOLDER.glob(f"{MAIN}_*.py")):
        yield f"    {path.stem!r}: r'''{path.read_text('utf-8')}''',\n"


HELP = """Print a script that records what MXNet itself computes, for `verify --golden`.

\b
  bort-convert record-golden > record_golden.py
  python record_golden.py my.params golden.npz --family bert --num-heads 12

The second line runs in the old environment, where MXNet still imports (Python 3.6 or newer). The
first lines of the script tell the rest. It needs nothing of bort-convert there.
"""


@click.command("record-golden", help=HELP)
def record_golden_command() -> None:
    """Print the recorder."""
    click.echo(recorder(), nl=False)
