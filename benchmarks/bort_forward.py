"""A model that waits for work: benchmarks/bort.py starts one for each, and has them run in turns.

    python bort_forward.py torch NAME_OR_FOLDER ATTENTION
    python bort_forward.py mxnet FILE.params

First it prints the numbers of its parameters, then, for each line `BATCH LENGTH` of stdin, the
seconds of one forward pass over random ids, and at the end its peak memory in MB. ATTENTION is
`eager` or `sdpa` (Transformers' two ways), or `compiled`: sdpa, by `torch.compile`.
The second needs MXNet 1.5.0 and GluonNLP 0.8.3, so this file keeps to Python 3.6.
"""

import json
import os
import resource
import sys
import time

import numpy as np

# Sizes of the published models; hidden size, layers, heads, feed-forward size, words, positions
PEERS = {
    "BERT-base": ("Bert", 768, 12, 12, 3072, 30522, 512),
    "BERT-large": ("Bert", 1024, 24, 16, 4096, 30522, 512),
    "RoBERTa-large": ("Roberta", 1024, 24, 16, 4096, 50265, 514),
}


def torch_model(name, attention):
    """Numbers of parameters, and a function of ids: a written directory, or random weights."""
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    way = "eager" if attention == "eager" else "sdpa"
    if name in PEERS:
        kind, hidden, layers, heads, inner, words, positions = PEERS[name]
        config = getattr(transformers, kind + "Config")(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            vocab_size=words,
            max_position_embeddings=positions,
            attn_implementation=way,
        )
        model = getattr(transformers, kind + "Model")(config, add_pooling_layer=False)
    else:
        model = transformers.AutoModel.from_pretrained(
            name, add_pooling_layer=False, attn_implementation=way
        )
    model = model.float().eval()
    count = [sum(p.numel() for p in part.parameters()) for part in (model, model.encoder)]
    ran = torch.compile(model, dynamic=False) if attention == "compiled" else model

    def forward(ids):
        with torch.inference_mode():
            given = torch.from_numpy(ids)
            ran(input_ids=given, attention_mask=torch.ones_like(given))

    return count, model.config.vocab_size, forward


def mxnet_model(path):
    """The same of the original: GluonNLP's classes, hybridised."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.join(here, "..", "fixtures"))
    import mxnet as mx
    from bort_models import build_bort, infer_sizes

    stored = mx.nd.load(path)
    sizes = infer_sizes({name: array.shape for name, array in stored.items()})
    heads = {4: 8, 2: 16}[sizes.num_layers]  # alexa/bort, bort/bort.py: predefined_borts
    net = build_bort(sizes, heads)
    net.load_parameters(path)
    net.hybridize(static_alloc=True)
    own = net._collect_params_with_prefix()
    count = [
        sum(int(np.prod(p.shape)) for name, p in own.items() if name.startswith(begin))
        for begin in ("", "encoder.transformer_cells.")
    ]

    def forward(ids):
        states = net(
            mx.nd.array(ids, dtype="int32"),
            mx.nd.array([ids.shape[1]] * len(ids), dtype="float32"),
        )
        states[-1].wait_to_read()

    return count, sizes.vocab_size, forward


def main(kind, *arguments):
    """Serve until stdin ends."""
    make = {"torch": torch_model, "mxnet": mxnet_model}[kind]
    (parameters, encoder), words, forward = make(*arguments)
    print(json.dumps({"parameters": parameters, "encoder": encoder}))
    sys.stdout.flush()
    random = np.random.RandomState(0)
    for line in sys.stdin:
        shape = tuple(map(int, line.split()))
        ids = random.randint(0, words, shape)
        begin = time.perf_counter()
        forward(ids)
        print(time.perf_counter() - begin)
        sys.stdout.flush()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
