"""Runs where GluonNLP 1.x is: write models of the given sizes, record what MXNet computes.

    python tests/mxnet/random_1x.py FOLDER SPECS.json

SPECS.json is a list of the fields of `Model` (fixtures/models_1x.py). Writes a model directory N
for the Nth.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../fixtures"))
from make_1x import make
from models_1x import Model


def main() -> None:
    folder, specs = sys.argv[1:]
    with open(specs) as file:
        for number, spec in enumerate(json.load(file)):
            deduplicated = spec.pop("deduplicated")
            make(Model(**spec), os.path.join(folder, str(number)), deduplicated)


if __name__ == "__main__":
    main()
