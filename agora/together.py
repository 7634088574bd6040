"""One student trained by several processes, as `accelerate launch` or torchrun start them.

The first process runs the loop and keeps the state; the others wait for its orders. Every batch is
shared out, and the gradients are averaged (torch's DistributedDataParallel, by way of Accelerate).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import distributed

from agora.errors import OptionError, StudentError
from agora.student import Order, StudentFactory


def processes() -> int:
    """How many train one student together: 1 unless they were started so.

    Raises:
        OptionError: several were started, and Accelerate is not configured to see the others.
    """
    count: int = Accelerator().num_processes
    started = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1 < started:
        raise OptionError(
            f"{started} processes were started, and Accelerate sees one: "
            "on CPUs set ACCELERATE_USE_CPU=true"
        )
    return count


def follow() -> bool:
    """In every process but the first: train what `Together` orders until it ends, then True.

    In the first process, or the only one: False, at once.

    Raises:
        StudentError: this process could not train its share; whoever started it stops the others.
        OptionError: see `processes`.
    """
    place = Accelerator().process_index
    if processes() == 1 or not place:
        return False
    while order := _shared(None):
        try:
            factory, order = order
            factory.make(order.theta, order.seed, order.start).fit(order.train, order.dev)
        except Exception as error:  # a student is anyone's code
            raise StudentError(
                f"process {place} could not train its share of a student: "
                f"{type(error).__name__}: {error}"
            ) from error
        del factory, order  # they hold the student, and it the group of processes
    _leave()
    return True


class Together(Executor):
    """For `agora(executor=…)`: students one after another, each by all processes.

    Of train_one's orders alone; to be made in the first process, while the others are in `follow`.
    """

    def submit(  # type: ignore[override]  # one kind of order, by position
        self, train_one: Callable[..., Any], factory: StudentFactory, order: Order, /
    ) -> Future[Any]:
        _shared((factory, order))
        done: Future[Any] = Future()
        try:
            done.set_result(train_one(factory, order))
        except Exception as error:  # as every executor: the future raises it
            done.set_exception(error)
        return done

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:  # after an error they may be within a step: their starter ends them
            _shared(None)
            _leave()


def _shared(order: tuple[StudentFactory, Order] | None) -> Any:
    """What the first process gave, in all of them."""
    box = [order]
    broadcast_object_list(box)
    return box[0]


def _leave() -> None:
    """End the group of processes: one that exits while its threads run is aborted at times."""
    gc.collect()  # a student's modules refer to one another, and hold the group's threads
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
