"""Record what MXNet itself computes for a GluonNLP checkpoint.

    python record_golden.py my.params golden.npz --family bert --num-heads 12

A network with its graph, of any kind: `python record_golden.py model-symbol.json golden.npz --input
data=1,3,112,112`, as record_golden_graph.py tells.

Run this in the OLD environment, the one that still imports MXNet: Python 3.6 or newer, mxnet 1.5 to
1.9, numpy below 1.24. What else is needed:

    bort, bert, ernie, roberta, distilbert      gluonnlp 0.8 to 0.10, whose classes are run
    bert_1x, albert_1x, electra_1x,             autogluon_contrib_nlp, whose classes are run, and
    mobilebert_1x, roberta_1x                   the model.yml beside SRC.params, if there is one
    gpt2, xlnet, gpt2_1x, bart_1x, t5_1x,       nothing: their classes are in no package, and are
    mt5_1x, xlmr_1x, roberta_1x_master          rebuilt of MXNet's operators from their sources

Carry the `.npz` to the new environment; there, `bort-convert verify --golden golden.npz` asks the
converted model for the same numbers.

SRC.params is a file that `save_parameters` wrote. Sizes are read off names and shapes; the number
of heads is in no tensor. Everything is computed in float32; the values of a float16 file are cast
to float32 first, so no step is rounded to float16.

GOLDEN.npz holds:

    input_ids      int32    (batch, length)   random over the whole vocabulary, padding included
    valid_length   int32    (batch,)          the first is the full length, the last is 1
    token_types    int32    (batch, length)   only if the model has them
    hidden_states  float32  (num_layers, batch, length, units)   every layer's output, meaningless
                                              at padded positions; of the encoder, if there are two
    decoder_ids, decoder_valid_length, decoder_states   the same of the decoder
    the model's other outputs by their words, such as pooled, mlm_logits, lm_logits, logits
    about          0-d text: JSON with mxnet, source (file name), dtype (of the file), code (what
                   was run), and the settings that it was run with

The same command twice gives the same bytes.
"""

import argparse
import importlib
import json
import os
import sys
from typing import NamedTuple, Optional

import mxnet as mx
import numpy as np

MODULES = {
    "record_golden_0x": ("bort", "bert", "ernie", "roberta", "distilbert"),
    "record_golden_1x": ("bert_1x", "albert_1x", "electra_1x", "mobilebert_1x", "roberta_1x"),
    "record_golden_operators": (
        "gpt2",
        "xlnet",
        "gpt2_1x",
        "xlmr_1x",
        "roberta_1x_master",
        "bart_1x",
        "t5_1x",
        "mt5_1x",
    ),
}
FAMILIES = {family: module for module, families in MODULES.items() for family in families}
V3 = b"\xca\xfa\x93\xf9"  # an array saved under NumPy-shape semantics (npx.set_np) begins with this


class Told(NamedTuple):
    """What no tensor tells, in GluonNLP's words; None: the family's own value, if it has one."""

    family: str = "bort"
    num_heads: Optional[int] = None
    decoder_heads: Optional[int] = None
    activation: Optional[str] = None
    layer_norm_eps: Optional[float] = None
    model_yml: Optional[str] = None
    num_layers: Optional[int] = None
    normalization: Optional[str] = None


class Limits(NamedTuple):
    """What ids a model takes; `max_length` None: of any length; 0 token types: none are given."""

    vocab_size: int
    max_length: Optional[int]
    token_types: int = 0
    decoder: bool = False


# Reading the file


