"""Run inside an MXNet environment: load a parameters file and save it again, as MXNet does.

    python tests/mxnet/resave.py [--np-shape] SRC DST

Python 3.6 and MXNet 1.5 can run it. With --np-shape DST has array version V3.
"""

import argparse

import mxnet as mx


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--np-shape", action="store_true", help="within np_shape(True): V3")
    parser.add_argument("src")
    parser.add_argument("dst")
    options = parser.parse_args()
    if options.np_shape:
        with mx.util.np_shape(True):
            mx.nd.save(options.dst, mx.nd.load(options.src))
    else:
        mx.nd.save(options.dst, mx.nd.load(options.src))


if __name__ == "__main__":
    main()
