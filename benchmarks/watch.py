"""Run a command: its wall time, its processor seconds, and the memory of all its processes.

    python -m benchmarks.watch COMMAND ...

Prints a line of JSON: exit code, seconds, seconds, bytes. It imports little and is a process of its
own, for a child's peak memory counts what its parent had when it was started. Memory is what was
most at once in the command and the processes that it started, looked at 20 times a second (Linux),
or the most that one of them had, if that is more.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time

EVERY = 0.05  # seconds


def watched(command: list[str]) -> tuple[int, float, float, int]:
    """Exit code, seconds of the clock and of the processor, bytes at most."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            most[0] = max(most[0], sum(map(_resident, _family(process.pid))))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        code = process.wait()
        wall = time.perf_counter() - begin
    finally:
        ended.set()
        looking.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    one = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return code, wall, used.ru_utime + used.ru_stime, max(most[0], one)


def _family(process: int) -> list[int]:
    """A process and those that it started."""
    try:
        tasks = os.listdir(f"/proc/{process}/task")
        lists = [_read(f"/proc/{process}/task/{task}/children") for task in tasks]
    except OSError:  # it has ended
        return [process]
    return [process, *(n for text in lists for child in text.split() for n in _family(int(child)))]


def _resident(process: int) -> int:
    try:
        return int(_read(f"/proc/{process}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


if __name__ == "__main__":
    print(json.dumps(watched(sys.argv[1:])))
