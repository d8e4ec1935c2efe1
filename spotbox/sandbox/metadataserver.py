"""The metadata service of one box: HTTP on a loopback port of its own, with the session tokens of IMDSv2.

Tokens, TTLs and status codes: EC2 User Guide, configuring-instance-metadata-service.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from spotbox.sandbox import peer
from spotbox.sandbox.metadata import Facts, answer

TOKEN_PATH = "/latest/api/token"  # noqa: S105  # a path
TTL, TOKEN = "x-aws-ec2-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token"
MAX_TTL = 21600  # seconds
PATIENCE = 10.0  # seconds for a caller to say what it wants
TOKENS = 1000  # kept at a time
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
NOT_ALLOWED = 405


class MetadataServer:
    """One box's service. `ask()` gives the facts of the moment, None where the instance is gone."""

    def __init__(self, ask: Callable[[], Facts | None], clock: Callable[[], float] = time.monotonic):
        self._ask = ask
        self._clock = clock
        self._tokens: dict[str, float] = {}  # token -> when it ends, by the clock
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def open(self) -> None:
        """Listen on a free port of 127.0.0.1; `url` is known from then on. Raises OSError when there is none."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=16384)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Listen no longer, and forget callers and tokens. Twice is fine."""
        self._tokens.clear()
        if self._server:
            self._server.close()
            self._server = None
        for caller in self._callers:
            caller.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one after the other."""
        self._callers.add(writer)
        try:
            while True:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                method, path, headers = _parse(head)
                await asyncio.wait_for(reader.readexactly(_length(headers)), PATIENCE)
                # A token is for programs of this user; whoever has one has been looked at.
                if TOKEN not in headers and not _is_ours(writer):
                    return
                status, body, more = self.reply(method, path, headers)
                keep = headers.get("connection", "").lower() != "close" and b" HTTP/1.1\r\n" in head
                writer.write(_message(status, {"Connection": "keep-alive" if keep else "close", **more}, body))
                await writer.drain()
                if not keep:
                    return
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            self._callers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def reply(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and further headers for one request; header names are in small letters."""
        facts = self._ask()
        if facts is None or not facts.enabled:
            return 403, b"", {}
        if path == TOKEN_PATH and method == "PUT":
            return self._new_token(headers)
        if method != "GET":
            return NOT_ALLOWED, b"", {"Allow": "GET"}
        if not self._valid(headers.get(TOKEN), facts.tokens_required):
            return 401, b"", {}
        body = answer(facts, path.partition("?")[0], datetime.now(UTC))
        return (404, b"", {}) if body is None else (200, body, {})

    def _new_token(self, headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
        ttl = headers.get(TTL, "")
        if "x-forwarded-for" in headers:  # what came through a proxy gets no token
            return 403, b"", {}
        if not (ttl.isascii() and ttl.isdigit() and 1 <= int(ttl) <= MAX_TTL):
            return 400, b"", {}
        now = self._clock()
        if len(self._tokens) >= TOKENS:
            self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = secrets.token_urlsafe(42)
        self._tokens[token] = now + int(ttl)
        return 200, token.encode(), {TTL: ttl}

    def _valid(self, token: str | None, required: bool) -> bool:
        if token is None:
            return not required
        return self._tokens.get(token, 0) > self._clock()


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    return peer.is_ours(writer.get_extra_info("peername")[1], writer.get_extra_info("sockname")[1])


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers of a request. Raises ValueError for what is none."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return method, path, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _length(headers: Mapping[str, str]) -> int:
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= 4096:
        raise ValueError("no request to a metadata service has a body of that size")
    return length


def _message(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    rows = {"Content-Type": "text/plain", "Content-Length": str(len(body)), "Date": date, "Server": "EC2ws", **headers}
    text = f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}\r\n"
    return (text + "".join(f"{name}: {value}\r\n" for name, value in rows.items()) + "\r\n").encode() + body
