"""Record what the original MXNet code computes for a Bort checkpoint.

    python record_golden.py bort.params golden.npz --num-heads 8

Run this in the OLD environment, the one that still imports MXNet: Python 3.6 or newer, mxnet 1.5 to
1.9, numpy below 1.24 and gluonnlp 0.8.3 or 0.10.0. Nothing else is needed. Carry the `.npz` to the
new environment; there, whatever the checkpoint was converted to must give the same numbers.

SRC.params is a file that `save_parameters` wrote for alexa/bort's BortModel (with or without its
MLM decoder) or BortClassifier. All sizes are read off names and shapes; only the number of heads is
in no tensor (bort_4_8_768_1024: 8, bort_2_16_512_1024: 16). Everything is computed in float32;
the values of a float16 file are cast to float32 first, so no step is rounded to float16.

GOLDEN.npz holds:

    input_ids      int32    (batch, length)   random over the whole vocabulary, padding included
    valid_length   int32    (batch,)          the first is the full length, the last is 1
    hidden_states  float32  (num_layers, batch, length, units)   every encoder cell's output,
                                              zero at padded positions
    mlm_logits     float32  (batch, length, vocab_size)   only if the file has the MLM decoder;
                                              meaningless at padded positions
    logits         float32  (batch, num_classes)   only for a BortClassifier
    about          0-d text: JSON with mxnet, gluonnlp, source (file name), dtype (of the file),
                   num_heads, layer_norm_eps and decoder_layer_norm_eps (null without decoder)

The same command twice gives the same bytes.
"""

import argparse
import json
import os
from typing import NamedTuple

import gluonnlp
import mxnet as mx
import numpy as np

BORT_LAYER_NORM_EPS = 1e-5  # alexa/bort, bort/bort.py: both predefined models
CLASSIFIER_PREFIX = "bort."  # BortClassifier keeps its BortModel in the attribute `bort`
CELL = "encoder.transformer_cells."
V3 = b"\xca\xfa\x93\xf9"  # an array saved under NumPy-shape semantics (npx.set_np) begins with this


class BortSizes(NamedTuple):
    """What the names and shapes in a file say about its model, in GluonNLP's words."""

    num_layers: int
    units: int  # width of the model
    hidden_size: int  # width of the feed-forward layer; smaller than `units` in the real Borts
    max_length: int
    vocab_size: int
    use_decoder: bool = False
    num_classes: int = 0  # 0: no classifier; 1: regression
    classifier_dropout: bool = False  # Dropout blocks take a number in the names, so it matters


# Reading the file


def read_bort(path: str) -> dict:
    """Return the arrays of a `.params` file by name (without `bort.`), in the file's dtype."""
    try:
        with open(path, "rb") as file:
            first_array = file.read(28)[24:]  # after three u64: magic, reserved, count
        with mx.util.np_shape(first_array == V3):  # MXNet refuses V3 without it, V2 with it
            arrays = mx.nd.load(path)
    except (OSError, mx.base.MXNetError) as error:
        reason = str(error).split("Check failed: ")[-1].split("\n")[0]  # without the stack trace
        raise SystemExit(f"{path}: MXNet cannot read it: {reason}") from None
    if not isinstance(arrays, dict):
        raise SystemExit(f"{path}: not a Bort: its arrays have no names")
    return {without_prefix(name): array.asnumpy() for name, array in arrays.items()}


def without_prefix(name: str) -> str:
    """Return the name that a tensor of a BortClassifier has in a bare BortModel."""
    return name[len(CLASSIFIER_PREFIX) :] if name.startswith(CLASSIFIER_PREFIX) else name


def infer_sizes(shapes: dict) -> BortSizes:
    """Read the sizes off a few shapes by name (without `bort.`); `fill_bort` checks the others."""
    try:
        max_length, units = shapes["encoder.position_weight"]
        hidden_size, _ = shapes[CELL + "0.ffn.ffn_1.weight"]
        # save_parameters(deduplicate=True) keeps a tied tensor under its last name only
        vocab_size, _ = shapes.get("word_embed.0.weight") or shapes["decoder.3.weight"]
    except (KeyError, ValueError) as error:
        raise SystemExit(
            f"not a Bort written by save_parameters: missing or misshapen: {error}; "
            f"the file has {', '.join(sorted(shapes)[:3])} ..."
        ) from None
    classifier_dropout = "classifier.3.weight" in shapes
    last = "classifier.3.weight" if classifier_dropout else "classifier.1.weight"
    sizes = BortSizes(
        num_layers=sum(n.startswith(CELL) and n.endswith(".ffn.ffn_1.weight") for n in shapes),
        units=units,
        hidden_size=hidden_size,
        max_length=max_length,
        vocab_size=vocab_size,
        use_decoder="decoder.3.weight" in shapes,
        num_classes=shapes[last][0] if last in shapes else 0,
        classifier_dropout=classifier_dropout,
    )
    if sizes.use_decoder and sizes.num_classes:
        raise SystemExit("a BortClassifier with an MLM decoder: alexa/bort cannot run that either")
    return sizes


