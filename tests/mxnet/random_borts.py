"""Runs inside an MXNet environment: write Borts of the given sizes, record what MXNet computes.

    python tests/mxnet/random_borts.py FOLDER SPECS.json [--record-only]

SPECS.json is a list of {"name", "num_heads", "seed", "sizes"}; `sizes` are the fields of
`BortSizes` (fixtures/bort_models.py). Writes NAME.params by `save_parameters`, and
NAME.<mxnet version>.golden.npz. With --record-only the .params files are there already.
"""

import argparse
import json
import os
import sys

import mxnet as mx

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../fixtures"))
from bort_models import BortSizes
from make_fixtures import random_bort  # first: it puts the recorder on the path
from record_golden import record_golden


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("specs")
    parser.add_argument("--record-only", action="store_true")
    options = parser.parse_args()
    with open(options.specs) as file:
        specs = json.load(file)
    for spec in specs:
        source = os.path.join(options.folder, spec["name"] + ".params")
        if not options.record_only:
            sizes = BortSizes(**spec["sizes"])
            net = random_bort(sizes, spec["num_heads"], spec["seed"], weight_std=0.2)
            net.save_parameters(source)
        golden = f"{spec['name']}.{mx.__version__}.golden.npz"
        record_golden(source, os.path.join(options.folder, golden), spec["num_heads"])


if __name__ == "__main__":
    main()
