"""A stand-in for AWS on this machine that answers the calls of a price survey, each after the same delay.

    python benchmarks/standin.py [--port N] [--delay SECONDS]

Prints its address (the value for AWS_ENDPOINT_URL) and serves until it is ended. It takes any credentials, holds no
state but a count of the calls (GET /counts, GET /reset), and serves the Spot Instance Advisor's file at
/spot-advisor-data.json. Unlike spotbox's sandbox it costs next to no CPU for each call, so that what is measured
against it is the client. Loopback only. Needs `pip install 'spotbox[sandbox]'` for moto's data files.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from urllib.parse import parse_qsl

from standin_answers import Answers, error
from standin_facts import REGIONS, advisor_feed, offerings

FEED = "/spot-advisor-data.json"


class StandIn:
    """The endpoint: one handler for each connection, which is kept alive."""

    def __init__(self, answers: Answers, delay: float, hang: tuple[str, ...] = ()):
        self.answers = answers
        self.delay = delay
        self.hang = hang  # regions that take a call and never answer it
        self.calls: Counter[str] = Counter()
        self.connections = 0
        self.cpu = time.process_time()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until the other side closes it."""
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = first.split(" ", 2)
                status, kind, answer = await self.answered(method, path, headers, body)
                writer.write(
                    f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
                )
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answered(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body, after the delay."""
        if method == "GET" and path in ("/counts", "/reset"):
            return 200, "application/json", self._told(reset=path == "/reset")
        if method == "GET" and path == FEED:
            self.calls["advisor"] += 1
            await asyncio.sleep(self.delay)
            return 200, "application/json", advisor_feed()
        target = headers.get("x-amz-target", "")
        if target:
            # Header names and values were put in lower case; an action is found by it all the same.
            action = next((name for name in self.answers.json if target.endswith(f".{name.lower()}")), target)
            self.calls[action] += 1
            await asyncio.sleep(self.delay)
            found = self.answers.json_call(action, body)
            refusal = json.dumps({"__type": "UnknownOperationException"}).encode()
            return (200 if found is not None else 400), "application/x-amz-json-1.1", found or refusal
        params = dict(parse_qsl(body.decode(), keep_blank_values=True))
        action = params.pop("Action", "nothing")
        self.calls[action] += 1
        region = region_of(headers)
        await asyncio.sleep(86400 if region in self.hang else self.delay)
        found = self.answers.query(action, region, params)
        return (200 if found is not None else 400), "text/xml", found or error("InvalidAction", f"No {action} here.")

    def _told(self, reset: bool) -> bytes:
        """The calls since the last reset, the connections, the rows of histories, the seconds of CPU that it took."""
        cpu = time.process_time()
        told = {"calls": dict(self.calls), "connections": self.connections, "cpu": round(cpu - self.cpu, 4)}
        told["history"] = dict(self.answers.told)
        if reset:
            self.calls.clear()
            self.answers.told.update(due=0, sent=0)
            self.connections, self.cpu = 0, cpu
        return json.dumps(told).encode()


def region_of(headers: dict[str, str]) -> str:
    """The region a request was signed for: Credential=KEY/date/region/service/aws4_request."""
    scope = headers.get("authorization", "").partition("credential=")[2].split(",")[0].split("/")
    return scope[2] if len(scope) == 5 and scope[2] in REGIONS else "us-east-1"


async def run(port: int, stand_in: StandIn) -> None:
    """Serve on a port of 127.0.0.1 (0: a free one)."""
    for region in REGIONS:
        offerings(region)
    advisor_feed()
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", port, limit=1 << 20, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.1, help="seconds before every answer")
    parser.add_argument("--step", type=int, default=6 * 3600, help="seconds between two changes of a pool's Spot price")
    parser.add_argument(
        "--reserved", type=int, default=3, help="Reserved terms in a row of the price list (0.6 kB each)"
    )
    parser.add_argument("--hang", default="", metavar="REGION,...", help="regions that never answer EC2's calls")
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        stand_in = StandIn(Answers(given.step, given.reserved), given.delay, tuple(given.hang.split(",")))
        asyncio.run(run(given.port, stand_in))


if __name__ == "__main__":
    main()
