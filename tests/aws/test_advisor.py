"""The advisor's feed over HTTP: five seconds in all, 32 MB at most, kept for a day, never an error."""

import gzip
import http.server
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from spotbox.aws import advisor
from spotbox.aws.session import Aws
from spotbox.core.advisor import Feed
from spotbox.store import NoStore
from tests.aws.conftest import NOW
from tests.aws.endpoint import served
from tests.aws.stubbed import sealed
from tests.timing import quickest, seconds_of

FEED = {
    "ranges": [{"index": 0, "label": "<5%"}],
    "spot_advisor": {"us-east-1": {"Linux": {"g5.xlarge": {"s": 50, "r": 0}}, "Windows": {}}},
}
ROOT = Path(__file__).parents[2]


@contextmanager
def server(serve):
    """A web server whose GET is `serve`; `paths` are what was asked of it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append((self.path, dict(self.headers)))
            with suppress(BrokenPipeError, ConnectionResetError):
                serve(self)

        def log_message(self, *args):
            """Nothing on stderr."""

    with served(Handler) as one:
        one.paths = []
        yield one


def body(handler, data, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data if isinstance(data, bytes) else json.dumps(data).encode())


def test_the_feed_is_kept_for_a_day(store):
    """It is asked once a day, or when anew is asked for; the age of a kept one is told."""
    with server(lambda handler: body(handler, FEED)) as web:
        first = advisor.rates(sealed(), store, web.url)
        again = advisor.rates(sealed(), store, web.url)
        advisor.rates(sealed(), store, web.url, refresh=True)
        store.now.at += timedelta(hours=24, seconds=1)
        advisor.rates(sealed(), store, web.url)
    assert first.rate("us-east-1", "g5.xlarge") == again.rate("us-east-1", "g5.xlarge") == ("<5%", 50)
    assert (first.asked, again.asked, again.remark) == (None, NOW, "")
    assert len(web.paths) == 3
    assert "Authorization" not in web.paths[0][1]


def test_an_older_copy_is_better_than_none(store):
    """Where the feed cannot be had, the older one is used, and its age and the reason told."""
    answers = [lambda handler: body(handler, FEED), lambda handler: body(handler, b"busy", 503)]
    with server(lambda handler: answers.pop(0)(handler)) as web:
        advisor.rates(sealed(), store, web.url)
        store.now.at += timedelta(days=3)
        old = advisor.rates(sealed(), store, web.url)
    assert old.rate("us-east-1", "g5.xlarge") == ("<5%", 50)
    assert old.asked == NOW
    assert old.remark == "interruption rates are not of today: the Spot Instance Advisor answered with HTTP 503"


def test_the_feed_of_another_address_is_another(store):
    """What one address said is not read for another."""
    with server(lambda handler: body(handler, FEED)) as web:
        advisor.rates(sealed(), store, web.url)
        assert advisor.rates(sealed(), store, f"{web.url}/other").asked is None
    assert len(web.paths) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"<html>log in</html>", "is no JSON"),
        (b"", "is no JSON"),
        (b'{"ranges": [', "is no JSON"),
        (b"[" * 200_000, "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"{}", "another shape"),
        (b"[1, 2]", "another shape"),
        (json.dumps({**FEED, "ranges": 5}).encode(), "another shape"),
        (gzip.compress(b"{}", mtime=0), "is no JSON"),
    ],
)
def test_junk_is_unknown(answer, told):
    """What is no feed is unknown, and a remark says so."""
    with server(lambda handler: body(handler, answer)) as web:
        found = advisor.rates(sealed(), NoStore(), web.url)
    assert found.rate("us-east-1", "g5.xlarge") is None
    assert told in found.remark
    assert found.remark.startswith("interruption rates are unknown: the Spot Instance Advisor's feed ")


def trickle(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.1)


def silence(handler):
    time.sleep(5)


@pytest.mark.parametrize("serve", [trickle, silence])
def test_the_limit_is_for_all_of_it(serve):
    """A server that says nothing, or a byte now and then, is left after the time that there is in all."""

    def left():
        with server(serve) as web:
            assert not isinstance(advisor.fetched(sealed(), web.url, 0.7), Feed)

    assert quickest(lambda: seconds_of(left), 1.5) < 1.5


def test_too_much_is_left():
    """Above 32 MB nothing more is read."""
    with server(lambda handler: body(handler, b" " * (advisor.MOST + 1))) as web:
        assert advisor.fetched(sealed(), web.url, 20) == "the Spot Instance Advisor's feed is too large"


def test_redirects():
    """A redirect is followed on this machine and to https; never to plain http elsewhere, nor without end."""

    def serve(handler):
        to = {"/a": "/feed", "/far": "http://192.0.2.1/feed", "/file": "file:///etc/passwd", "/loop": "/loop"}
        if handler.path in to:
            body(handler, b"", 302, Location=to[handler.path])
        else:
            body(handler, FEED)

    with server(serve) as web:
        assert isinstance(advisor.fetched(sealed(), f"{web.url}/a"), Feed)
        assert "is not https: http://192.0.2.1/feed" in advisor.fetched(sealed(), f"{web.url}/far")
        assert "is not https: file:///etc/passwd" in advisor.fetched(sealed(), f"{web.url}/file")
        assert "without end" in advisor.fetched(sealed(), f"{web.url}/loop")


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "ftp://127.0.0.1/", "nonsense", "file:///etc/passwd", "http://[", "http://\x1b"]
)
def test_other_addresses_are_not_asked(url):
    """Only https is asked, and http of this machine; nonsense is a remark too."""
    found = advisor.rates(sealed(), NoStore(), url)
    assert found.remark.startswith("interruption rates are unknown: the Spot Instance Advisor's address is not https")
    assert "\x1b" not in found.remark


def test_nobody_there():
    """A port where nothing listens is a remark."""
    with server(lambda handler: None) as web:
        url = web.url
    assert "cannot be reached" in advisor.fetched(sealed(), url)


def test_proxies_are_those_of_every_call(tmp_path):
    """Outside of the sandbox the feed goes through the environment's proxy; in it nothing of that is read."""
    code = (
        "import sys; from spotbox.aws import advisor; from spotbox.aws.session import Aws\n"
        "sealed = Aws(region='us-east-1', endpoint='http://127.0.0.1:9', keys=('a', 'b'))\n"
        "print(*(type(advisor.fetched(aws, sys.argv[1])).__name__ for aws in (Aws(), sealed)))\n"
    )
    with server(lambda handler: body(handler, FEED)) as web, server(lambda handler: body(handler, FEED)) as proxy:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HTTP_PROXY": proxy.url}
        done = subprocess.run(
            [sys.executable, "-c", code, f"{web.url}/feed"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stdout == "Feed Feed\n", done.stderr
    assert [path for path, _ in proxy.paths] == [f"{web.url}/feed"]
    assert [path for path, _ in web.paths] == ["/feed"]


def test_the_address_of_the_feed():
    """AWS's own address is https."""
    assert advisor.FEED.startswith("https://")
    assert Aws(region="us-east-1").sealed is False
