"""The command as it starts: Ctrl-C ends in one line also while everything is imported.

`python -m bort_convert` is the same.
"""

import os
import signal
import sys


def _stop(_number: int, _frame: object) -> None:
    """End at once: nothing was begun, and a C extension would make another error of the signal."""
    sys.stderr.write("\ninterrupted: nothing is half written\n")
    sys.stderr.flush()
    os._exit(128 + signal.SIGINT)


def main() -> None:
    """Run the command."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # not where the caller ignores it, as nohup does
        signal.signal(signal.SIGINT, _stop)
    from converter.cli.main import main as command

    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, usual)
    command(prog_name="bort-convert")


if __name__ == "__main__":
    main()
