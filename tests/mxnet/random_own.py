"""Runs inside an MXNet environment: write networks of one's own, record what MXNet computes.

    python tests/mxnet/random_own.py FOLDER SPECS.json

SPECS.json is a list of the fields of `Own` (fixtures/own_networks.py), with `way`, how it is saved.
Writes N.params and N.golden.npz for the Nth; and N.second.golden.npz where it has two models.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../fixtures"))
from make_own import make
from own_networks import Head, Own
from zoo_models import Zoo


def main() -> None:
    folder, specs = sys.argv[1:]
    with open(specs) as file:
        for number, spec in enumerate(json.load(file)):
            way = spec.pop("way")
            spec["model"] = Zoo(**spec["model"])
            spec["second"] = spec["second"] and Zoo(**spec["second"])
            spec["heads"] = tuple(Head(**head) for head in spec["heads"])
            path = os.path.join(folder, str(number))
            make(Own(**spec), (way,), path, None)
            if way != "structural":
                os.rename(path + "." + way + ".params", path + ".params")


if __name__ == "__main__":
    main()
