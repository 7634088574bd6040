"""The most memory that a piece of Python takes, in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faults.making import environment

_TAIL = """
import resource, sys
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024))
"""


def peak(script: str, *arguments: str | Path) -> tuple[int, str]:
    """Bytes that `script` took at most, Python and its imports included, and what it printed.

    A process inherits the peak of the one that started it, which here is pytest's: a shell stands
    in between, and does not let itself be replaced.
    """
    shell = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", script + _TAIL]
    command = [*shell, *map(str, arguments)]
    printed = subprocess.check_output(command, env=environment(), text=True).splitlines()
    return int(printed.pop()), "\n".join(printed)
