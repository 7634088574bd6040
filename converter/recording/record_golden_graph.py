"""Record what MXNet itself computes for a network with its graph.

    python record_golden.py model-symbol.json golden.npz --input data=1,3,112,112

Run this in the OLD environment, the one that still imports MXNet: Python 3.6 or newer, mxnet 1.5 to
1.9, numpy below 1.24, and nothing else. Carry the `.npz` to the new environment; there,
`bort-convert verify --golden golden.npz` asks the module for the same.

The parameters are the one file beside the graph that has its name (`model-0000.params`), or
`--params FILE`. Inputs are seeded normal numbers; what an Embedding takes, or has a whole-numbered
dtype, are whole numbers. `--inputs NPZ` takes your own in their place, each under its name. All is
computed in float32, as the module does it, whatever the file has.

GOLDEN.npz holds:

    input:NAME     each input, labels of loss heads included (zeros: nothing depends on them)
    output:0, …    the outputs in their order, those of --output where that is given
    about          0-d text: JSON with mxnet, symbol and params (file names), dtype (of the file)

The same command twice gives the same bytes.
"""

import argparse
import glob
import json
import os

import mxnet as mx
import numpy as np

SUFFIX = "-symbol.json"


def params_of(symbol: str) -> str:
    """Return the one parameters file that is beside a graph under its name."""
    prefix = symbol[: -len(SUFFIX)] if symbol.endswith(SUFFIX) else os.path.splitext(symbol)[0]
    found = sorted(glob.glob(glob.escape(prefix) + "-[0-9][0-9][0-9][0-9].params"))
    found = found or glob.glob(glob.escape(prefix) + ".params")
    if len(found) != 1:
        raise SystemExit(f"{symbol}: {len(found)} parameters files of its name: give --params FILE")
    return found[0]


def read_params(path: str) -> dict:
    """Return the arrays of a `.params` file in float32, by the names of the graph's variables."""
    try:
        arrays = mx.nd.load(path)
    except mx.base.MXNetError as error:
        reason = str(error).split("Check failed: ")[-1].split("\n")[0]  # without the stack trace
        raise SystemExit(f"{path}: MXNet cannot read it: {reason}") from None
    if not isinstance(arrays, dict):
        raise SystemExit(f"{path}: its arrays have no names")
    return {name.split(":", 1)[-1]: array for name, array in arrays.items()}


def read_shape(text: str) -> tuple:
    """Return name, shape and dtype of `NAME=SHAPE`, with `:DTYPE` behind it where one is said."""
    name, _, told = text.rpartition("=")
    shape, _, dtype = told.partition(":")
    try:
        return name, tuple(int(size) for size in shape.split(",")), dtype or "float32"
    except ValueError:
        raise SystemExit(f"{text}: say it as data=1,3,224,224 or ids=1,128:int32") from None


def embedded(symbol: mx.sym.Symbol) -> dict:
    """Return how many rows an Embedding has, for each variable that one takes as it is."""
    nodes = json.loads(symbol.tojson())["nodes"]
    found = {}
    for node in nodes:
        if node["op"] == "Embedding":
            taken = nodes[node["inputs"][0][0]]["name"]
            rows = int(node.get("attrs", node.get("attr", {}))["input_dim"])
            found[taken] = min(rows, found.get(taken, rows))
    return found


def draw(shapes: dict, dtypes: dict, rows: dict, seed: int) -> dict:
    """Return seeded values of each input."""
    values = {}
    for number, name in enumerate(sorted(shapes)):
        random = np.random.RandomState(seed + number)
        if name in rows or not dtypes[name].startswith("float"):
            value = random.randint(0, rows.get(name, 2), shapes[name])
        else:
            value = random.normal(size=shapes[name])
        values[name] = value.astype(dtypes[name])
    return values


