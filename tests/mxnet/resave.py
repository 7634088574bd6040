"""Run inside an MXNet environment: load a parameters file and save it again, as MXNet does.

    python tests/mxnet/resave.py [--np-shape] SRC DST

What was loaded is printed as load_params.py prints it. With --np-shape DST has array version V3.
Python 3.6 and MXNet 1.5 can run it.
"""

import argparse
import json

import mxnet as mx
from load_params import describe


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--np-shape", action="store_true", help="within np_shape(True): V3")
    parser.add_argument("src")
    parser.add_argument("dst")
    options = parser.parse_args()
    if options.np_shape:
        with mx.util.np_shape(True):
            resave(options.src, options.dst)
    else:
        resave(options.src, options.dst)


def resave(src: str, dst: str) -> None:
    loaded = mx.nd.load(src)
    print(json.dumps(describe(loaded)))
    mx.nd.save(dst, loaded)


if __name__ == "__main__":
    main()
