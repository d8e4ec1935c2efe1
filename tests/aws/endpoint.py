"""A loopback endpoint in the place of AWS: it answers as it is told and keeps what it was asked, over real HTTP."""

import json
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from spotbox.aws.session import Aws

KEYS = ("AKIDSANDBOX", "secret")


@dataclass
class Asked:
    """One request as it came in."""

    target: str  # X-Amz-Target of a JSON service, else ""
    body: str
    authorization: str
    agent: str
    path: str = "/"

    @property
    def region(self):
        """The region that the call was signed for."""
        return self.authorization.split("/")[2] if self.authorization else ""

    @property
    def action(self):
        """The operation, of either protocol; of an unsigned GET the path."""
        fields = dict(parse_qsl(self.body)) if not self.target else {}
        return self.target.rpartition(".")[2] or fields.get("Action") or self.path

    @property
    def fields(self):
        """The parameters of a call to EC2."""
        return dict(parse_qsl(self.body))

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Endpoint:
    """`answer` gives (HTTP status, body) for each request; `asked` holds them in the order they came."""

    answer: Callable[[Asked], tuple[int, str]]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def aws(self, region="us-east-1"):
        return Aws(region=region, endpoint=self.url, keys=KEYS)


class Quiet(ThreadingHTTPServer):
    """A server to which a client that has hung up is nothing to tell of: its thread may outlive the test that asked."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def served(handler):
    """A server on a free port of 127.0.0.1 with that handler of requests, each in a thread; `url` is its address."""
    server = Quiet(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def endpoint(answer):
    """Serve `answer` there."""
    world = Endpoint(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked = Asked(
                self.headers.get("X-Amz-Target", ""),
                body,
                self.headers.get("Authorization", ""),
                self.headers.get("User-Agent", ""),
                self.path,
            )
            world.asked.append(asked)
            status, text = world.answer(asked)
            if status == 0:  # hang up without an answer
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST

        def log_message(self, *args):
            """Nothing on stderr."""

    with served(Handler) as server:
        world.url = server.url
        yield world


def ec2_error(code, message, status=400):
    """EC2's own error body."""
    return status, (
        f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>r</RequestID></Response>"
    )
