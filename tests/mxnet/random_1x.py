"""Runs where GluonNLP 1.x is: write models of the given sizes, record what MXNet computes.

    python tests/mxnet/random_1x.py FOLDER SPECS.json

SPECS.json is a list of the fields of `Model` (fixtures/models_1x.py), or of `Bart` (bart_1x.py).
Writes a model directory N for the Nth; AutoGluon's, where it has `network`: the fields of `Network`
(make_autogluon.py). `weight_std` may say how large the weights are.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../fixtures"))
import bart_1x
import make_autogluon
from make_1x import make
from models_1x import WEIGHT_STD, Model


def main() -> None:
    folder, specs = sys.argv[1:]
    with open(specs) as file:
        for number, spec in enumerate(json.load(file)):
            out, network = os.path.join(folder, str(number)), spec.pop("network", None)
            deduplicated = spec.pop("deduplicated", False)
            weight_std = spec.pop("weight_std", WEIGHT_STD)
            if "kind" not in spec:
                os.makedirs(out)
                bart = bart_1x.Bart(**spec)
                net, path = bart_1x.build(bart), os.path.join(out, "model.params")
                net.save_parameters(path, deduplicate=deduplicated)
                bart_1x.record(net, bart, path, os.path.join(out, "model.golden.npz"))
            elif network is None:
                make(Model(**spec), out, deduplicated, weight_std)
            else:
                network = make_autogluon.Network(**network)
                make_autogluon.make(Model(**spec), network, out, weight_std)


if __name__ == "__main__":
    main()
