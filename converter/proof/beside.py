"""A process beside this one that imports torch and Transformers, and runs the target's side.

Importing them takes longer than all else of a conversion, and holds the interpreter's lock, so that
a thread would stop what is done meanwhile. It is no `multiprocessing`: that would import a user's
own script again, and leave its process behind where this one is killed.

The two speak pickle over pipes of their own, which nobody else can write to. The process ends with
the one that started it, however that ends: it reads the pipe all the time, and sees its end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol

from converter.errors import ConvertError

Task = tuple[Callable[..., Any], tuple[Any, ...]]
BROKEN = (OSError, EOFError, pickle.UnpicklingError)  # what reading a pipe gives that has ended
# Options of Python by their names in `sys.flags`: what this process reads, the other one reads
FLAGS = {"isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s", "no_site": "-S"}
ENDED = 10  # seconds that a process is given to end by itself; after them it is killed


class Calls(Protocol):
    """Who calls the functions of the target's side, in the order in which they are asked for."""

    def ask(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a function of a module called."""

    def answer(self) -> Any:
        """What the first function that is not answered for yet returns, or raises."""

    def leaving_a_core(self) -> AbstractContextManager[Any]:
        """While what is asked for is not answered: NumPy has the cores that it leaves."""


class Here:
    """Calls them in this process, once their answer is wanted."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Task] = SimpleQueue()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._tasks.put((function, arguments))

    def answer(self) -> Any:
        function, arguments = self._tasks.get_nowait()
        return function(*arguments)

    def leaving_a_core(self) -> AbstractContextManager[Any]:
        return contextlib.nullcontext()  # nothing else runs


class Beside:
    """Calls them in another process, at once; what they take and give is pickled."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def ask(self, function: Callable[..., Any], *arguments: Any) -> None:
        assert self._process.stdin
        try:
            pickle.dump((function, arguments), self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except OSError as error:
            raise self._lost() from error

    def answer(self) -> Any:
        assert self._process.stdout
        try:
            returned, value = pickle.load(self._process.stdout)
        except BROKEN as error:
            raise self._lost() from error
        if not returned:
            raise value
        return value

    def leaving_a_core(self) -> AbstractContextManager[Any]:
        """Importing takes one core; a thread of BLAS that must share it holds up all the others."""
        from threadpoolctl import threadpool_limits

        limits: AbstractContextManager[Any] = threadpool_limits(max(1, _cores() - 1), "blas")
        return limits

    def _lost(self) -> ConvertError:
        """What is said when the process is no more."""
        self._process.kill()  # where it closed its pipe alone
        code = self._process.wait()
        how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        return ConvertError(
            f"the process that runs PyTorch beside this one was ended {how}",
            [
                "a system that has no memory left does so",
                "to do all in one process, which takes less memory: --jobs 1",
                "to convert without a proof: --no-verify",
            ],
        )

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # nobody is there to read what was not written yet
                assert pipe
                pipe.close()


@contextlib.contextmanager
def beside(jobs: int) -> Iterator[Calls]:
    """The other process, which lasts as long as the context; or this one.

    jobs: how many processes there may be. This one alone does all where torch is imported already,
    since there is nothing to win; where Python is part of another program; and with one.
    """
    if jobs < 2 or not sys.executable or getattr(sys, "frozen", False) or "torch" in sys.modules:
        yield Here()
        return
    other = start()
    try:
        yield other
    finally:
        other.close()


def start() -> Beside:
    """The other process, which the caller closes."""
    flags = [flag for name, flag in FLAGS.items() if getattr(sys.flags, name)]
    flags += ["-O"] * sys.flags.optimize + [f"-W{option}" for option in sys.warnoptions]
    code = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    code += f"from {__name__} import serve; serve()"
    # Of a group of its own, so that Ctrl-C comes to this process alone, which ends the other
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    process = subprocess.Popen(  # closed by `Beside.close`
        [sys.executable, "-P", *flags, "-c", code, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **apart,
    )
    return Beside(process)


def serve() -> None:
    """The other process: call what is asked for, until the one that asks is no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    tasks: SimpleQueue[Task] = SimpleQueue()
    threading.Thread(target=_take, args=(sys.stdin.buffer, tasks), daemon=True).start()
    gc.disable()  # as in `target.import_class`: a million objects, and no garbage
    with contextlib.suppress(Exception):  # what is asked for says so where torch cannot be imported
        import torch  # noqa: F401
    gc.enable()
    while True:
        function, arguments = tasks.get()
        try:
            answer = True, function(*arguments)
        except Exception as error:  # it is raised where it was asked for
            answer = False, error
        del arguments
        answers.write(_pickled(answer))
        answers.flush()


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pickled(answer: tuple[bool, Any]) -> bytes:
    """An answer as bytes that can be read again: of some errors there is no more than the text."""
    try:
        made = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        if not answer[0]:
            pickle.loads(made)
    except Exception:  # an error of anyone's class
        return pickle.dumps((False, ConvertError(f"{type(answer[1]).__name__}: {answer[1]}")))
    return made


def _take(pipe: BinaryIO, tasks: SimpleQueue[Task]) -> None:
    """Take what is asked for; end this process at once when the other one is no more."""
    try:
        while True:
            tasks.put(pickle.load(pipe))
    except BaseException:  # no memory for what is asked, too: the other one must not wait for it
        os._exit(1)
