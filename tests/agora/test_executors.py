"""The same trace from one process, several processes, and a dask cluster on loopback."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from agora import Run, grid
from agora.errors import OptionError, StudentError
from agora.job import _executor
from tests.agora.commands import arguments, invoke, running
from tests.agora.toys import Neighbours, Shift, run, split, truth


def trace(executor: Executor | None, state: Path | None = None) -> object:
    return run(executor=executor, seed=5, state=state).trace()


def test_processes_and_dask_on_loopback_give_the_same_trace() -> None:
    from distributed import Client, LocalCluster

    alone = trace(None)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert trace(pool) == alone
    options: dict[str, Any] = dict(host="127.0.0.1", dashboard_address=None, threads_per_worker=1)
    cluster_class: Any = LocalCluster
    client_class: Any = Client
    with cluster_class(n_workers=2, **options) as cluster, client_class(cluster) as client:
        assert trace(client.get_executor()) == alone


@pytest.fixture
def threads_kept() -> Iterator[None]:
    """Whatever a test says, torch has afterwards the threads that it had."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_command_with_dask_gives_what_processes_give(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads_kept: None
) -> None:
    """A scheduler by its address, and a pool of processes: the same trace and weights.

    Each process has its part of the threads; more would wait for one another.
    """
    from distributed import LocalCluster

    few, threads = dict(method="finetune", teacher=None, epochs=1), []

    @contextmanager
    def watched(job: Any) -> Iterator[Executor | None]:
        with _executor(job) as pool:
            threads.append(pool and pool.submit(torch.get_num_threads).result())
            yield pool

    with monkeypatch.context() as patched:
        patched.setattr("agora.job._executor", watched)
        torch.set_num_threads(4)
        pool = invoke(*arguments(place, tmp_path / "pool", workers=2, **few))
        torch.set_num_threads(2)
    assert pool.exit_code == 0, pool.output
    assert threads == [2]
    cluster_class: Any = LocalCluster
    options: dict[str, Any] = dict(host="127.0.0.1", dashboard_address=None, threads_per_worker=1)
    with cluster_class(n_workers=1, processes=False, protocol="tcp", **options) as cluster:
        dask = invoke(*arguments(place, tmp_path / "dask", dask=cluster.scheduler_address, **few))
        assert dask.exit_code == 0, dask.output
        steps = cluster.scheduler.transition_counter
    assert steps > 0  # of tasks, from waiting to done: the students did train there
    for name in ("agora.json", "model.safetensors"):
        ours, theirs = ((tmp_path / way / name).read_bytes() for way in ("pool", "dask"))
        assert ours == theirs, name


def test_a_scheduler_that_does_not_answer(place: Path, tmp_path: Path) -> None:
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        for address in ("tcp://127.0.0.1:9", "nowhere://"):
            result = invoke(*arguments(place, tmp_path / "out", dask=address))
            assert isinstance(result.exception, OptionError), result.exception
            assert f"--dask {address}: no scheduler answers there" in str(result.exception)


def test_a_student_that_fails_in_another_process_is_named() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(StudentError, match=r"student 1 \(fail=1\).*told to fail"),
    ):
        Run(
            Neighbours(), truth, split(6, 1), split(30, 2), grid(fail=[0, 1]), Shift(),
            executor=pool,
        ).result()  # fmt: skip


SCRIPT = """
import sys, time
from pathlib import Path
from tests.agora import toys
fit = toys.Nearest.fit
def slow(self, train, dev):
    time.sleep(0.02)
    return fit(self, train, dev)
toys.Nearest.fit = slow
toys.run(seed=5, state=Path(sys.argv[1]))
"""


def test_kill_9_and_resume(tmp_path: Path) -> None:
    """A real process, killed at several moments: what is resumed gives the whole run's trace."""
    state = tmp_path / "state"
    for finished in (2, 12):
        with running([sys.executable, "-c", SCRIPT, state]) as process:
            while len(list(state.glob("*/*/outcome.json"))) < finished:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert len(list(state.glob("*/*/outcome.json"))) < 21
    assert trace(None, state) == trace(None)
