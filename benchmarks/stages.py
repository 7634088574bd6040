"""One conversion in this process; prints the seconds of its stages as JSON.

python -m benchmarks.stages SRC DST [--no-verify]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

begin = perf_counter()
import converter.cli.main  # noqa: E402  (what the command imports is timed)
from converter.files.progress import Stages  # noqa: E402

imported = perf_counter() - begin


def main(source: Path, destination: Path, verify: bool) -> None:
    """Convert and print."""
    stages = Stages()
    converter.convert(source, destination, verify=verify, progress=stages)
    stages.end()
    print(json.dumps({"importing bort-convert": imported, **stages.seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), "--no-verify" not in sys.argv)
