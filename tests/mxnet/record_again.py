"""Runs inside an MXNet environment: the recorder on many files, in one process.

    python tests/mxnet/record_again.py RUNS.json

The script is beside RUNS.json, which is a list of argument lists. Prints a JSON list: null for each
that succeeded, else what the command said.
"""

import contextlib
import io
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[1])))
import record_golden


def main() -> None:
    with open(sys.argv[1]) as file:
        runs = json.load(file)
    said = []
    for arguments in runs:
        sys.argv[1:] = arguments
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                record_golden.main()
            said.append(None)
        except SystemExit as error:
            said.append(str(error))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
