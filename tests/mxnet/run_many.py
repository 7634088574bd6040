"""Runs inside an MXNet environment: a script with many command lines, in one process.

    python tests/mxnet/run_many.py SCRIPT.py RUNS.json

RUNS.json is a list of argument lists; the script's `main` runs once with each.
"""

import importlib
import json
import os
import sys


def main() -> None:
    script, runs = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    module = importlib.import_module(os.path.splitext(os.path.basename(script))[0])
    with open(runs) as file:
        runs = json.load(file)
    for arguments in runs:
        sys.argv[1:] = arguments
        module.main()


if __name__ == "__main__":
    main()