def read_params(path: str, prefix: str = "") -> dict:
    """Return the arrays of a `.params` file by name, in the file's dtype.

    With a prefix only those that begin with it, without it.
    """
    try:
        with open(path, "rb") as file:
            first_array = file.read(28)[24:]  # after three u64: magic, reserved, count
        with mx.util.np_shape(first_array == V3):  # MXNet refuses V3 without it, V2 with it
            arrays = mx.nd.load(path)
            if isinstance(arrays, dict):
                arrays = {name: array.asnumpy() for name, array in arrays.items()}
    except (OSError, mx.base.MXNetError) as error:
        reason = str(error).split("Check failed: ")[-1].split("\n")[0]  # without the stack trace
        raise SystemExit(f"{path}: MXNet cannot read it: {reason}") from None
    if not isinstance(arrays, dict):
        raise SystemExit(f"{path}: its arrays have no names: no `save_parameters` file")
    found = {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
    if not found:
        raise SystemExit(f"{path}: no name begins with {prefix!r}, such as {[*arrays][:3]}")
    return found


# Running it


def fill(net: mx.gluon.Block, arrays: dict, family: str) -> None:
    """Give every parameter of `net` its array by its `save_parameters` name, cast to float32.

    `load_parameters` would not do: it refuses deduplicated files under MXNet 1.5, and float16.
    Tied names share one Parameter, so either of word_embed.0.weight and decoder.3.weight will.
    """
    parameters = net._collect_params_with_prefix()
    given = [parameters[name] for name in arrays if name in parameters]
    missing = [name for name, parameter in parameters.items() if parameter not in given]
    unknown = [name for name in arrays if name not in parameters]
    if missing or unknown:
        raise SystemExit(
            f"not a {family}: missing {sorted(missing)[:5]}, unknown {sorted(unknown)[:5]}"
        )
    in_numpy_mode = getattr(mx.util, "is_np_array", bool)()  # GluonNLP 1.x; MXNet 1.5 has none
    made, filled = mx.np.array if in_numpy_mode else mx.nd.array, {}
    for name, array in arrays.items():
        parameter = parameters[name]
        if not np.array_equal(filled.setdefault(id(parameter), array), array):
            raise SystemExit(f"not a {family}: {name} and the tensor it is tied to are not equal")
        try:
            parameter.set_data(made(array.astype("float32"), dtype="float32"))
        except AssertionError:  # this is how Parameter refuses a shape
            raise SystemExit(
                f"not a {family}: {name} has shape {array.shape}, but the other tensors ask for "
                f"{parameter.shape} (0: any)"
            ) from None


def draw_inputs(limits: Limits, seed: int = 0, batch: int = 3, length: int = 16) -> tuple:
    """Return input_ids int32 (batch, length), length cut to max_length, and valid_length int32.

    Padded positions hold random ids too: a model that looks at them gives other numbers.
    """
    length = min(length, limits.max_length or length)
    random = np.random.RandomState(seed)
    input_ids = random.randint(0, limits.vocab_size, (batch, length)).astype("int32")
    return input_ids, np.linspace(length, 1, batch).astype("int32")


def draw_all(limits: Limits, seed: int, batch: int, length: int) -> dict:
    """Return all inputs of a model by their words."""
    ids, lengths = draw_inputs(limits, seed, batch, length)
    inputs = {"input_ids": ids, "valid_length": lengths}
    if limits.token_types:
        random = np.random.RandomState(seed + 1)
        inputs["token_types"] = random.randint(0, limits.token_types, ids.shape).astype("int32")
    if limits.decoder:
        ids, lengths = draw_inputs(limits, seed + 2, batch, max(1, length - 3))
        inputs["decoder_ids"], inputs["decoder_valid_length"] = ids, lengths
    return inputs


def read_inputs(path: str, limits: Limits) -> dict:
    """Return the inputs of an earlier golden, which has just those that the model takes."""
    words = ["input_ids", "valid_length"] + ["token_types"] * bool(limits.token_types)
    words += ["decoder_ids", "decoder_valid_length"] * limits.decoder
    with np.load(path) as file:
        missing = [word for word in words if word not in file.files]
        if missing:
            raise SystemExit(f"{path}: it lacks {', '.join(missing)}: it is of another model")
        return {word: file[word].astype("int32") for word in words}


def record_golden(
    source: str,
    golden: str,
    num_heads: Optional[int] = None,
    seed: int = 0,
    batch: int = 3,
    length: int = 16,
    prefix: str = "",
    inputs: Optional[str] = None,
    **told: object,
) -> dict:
    """Run the model in file `source` and write file `golden`; return the arrays written.

    `told` are fields of `Told`; `inputs` is an earlier golden, whose ids are taken.
    """
    arrays = read_params(source, prefix)
    told = Told(num_heads=num_heads, **told)
    if told.model_yml is None:
        beside = os.path.join(os.path.dirname(os.path.abspath(source)), "model.yml")
        told = told._replace(model_yml=beside if os.path.exists(beside) else None)
    module = importlib.import_module(FAMILIES[told.family])
    model = module.Model(arrays, told)
    given = (
        read_inputs(inputs, model.limits) if inputs else draw_all(model.limits, seed, batch, length)
    )
    about = {
        "mxnet": mx.__version__,
        "source": os.path.basename(source),
        "dtype": "+".join(sorted({str(array.dtype) for array in arrays.values()})),
        "family": told.family,
    }
    about.update(model.about)
    written = dict(given)
    written.update(model.run(**given))
    written["about"] = np.array(json.dumps(about, sort_keys=True))
    with open(golden, "wb") as file:  # given a name, savez would append .npz to it
        np.savez(file, **written)
    return written


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] and sys.argv[1].endswith(".json"):
        importlib.import_module("record_golden_graph").main()
        return
    parser = argparse.ArgumentParser(
        description="Record what MXNet computes for a GluonNLP checkpoint (see this file's top)."
    )
    parser.add_argument("source", metavar="SRC.params")
    parser.add_argument("golden", metavar="GOLDEN.npz")
    parser.add_argument(
        "--family", choices=sorted(FAMILIES), default="bort", help="as bort-convert names it"
    )
    parser.add_argument("--num-heads", type=int, metavar="N", help="of the encoder")
    parser.add_argument("--decoder-heads", type=int, metavar="N", help="BART's, if others")
    parser.add_argument("--num-layers", type=int, metavar="N", help="ALBERT's")
    parser.add_argument("--activation", help="as GluonNLP names it, such as gelu or gelu(tanh)")
    parser.add_argument("--normalization", help="MobileBERT's: no_norm or layer_norm")
    parser.add_argument("--layer-norm-eps", type=float, help="if not the family's own")
    parser.add_argument("--model-yml", metavar="FILE", help="if it is not beside SRC.params")
    parser.add_argument(
        "--prefix", default="", help="record the model whose names begin so, such as text_backbone."
    )
    parser.add_argument("--inputs", metavar="NPZ", help="take the ids of an earlier golden")
    parser.add_argument("--seed", type=int, default=0, help="for the random ids (default 0)")
    parser.add_argument("--batch", type=int, default=3, help="number of sequences (default 3)")
    parser.add_argument("--length", type=int, default=16, help="cut to max_length (default 16)")
    options = parser.parse_args()
    if min(options.num_heads or 1, options.batch, options.length) < 1:
        parser.error("--num-heads, --batch and --length must be at least 1")
    arrays = record_golden(**vars(options))
    for name, array in arrays.items():
        print(name, array if name == "about" else f"{array.dtype} {array.shape}")


if __name__ == "__main__":
    main()
