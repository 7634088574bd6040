"""What torchrun starts for test_together: `python -m tests.agora.together_job FOLDER [fail]`."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from agora import Result, Split, agora, grid
from agora.tau_vector import Ball
from agora.together import Together, follow
from agora.torch_student import Modules


class Counting(torch.nn.Sequential):
    """A small net that counts the rows it is trained on, and fails on rows of zeros."""

    rows = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Counting.rows += len(x) * self.training
        if not x.any():
            raise ValueError("only zeros")
        y: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call,unused-ignore]
        return y


def net() -> torch.nn.Module:
    return Counting(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))


def labelled(x: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Split:
    return Split.of(x, (x[:, 0] > x[:, 1]).astype(int))


def run(executor: Executor | None, fail: bool = False) -> Result:
    """17 points in batches of 8: the last of an epoch has one, which is one process's."""
    x, dev = (np.random.default_rng(seed).normal(size=(n, 2)) for seed, n in ((1, 17), (2, 30)))
    if fail:
        x[:] = 0
    return agora(
        Modules(net, 2),
        lambda points: [int(p[0] > p[1]) for p in points],
        labelled(x),
        labelled(dev),
        grid(lr=[0.003, 0.01], batch=[8], epochs=[4]),
        Ball(0.1),
        seed=3,
        executor=executor,
    )


def main(folder: Path, fail: bool) -> None:
    if not follow():
        with Together() as executor:
            result = run(executor, fail)
        (folder / "trace.json").write_text(json.dumps(result.trace()))
        result.student.save(folder)
    (folder / f"rows-{Accelerator().process_index}").write_text(str(Counting.rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "fail" in sys.argv)
