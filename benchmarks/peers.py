"""What else turns the file into a PyTorch one: each way is one process, `python peers.py WAY …`.

The ways that need MXNet run in the environment of environments/mxnet-benchmark.txt (MXNet 1.5.0,
GluonNLP 0.8.3, Transformers 4.57), the other in the project's own.

    load SRC                 mx.nd.load alone
    by_hand SRC DST          mx.nd.load, torch tensors, safetensors' save_file
    old_way SRC DST REPORT   as the script that Transformers had until 4.57 did it, from its
                             description: the whole model in MXNet, a whole model in torch,
                             float16, save, reload, compare one sentence; REPORT is a
                             conversion.json, for the names
    save_file SRC DST        our load_params, then safetensors' save_file of NumPy arrays
"""

import json
import os
import sys


def load(source: str) -> dict:
    """Read every tensor by MXNet."""
    import mxnet as mx

    return mx.nd.load(source)


def by_hand(source: str, destination: str) -> None:
    """What one writes in ten minutes: names are kept, the tied tensor is dropped."""
    import torch
    from safetensors.torch import save_file

    arrays = load(source)
    arrays.pop("decoder.3.weight", None)
    tensors = {name: torch.from_numpy(array.asnumpy()) for name, array in arrays.items()}
    os.makedirs(destination)
    save_file(tensors, os.path.join(destination, "model.safetensors"))


def save_file(source: str, destination: str) -> None:
    """The safetensors library on memory-mapped arrays."""
    from pathlib import Path

    from safetensors.numpy import save_file as save

    from converter import load_params

    arrays = dict(load_params(source))
    arrays.pop("decoder.3.weight", None)
    Path(destination).mkdir()
    save(arrays, os.path.join(destination, "model.safetensors"))


def old_way(source: str, destination: str, report: str) -> None:
    """Load in MXNet, copy tensor by tensor into a torch model, halve, save, reload, compare."""
    import gluonnlp
    import mxnet as mx
    import torch
    from transformers import BertConfig, BertForMaskedLM

    layers, heads, ffn, units, words = 4, 8, 768, 1024, 50265
    encoder = gluonnlp.model.BERTEncoder(
        num_layers=layers,
        units=units,
        hidden_size=ffn,
        max_length=512,
        num_heads=heads,
        layer_norm_eps=1e-5,
    )
    net = gluonnlp.model.RoBERTaModel(
        encoder, vocab_size=words, units=units, embed_size=units, use_decoder=False
    )
    net.load_parameters(source, ignore_extra=True)
    arrays = {name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()}

    config = BertConfig(
        vocab_size=words,
        hidden_size=units,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=ffn,
        max_position_embeddings=512,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    model = BertForMaskedLM(config)
    model.eval()
    with open(report) as file:
        steps = json.load(file)["tensors"]
    targets = dict(model.named_parameters())
    with torch.no_grad():
        for step in steps:
            if step["source"] in arrays:
                targets[step["target"]].copy_(torch.from_numpy(arrays[step["source"]]))
        targets["bert.embeddings.token_type_embeddings.weight"].zero_()
    model.half()
    model.save_pretrained(destination)

    reloaded = BertForMaskedLM.from_pretrained(destination).float().eval()
    ids = [[0, 18077, 4082, 7804, 8606, 6195, 2457, 3321, 11, 10489, 16, 269, 2579, 328, 2]]
    expected = net(mx.nd.array(ids, dtype="int32"), mx.nd.array([15])).asnumpy()
    with torch.no_grad():
        found = reloaded.bert(torch.tensor(ids))[0].numpy()
    print("largest difference", abs(found - expected).max())


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
