"""A metadata service that a test runs: IMDSv2 over real HTTP, with the faults that a test asks for."""

import threading
import time
from contextlib import suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MetadataServer:
    """Values by path below /latest/meta-data/; what is not there is 404, as AWS answers."""

    def __init__(self):
        self.values = {"instance-id": "i-0123456789abcdef0"}
        self.offset = 0.0  # seconds that the service's clock is ahead of the machine's
        self.ttl = 21600.0  # seconds that a token really holds
        self.delay = 0.0  # seconds before an answer
        self.status = 0  # an answer other than the right one
        self.tokens: dict[str, float] = {}
        self.asked: list[tuple[float, str, int]] = []
        self.dated = True
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                self.reply(*server.token(self.path, self.headers), path=self.path)

            def do_GET(self):
                self.reply(*server.value(self.path, self.headers), path=self.path)

            def reply(self, status, text, path):
                if server.delay:
                    time.sleep(server.delay)
                server.asked.append((time.monotonic(), path.removeprefix("/latest/meta-data/"), status))
                body = text.encode()
                self.send_response_only(status)
                if server.dated:
                    self.send_header("Date", formatdate(time.time() + server.offset, usegmt=True))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def handle(self):
                with suppress(OSError):
                    super().handle()

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def token(self, path, headers):
        if self.status:
            return self.status, "out of order"
        if path != "/latest/api/token" or not headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit():
            return 400, "bad request"
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = time.monotonic() + self.ttl
        return 200, token

    def value(self, path, headers):
        if self.status:
            return self.status, "out of order"
        if self.tokens.get(headers.get("X-aws-ec2-metadata-token", ""), 0) < time.monotonic():
            return 401, "Unauthorized"
        value = self.values.get(path.removeprefix("/latest/meta-data/"))
        return (404, "<title>404 - Not Found</title>") if value is None else (200, value)

    def now(self):
        """The service's own time, seconds since 1970."""
        return time.time() + self.offset

    def notice(self, seconds: float, action: str = "stop"):
        """Announce an interruption in so many seconds; returns its time by the machine's clock."""
        at = time.time() + seconds
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at + self.offset))
        self.values["spot/instance-action"] = f'{{"action": "{action}", "time": "{text}"}}'
        return at

    def close(self):
        self.http.shutdown()
        self.http.server_close()