# The models


class BortClassifier(mx.gluon.Block):
    """A BortModel and two dense layers on position 0, named as in alexa/bort's BortClassifier.

    input_ids (batch, length) and valid_length (batch,) give the list of every encoder cell's
    output, each (batch, length, units), and the logits (batch, num_classes).
    """

    def __init__(self, bort: mx.gluon.Block, sizes: BortSizes) -> None:
        super().__init__()
        self.bort = bort
        self.classifier = mx.gluon.nn.HybridSequential()
        for dense in (
            mx.gluon.nn.Dense(sizes.units, activation="tanh", in_units=sizes.units),
            mx.gluon.nn.Dense(sizes.num_classes, in_units=sizes.units),
        ):
            if sizes.classifier_dropout:
                self.classifier.add(mx.gluon.nn.Dropout(0.1))
            self.classifier.add(dense)

    def forward(self, input_ids: mx.nd.NDArray, valid_length: mx.nd.NDArray) -> tuple:
        """Compute the encodings and the logits."""
        encodings = self.bort(input_ids, valid_length)
        return encodings, self.classifier(encodings[-1][:, 0])


def build_bort(
    sizes: BortSizes, num_heads: int, layer_norm_eps: float = BORT_LAYER_NORM_EPS
) -> mx.gluon.Block:
    """Return a BortModel, or a BortClassifier if there are classes, with every parameter zero.

    GluonNLP's RoBERTaModel is what alexa/bort's BortModel is: a BERTModel without token types,
    pooler and next-sentence classifier. It exists in 0.8.3 and 0.10.0, with equal names on disk.
    """
    version = gluonnlp.__version__
    if not version.startswith(("0.8.", "0.10.")):
        raise SystemExit(
            f"gluonnlp {version}: use 0.8.3 or 0.10.0 (0.9.0 to 0.9.2 load the same files but "
            "scramble the query, key and value biases)"
        )
    if sizes.units % num_heads:
        raise SystemExit(f"{num_heads} heads do not divide {sizes.units} units")
    encoder = gluonnlp.model.BERTEncoder(
        num_layers=sizes.num_layers,
        units=sizes.units,
        hidden_size=sizes.hidden_size,
        max_length=sizes.max_length,
        num_heads=num_heads,
        output_all_encodings=True,
        layer_norm_eps=layer_norm_eps,
    )
    net = gluonnlp.model.RoBERTaModel(
        encoder,
        vocab_size=sizes.vocab_size,
        units=sizes.units,
        embed_size=sizes.units,
        use_decoder=sizes.use_decoder,
    )
    if sizes.num_classes:
        net = BortClassifier(net, sizes)
    net.initialize(mx.init.Zero())
    return net


def fill_bort(net: mx.gluon.Block, arrays: dict) -> None:
    """Give every parameter its array, cast to float32; the names are those without `bort.`.

    `load_parameters` would not do: it refuses deduplicated files under MXNet 1.5, and float16.
    Tied names share one Parameter, so either of `word_embed.0.weight` and `decoder.3.weight` will.
    """
    parameters = {without_prefix(n): p for n, p in net._collect_params_with_prefix().items()}
    given = [parameters[name] for name in arrays if name in parameters]
    missing = [name for name, parameter in parameters.items() if parameter not in given]
    unknown = [name for name in arrays if name not in parameters]
    if missing or unknown:
        raise SystemExit(
            f"not a Bort: missing {sorted(missing)[:5]}, unknown {sorted(unknown)[:5]}"
        )
    tied = [arrays[n] for n in ("word_embed.0.weight", "decoder.3.weight") if n in arrays]
    if not np.array_equal(tied[0], tied[-1]):
        raise SystemExit("not a Bort: word_embed.0.weight and decoder.3.weight are not equal")
    for name, array in arrays.items():
        try:
            parameters[name].set_data(mx.nd.array(array, dtype="float32"))
        except AssertionError:  # this is how Parameter refuses a shape
            raise SystemExit(
                f"not a Bort: {name} has shape {array.shape}, but the other tensors ask for "
                f"{parameters[name].shape} (0: any)"
            ) from None


