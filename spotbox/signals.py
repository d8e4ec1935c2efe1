"""SIGTERM and a closed terminal as what Ctrl-C is: an exception on the main thread, which every command can catch."""

import os
import signal
import time
from types import FrameType

from spotbox.core.errors import Ended

SILENT = getattr(signal, "SIGHUP", None)  # the terminal is closed: nobody reads any more
ENDINGS = [s for s in (signal.SIGTERM, SILENT) if s is not None]


AGAIN = 0.01  # seconds until one that came in the middle of an import is looked at again
PATIENCE = 2.0  # seconds that an import may take for that


def install() -> None:
    """Let SIGINT raise KeyboardInterrupt, which `__main__` has kept quiet until here, and SIGTERM and SIGHUP raise
    Ended, once. One that is ignored (`nohup`) stays ignored.

    What comes in the middle of an import waits for its end: raised there it may become another exception, or be told
    with a traceback and lost, as the import system calls back from where nothing can be raised.
    """
    terminals = [fd for fd in (0, 1, 2) if os.isatty(fd)]  # a closed terminal does not say any more that it was one
    came: list[int] = []
    patience = 0.0

    def arrive(number: int, frame: FrameType | None) -> None:
        nonlocal patience
        if number != signal.SIGALRM:
            patience = patience if came else time.monotonic() + PATIENCE
            came.append(number)
        if _imports(frame) and time.monotonic() < patience:
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        elif came:
            first = min(came, key=lambda each: each == signal.SIGINT)  # who is gone cannot be asked any more
            came.clear()
            end(first)

    def end(number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        # Shells, `timeout` and systemd send it twice, or one after the other: what is begun must not be cut off by it.
        for each in ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        if number == SILENT:
            _silence(terminals)
        raise Ended(signal.Signals(number).name)

    signal.signal(signal.SIGALRM, arrive)
    for each in (signal.SIGINT, *ENDINGS):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, arrive)


def _imports(frame: FrameType | None) -> bool:
    """Whether the main thread is in the import system, or in a module that is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _silence(terminals: list[int]) -> None:
    """Nothing can be read from or written to a terminal that is gone (EIO): /dev/null takes its place."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in terminals:
        os.dup2(nowhere, fd)
    os.close(nowhere)


def finish() -> None:
    """From here on only the exit code is left to say: another Ctrl-C would add a traceback and nothing else."""
    for each in (signal.SIGINT, signal.SIGALRM, *ENDINGS):
        signal.signal(each, signal.SIG_IGN)
