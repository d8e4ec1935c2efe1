"""The instance metadata service: IMDSv2 over a plain socket (http.client alone would cost 3 MB of memory).

Source: EC2 User Guide, "Use IMDSv2" (token by PUT, at most 6 h; 401 when it is missing or over; 404 for what is not).
"""

import datetime
import socket
import time

TOKEN_TTL = 21600  # seconds, the most there is
MOST = 65536  # bytes of one answer
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Metadata:
    """Asks for one value at a time; every failure but 404 is an OSError, and none takes longer than `timeout`."""

    def __init__(self, base, timeout):
        host, _, self.prefix = base.split("://", 1)[-1].partition("/")
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):
            name, port = host, "80"
        self.host, self.address = host, (name.strip("[]"), int(port))
        self.timeout = timeout
        self.token, self.token_until = "", 0.0
        self.dated = None  # (the Date of the last answer, when it came)

    def get(self, path):
        """The text at a path below /latest/meta-data/, None where there is none (404)."""
        for last in (False, True):
            self._renew()
            status, body = self._ask("GET", "/latest/meta-data/" + path, "X-aws-ec2-metadata-token: " + self.token)
            if status == 200:
                return body
            if status == 404:
                return None
            if status != 401 or last:
                raise OSError("metadata service answered %d" % status)
            self.token_until = 0.0
        return None

    def now(self):
        """Seconds since 1970 by the metadata service's clock, which no user sets; else by the box's own."""
        if self.dated:
            epoch = _epoch(self.dated[0])
            if epoch:
                return epoch + time.monotonic() - self.dated[1]
        return time.time()

    def _renew(self):
        if time.monotonic() < self.token_until:
            return
        asked = time.monotonic()
        status, body = self._ask("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: %d" % TOKEN_TTL)
        if status != 200 or not body or not body.isprintable():
            raise OSError("metadata service gave no token (%d)" % status)
        self.token, self.token_until = body, asked + TOKEN_TTL - 300

    def _ask(self, method, path, header):
        until = time.monotonic() + self.timeout
        where = "/" + self.prefix.strip("/") + path if self.prefix.strip("/") else path
        lines = [
            method + " " + where + " HTTP/1.1",
            "Host: " + self.host,
            header,
            "Connection: close",
            "Content-Length: 0",
        ]
        with socket.create_connection(self.address, self.timeout) as line:
            line.sendall("\r\n".join([*lines[: 5 if method == "PUT" else 4], "", ""]).encode("ascii"))
            raw = b""
            while not _whole(raw):
                left = until - time.monotonic()
                if left <= 0 or len(raw) > MOST:
                    raise OSError("metadata service is too slow, or says too much")
                line.settimeout(left)
                more = line.recv(8192)
                if not more:
                    break
                raw += more
        return self._parse(raw)

    def _parse(self, raw):
        head, end, body = raw.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        if not end or len(words) < 2 or not words[1].isdigit():
            raise OSError("metadata service broke off")
        length, date = _header(head, b"content-length"), _header(head, b"date")
        if length.isdigit() and len(body) < int(length):
            raise OSError("metadata service broke off")
        if date:
            self.dated = (date.decode("ascii", "replace"), time.monotonic())
        return int(words[1]), body.decode("utf-8", "replace").strip()


def _header(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def _whole(raw):
    """Whether the answer is complete; one without a length ends with the connection."""
    head, end, body = raw.partition(b"\r\n\r\n")
    length = _header(head, b"content-length") if end else b""
    return length.isdigit() and len(body) >= int(length)


def _epoch(date):
    """Seconds since 1970 of an HTTP date (`Sun, 22 Nov 2026 09:28:46 GMT`), None for anything else."""
    try:
        _, day, month, year, clock, _ = date.split()
        hour, minute, second = (int(part) for part in clock.split(":"))
        utc = datetime.timezone.utc
        when = datetime.datetime(int(year), MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=utc)
    except ValueError:
        return None
    return when.timestamp()


def instant(text):
    """Seconds since 1970 of `2017-09-18T08:22:00Z`, None for anything else."""
    try:
        when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (TypeError, ValueError, AttributeError):
        return None
    return when.timestamp() if when.tzinfo else None
