"""Calls to AWS side by side, in threads that nobody has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from spotbox.core.errors import SpotboxError

T = TypeVar("T")


def parallel(calls: Sequence[Callable[[], T]], limit: int = 16) -> list[T | SpotboxError]:
    """Run `calls` in at most `limit` threads and give their results in order; a refusal of AWS stands in its place.

    Any other exception is a bug and is raised. Ctrl-C ends the wait at once: the threads are daemons, so that a call
    in flight (up to its read time-out) holds up neither the caller nor the end of the process.
    """
    from spotbox.aws.errors import translating

    todo: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                index = todo.get_nowait()
            except Empty:
                return
            try:
                with translating():
                    done.put((index, calls[index](), None))
            except BaseException as error:
                done.put((index, None, error))

    for index in range(len(calls)):
        todo.put(index)
    for _ in range(min(limit, len(calls))):
        threading.Thread(target=work, daemon=True, name="spotbox-aws").start()
    try:
        return _collected(done, len(calls))
    except BaseException:
        with suppress(Empty):  # what has not begun does not begin
            while True:
                todo.get_nowait()
        raise


def _collected(done: SimpleQueue[tuple[int, Any, BaseException | None]], count: int) -> list[Any]:
    results: list[Any] = [None] * count
    for _ in range(count):
        index, value, error = done.get()
        if error is not None and not isinstance(error, SpotboxError):
            raise error
        results[index] = value if error is None else error
    return results