# Running it


def draw_inputs(sizes: BortSizes, seed: int = 0, batch: int = 3, length: int = 16) -> tuple:
    """Return input_ids int32 (batch, length), length cut to max_length, and valid_length int32.

    Padded positions hold random ids too: a model that looks at them gives other numbers.
    """
    length = min(length, sizes.max_length)
    random = np.random.RandomState(seed)
    input_ids = random.randint(0, sizes.vocab_size, (batch, length)).astype("int32")
    return input_ids, np.linspace(length, 1, batch).astype("int32")


def run_bort(net: mx.gluon.Block, input_ids: np.ndarray, valid_length: np.ndarray) -> dict:
    """Return hidden_states and, as far as the model has them, mlm_logits or logits (float32)."""
    inputs = [mx.nd.array(input_ids, dtype="int32"), mx.nd.array(valid_length, dtype="float32")]
    if isinstance(net, BortClassifier):
        encodings, logits = net(*inputs)
        heads = {"logits": logits}
    elif hasattr(net, "decoder"):
        # The decoder wants (batch, n) positions to predict: here, all of them
        positions = np.broadcast_to(np.arange(input_ids.shape[1]), input_ids.shape)
        encodings, mlm_logits = net(*inputs, masked_positions=mx.nd.array(positions, dtype="int32"))
        heads = {"mlm_logits": mlm_logits}
    else:
        encodings, heads = net(*inputs), {}
    outputs = {"hidden_states": np.stack([encoding.asnumpy() for encoding in encodings])}
    outputs.update((name, head.asnumpy()) for name, head in heads.items())
    return outputs


def record_golden(
    source: str,
    golden: str,
    num_heads: int,
    seed: int = 0,
    batch: int = 3,
    length: int = 16,
    layer_norm_eps: float = BORT_LAYER_NORM_EPS,
) -> dict:
    """Run the model in file `source` and write file `golden`; return the arrays written."""
    parameters = read_bort(source)
    sizes = infer_sizes({name: array.shape for name, array in parameters.items()})
    net = build_bort(sizes, num_heads, layer_norm_eps)
    fill_bort(net, parameters)
    input_ids, valid_length = draw_inputs(sizes, seed, batch, length)
    arrays = {"input_ids": input_ids, "valid_length": valid_length}
    arrays.update(run_bort(net, input_ids, valid_length))
    about = {
        "mxnet": mx.__version__,
        "gluonnlp": gluonnlp.__version__,
        "source": os.path.basename(source),
        "dtype": "+".join(sorted({str(array.dtype) for array in parameters.values()})),
        "num_heads": num_heads,
        "layer_norm_eps": layer_norm_eps,
        # GluonNLP 0.8.3 ignores the encoder's epsilon here (1e-12); 0.10.0 uses it
        "decoder_layer_norm_eps": net.decoder[2]._epsilon if sizes.use_decoder else None,
    }
    arrays["about"] = np.array(json.dumps(about, sort_keys=True))
    with open(golden, "wb") as file:  # given a name, savez would append .npz to it
        np.savez(file, **arrays)
    return arrays


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Record what MXNet computes for a Bort checkpoint (see the top of this file)."
    )
    parser.add_argument("source", metavar="SRC.params")
    parser.add_argument("golden", metavar="GOLDEN.npz")
    parser.add_argument("--num-heads", type=int, required=True, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="for the random ids (default 0)")
    parser.add_argument("--batch", type=int, default=3, help="number of sequences (default 3)")
    parser.add_argument("--length", type=int, default=16, help="cut to max_length (default 16)")
    parser.add_argument(
        "--layer-norm-eps", type=float, default=BORT_LAYER_NORM_EPS, help="default 1e-5"
    )
    options = parser.parse_args()
    if min(options.num_heads, options.batch, options.length) < 1:
        parser.error("--num-heads, --batch and --length must be at least 1")
    arrays = record_golden(**vars(options))
    for name, array in arrays.items():
        print(name, array if name == "about" else f"{array.dtype} {array.shape}")


if __name__ == "__main__":
    main()
