"""Run inside an MXNet environment: save sparse arrays, and print as JSON what they are when dense.

    python tests/mxnet/save_sparse.py FILE

{name: [storage, values]}. Python 3.6 and MXNet 1.5 can run it.
"""

import json
import sys

import mxnet as mx
import numpy as np


def main() -> None:
    random = np.random.RandomState(3)
    arrays = {}
    for number, dtype in enumerate(["float32", "float64", "int32", "int64", "uint8"]):
        dense = random.randint(0, 100, (6, 5)) * (random.rand(6, 5) < 0.3)
        dense[number] = 0
        array = mx.nd.array(dense, dtype=dtype)
        arrays["rows." + dtype] = array.tostype("row_sparse")
        arrays["csr." + dtype] = array.tostype("csr")
    arrays["rows.deep"] = mx.nd.sparse.row_sparse_array(
        (random.rand(2, 3, 4), [1, 4]), shape=(6, 3, 4)
    )
    arrays["rows.empty"] = mx.nd.sparse.zeros("row_sparse", (4, 2))
    arrays["csr.empty"] = mx.nd.sparse.zeros("csr", (4, 2))
    arrays["dense"] = mx.nd.ones((2, 3))
    mx.nd.save(sys.argv[1], arrays)
    print(json.dumps({k: [v.stype, v.asnumpy().tolist()] for k, v in arrays.items()}))


if __name__ == "__main__":
    main()
