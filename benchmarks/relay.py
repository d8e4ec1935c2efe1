"""A relay on loopback that notes when each request through it began and when its answer ended.

It understands as much HTTP/1.1 as it takes: on one connection, what the client sends after an answer is a new request
(no client here sends two before it has its answer). Times are those of `time.monotonic`, which all processes share.
"""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """A request and its answer: the first byte from the client, and the last byte given back to it."""

    began: float
    ended: float
    first: bytes = b""  # the beginning of the request


@dataclass
class Relay:
    """Takes connections on `port` while it is entered, and passes them on to `target` of this machine.

    Each request is held for `delay` seconds, as a network would.
    """

    target: int
    delay: float = 0.0
    port: int = 0
    exchanges: list[Exchange] = field(default_factory=list)

    def __enter__(self) -> "Relay":
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve(ready)], daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self, ready: threading.Event) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connection(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            answers, on = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            back.close()
            return
        asking: list[Exchange] = []  # the one that is under way, or the last one

        async def forth() -> None:
            while data := await client.read(65536):
                now = time.monotonic()
                if not asking or asking[0].ended:
                    asking[:] = [Exchange(now, 0.0, data[:80])]
                    self.exchanges.append(asking[0])
                    await asyncio.sleep(self.delay)
                on.write(data)
                await on.drain()
            on.close()

        async def home() -> None:
            while data := await answers.read(65536):
                back.write(data)
                if asking:
                    asking[0].ended = time.monotonic()
                await back.drain()
            back.close()

        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(forth(), home())


def length(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of the spans (begin, end) lasted."""
    total, until = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total
