"""Run inside an MXNet environment: print as JSON what `mx.nd.load` finds in a file.

    python tests/mxnet/load_params.py [--np-shape] FILE...

A line a file: {name: [dtype, shape, SHA-256 of the bytes]}; an unnamed list has its positions as
names. Sparse arrays are checked by MXNet's own `check_format`, made dense, and their storage stands
at the end. Python 3.6 and MXNet 1.5 can run it.
"""

import argparse
import hashlib
import json
from typing import Any, Dict  # noqa: UP035  # Python 3.6

import mxnet as mx


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--np-shape", action="store_true", help="within np_shape(True), for V3")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    for file in options.files:
        if options.np_shape:
            with mx.util.np_shape(True):
                found = describe(mx.nd.load(file))
        else:
            found = describe(mx.nd.load(file))
        print(json.dumps(found))


def describe(loaded: Any) -> Dict[str, Any]:  # noqa: UP006  # Python 3.6
    if isinstance(loaded, list):
        loaded = {str(number): array for number, array in enumerate(loaded)}
    found = {}
    for name, array in loaded.items():
        if array.stype != "default":
            array.check_format(full_check=True)
        value = array.asnumpy()
        dtype = "bfloat16" if value.dtype.names == ("bfloat16",) else value.dtype.name
        found[name] = [dtype, list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
        if array.stype != "default":
            found[name].append(array.stype)
    return found


if __name__ == "__main__":
    main()
