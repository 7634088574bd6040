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

# What the proof takes at most of one model, and then of a second: mapped, and loaded whole
_PROOFS = """
import sys
from pathlib import Path
from converter.proof import mapped
from converter.proof.proof import prove
from converter.writing.model import write_model

def measured(folder, small):
    mapped.SMALL = small
    plan, out = plan_of(folder), folder / "out"
    if not out.exists():
        out.mkdir()
        write_model(plan, out)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    assert prove(plan, out).passed
    lines = Path("/proc/self/status").read_text().splitlines()
    print(*(line.split()[1] for line in lines if line.startswith("VmHWM")))

for folder, small in ((1, 0), (1, 0), (2, 0), (2, 2**40)):  # once to warm up
    measured(Path(sys.argv[folder]), small)
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


def proof_peaks(script: str, few: Path, many: Path) -> tuple[int, int, int]:
    """Bytes at most, on Linux: to prove `few`, `many`, and `many` when it is loaded whole.

    script: defines `plan_of`, the plan of what a folder holds.
    """
    command = [sys.executable, "-W", "ignore", "-c", script + _PROOFS, str(few), str(many)]
    printed = subprocess.check_output(command, env=environment(), text=True)
    _, *peaks = (int(line) * 1024 for line in printed.split())
    return peaks[0], peaks[1], peaks[2]
