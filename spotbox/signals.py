"""SIGTERM and a closed terminal as what Ctrl-C is: an exception on the main thread, which every command can catch."""

import os
import signal
from types import FrameType

from spotbox.core.errors import Ended

SILENT = getattr(signal, "SIGHUP", None)  # the terminal is closed: nobody reads any more
ENDINGS = [s for s in (signal.SIGTERM, SILENT) if s is not None]


def install() -> None:
    """Let SIGTERM and SIGHUP raise Ended once. One that is ignored (`nohup`) stays ignored; SIGINT is Python's own,
    which `__main__` has kept quiet until here."""
    terminals = [fd for fd in (0, 1, 2) if os.isatty(fd)]  # a closed terminal does not say any more that it was one

    def end(number: int, frame: FrameType | None) -> None:
        # Shells, `timeout` and systemd send it twice, or one after the other: what is begun must not be cut off by it.
        for each in ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        if number == SILENT:
            _silence(terminals)
        raise Ended(signal.Signals(number).name)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in ENDINGS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, end)


def _silence(terminals: list[int]) -> None:
    """Nothing can be read from or written to a terminal that is gone (EIO): /dev/null takes its place."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in terminals:
        os.dup2(nowhere, fd)
    os.close(nowhere)


def finish() -> None:
    """From here on only the exit code is left to say: another Ctrl-C would add a traceback and nothing else."""
    for each in (signal.SIGINT, *ENDINGS):
        signal.signal(each, signal.SIG_IGN)
