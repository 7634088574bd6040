"""Run inside an MXNet environment: `HybridBlock.export` of a small block, and its own numbers.

    python tests/mxnet/export_block.py PREFIX

Writes PREFIX-symbol.json and PREFIX-0000.params; prints {name: SHA-256 of the bytes} as JSON,
without `arg:` and `aux:`. Python 3.6 and MXNet 1.5 can run it.
"""

import hashlib
import json
import sys

import mxnet as mx


def main() -> None:
    net = mx.gluon.nn.HybridSequential()
    net.add(mx.gluon.nn.Conv2D(3, 2), mx.gluon.nn.BatchNorm(), mx.gluon.nn.Dense(4))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    net(mx.nd.zeros((1, 2, 5, 5)))
    net.export(sys.argv[1])
    arrays = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    print(json.dumps({n: hashlib.sha256(a.tobytes()).hexdigest() for n, a in arrays.items()}))


if __name__ == "__main__":
    main()