def cut(symbol: mx.sym.Symbol, names: list) -> mx.sym.Symbol:
    """Return the graph up to these nodes, or outputs as MXNet lists them."""
    internals = symbol.get_internals()
    there = internals.list_outputs()
    wanted = [name if name in there else name + "_output" for name in names]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise SystemExit(f"no output is called {', '.join(missing)}")
    return mx.sym.Group([internals[name] for name in wanted])


def record_graph(
    source: str,
    golden: str,
    params: str = "",
    shapes: tuple = (),
    outputs: tuple = (),
    inputs: str = "",
    seed: int = 0,
) -> dict:
    """Run the graph in file `source` and write file `golden`; return the arrays written.

    `shapes` are texts such as "data=1,3,112,112"; `inputs` is an `.npz` with values by name.
    """
    symbol = mx.sym.load(source)
    if outputs:
        symbol = cut(symbol, list(outputs))
    params = params or params_of(source)
    arrays = read_params(params)
    told = [read_shape(text) for text in shapes]
    given = {}
    if inputs:
        with np.load(inputs) as file:
            given = {name.split("input:")[-1]: file[name] for name in file.files}
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    free = [name for name in names if name not in arrays]
    known = {name: shape for name, shape, _ in told if name in free}
    dtypes = {name: dtype for name, _, dtype in told}
    values = draw(known, dtypes, embedded(symbol), seed)
    values.update((name, given[name]) for name in free if name in given)
    known = {name: arrays[name].shape for name in names if name in arrays}
    known.update((name, value.shape) for name, value in values.items())
    try:
        inferred = symbol.infer_shape(**known)[0]
    except mx.base.MXNetError as error:
        raise SystemExit(f"the shapes do not fit: {str(error).splitlines()[0]}") from None
    if inferred is None:
        missing = ", ".join(name for name in free if name not in values)
        raise SystemExit(f"say the shapes of the inputs with --input NAME=SHAPE: {missing}")
    for name, shape in zip(names, inferred):  # noqa: B905
        if name in free and name not in values:  # labels
            values[name] = np.zeros(shape, "float32")
    bound = {name: mx.nd.array(value, dtype=value.dtype) for name, value in values.items()}
    wide = {
        name: array.astype("float32") if array.dtype == np.float16 else array
        for name, array in arrays.items()
    }
    bound.update((name, wide[name]) for name in names if name in arrays)
    executor = symbol.bind(
        mx.cpu(), args=bound, aux_states={name: wide[name] for name in states}, grad_req="null"
    )
    made = [output.asnumpy() for output in executor.forward(is_train=False)]
    written = {"input:" + name: values[name] for name in sorted(values)}
    written.update(("output:{}".format(n), value) for n, value in enumerate(made))
    about = {
        "mxnet": mx.__version__,
        "symbol": os.path.basename(source),
        "params": os.path.basename(params),
        "dtype": "+".join(sorted({np.dtype(array.dtype).name for array in arrays.values()})),
    }
    written["about"] = np.array(json.dumps(about, sort_keys=True))
    with open(golden, "wb") as file:  # given a name, savez would append .npz to it
        np.savez(file, **written)
    return written


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Record what MXNet computes for a network with its graph (see this file's top)."
    )
    parser.add_argument("source", metavar="MODEL-symbol.json")
    parser.add_argument("golden", metavar="GOLDEN.npz")
    parser.add_argument(
        "--params", default="", metavar="FILE", help="if it is not beside the graph"
    )
    parser.add_argument(
        "--input",
        dest="shapes",
        action="append",
        default=[],
        metavar="NAME=SHAPE",
        help="such as data=1,3,112,112, or ids=1,128:int32; repeatable",
    )
    parser.add_argument(
        "--output", dest="outputs", action="append", default=[], metavar="NODE", help="cut there"
    )
    parser.add_argument("--inputs", default="", metavar="NPZ", help="take these values, by name")
    parser.add_argument("--seed", type=int, default=0, help="for the random values (default 0)")
    for name, array in record_graph(**vars(parser.parse_args())).items():
        print(name, array if name == "about" else f"{array.dtype} {array.shape}")


if __name__ == "__main__":
    main()
