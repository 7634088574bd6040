"""Runs inside an MXNet environment: write models of the given sizes, record what MXNet computes.

    python tests/mxnet/random_zoo.py FOLDER SPECS.json

SPECS.json is a list of the fields of `Zoo` (fixtures/zoo_models.py). Writes N.params and
N.golden.npz for the Nth.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../fixtures"))
from make_zoo import make  # first: it puts the recorder on the path
from zoo_models import Zoo


def main() -> None:
    folder, specs = sys.argv[1:]
    with open(specs) as file:
        for number, spec in enumerate(json.load(file)):
            make(str(number), Zoo(**spec), folder)


if __name__ == "__main__":
    main()
