"""The advisor's file as a server of the test's own gives it, right or wrong."""

import http.server
import time
from contextlib import contextmanager

from tests.aws.endpoint import served

FEED = {
    "global_rate": "<10%",
    "ranges": [
        {"index": 0, "label": "<5%", "dots": 0, "max": 5},
        {"index": 1, "label": "5-10%", "dots": 1, "max": 11},
        {"index": 4, "label": ">20%", "dots": 4, "max": 100},
    ],
    "instance_types": {"g5.xlarge": {"emr": True, "cores": 4, "ram_gb": 16.0}},
    "spot_advisor": {
        "us-east-1": {
            "Linux": {"g5.xlarge": {"s": 59, "r": 4}, "g4dn.xlarge": {"s": 50, "r": 0}},
            "Windows": {"g5.xlarge": {"s": 1, "r": 1}},
        }
    },
}


@contextmanager
def feed(answer):
    """Serve the advisor's file as `answer` writes it to the connection; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *args):
            """Nothing on stderr."""

    with served(Handler) as server:
        yield f"{server.url}/spot-advisor-data.json"


def sends(body, status=200):
    """An answer of this body."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def slowly(handler):
    """A byte now and then, for as long as anybody listens."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.2)
