"""The guard's client of instance metadata: tokens, faults, and never a wait longer than its time-out."""

import socket
import sys
import threading
import time
from itertools import pairwise

import pytest

from tests.guard.conftest import PATIENCE
from tests.guard.metadata_server import MetadataServer
from tests.timing import quickest, seconds_of


@pytest.fixture(scope="module")
def module(programs):
    """The guard's own module, as it is on a box."""
    sys.path.insert(0, str(programs))
    try:
        import metadata
    finally:
        sys.path.pop(0)
    yield metadata
    sys.modules.pop("metadata")


@pytest.fixture
def server():
    made = MetadataServer()
    yield made
    made.close()


def test_a_token_is_asked_for_once(server, module):
    """IMDSv2: one token by PUT serves all questions until it is nearly over; what is not there is None."""
    client = module.Metadata(server.url, PATIENCE)
    assert [client.get("instance-id") for _ in range(3)] == ["i-0123456789abcdef0"] * 3
    assert client.get("spot/instance-action") is None
    assert [path for _, path, _ in server.asked].count("/latest/api/token") == 1


def test_a_token_that_is_over_is_renewed(server, module):
    """A 401 costs one new token, not an answer; a token is renewed before its end all the same."""
    client = module.Metadata(server.url, PATIENCE)
    client.get("instance-id")
    server.tokens.clear()
    assert client.get("instance-id") == "i-0123456789abcdef0"
    assert [status for _, _, status in server.asked] == [200, 200, 401, 200, 200]
    client.token_until = time.monotonic() - 1
    assert client.get("instance-id")
    assert [path for _, path, _ in server.asked].count("/latest/api/token") == 3


def test_refused_for_ever_is_an_error_and_no_loop(server, module):
    """Where each token is refused the client gives up after one more."""
    server.ttl = -1
    with pytest.raises(OSError, match="401"):
        module.Metadata(server.url, PATIENCE).get("instance-id")
    assert len(server.asked) == 4


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_only_404_means_that_there_is_nothing(server, module, status):
    """An error of the service is an error, not the absence of a notice."""
    client = module.Metadata(server.url, PATIENCE)
    client.get("instance-id")
    server.status = status
    with pytest.raises(OSError, match=str(status)):
        client.get("spot/instance-action")


def test_tags_are_read_by_their_key(server, module):
    """A tag's key with a colon is a path of its own below tags/instance."""
    server.values["tags/instance/spotbox:idle-stop"] = "1h\n"
    assert module.Metadata(server.url, PATIENCE).get("tags/instance/spotbox:idle-stop") == "1h"


def serve(raw: list[bytes], pause: float) -> str:
    """A service that sends these pieces to whoever connects, with a pause after each."""
    door = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            line, _ = door.accept()
            line.recv(4096)
            try:
                for piece in raw:
                    line.sendall(piece)
                    time.sleep(pause)
                line.close()
            except OSError:
                pass

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{door.getsockname()[1]}"


@pytest.mark.parametrize(
    ("raw", "pause"),
    [
        ([b""], 60),  # hangs
        ([b"H", b"T", b"T", b"P"] + [b"x"] * 1000, 0.05),  # drips
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], 60),  # stops in the middle
        ([b"x" * 8192] * 1000, 0),  # never ends
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], 0),  # breaks off
        ([b"nonsense"], 0),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x1b[3"], 0),  # no token
    ],
)
def test_no_service_can_hold_it_up(module, raw, pause):
    """Whatever answers at the address, a question ends within its time-out, as an error."""

    def fails():
        with pytest.raises(OSError, match=r"."):
            module.Metadata(serve(raw, pause), 0.4).get("instance-id")

    assert quickest(lambda: seconds_of(fails), 2) < 2


def test_nobody_there_is_an_error_at_once(module):
    """Without a service the question fails; the address may be IPv6 and have a path."""
    client = module.Metadata("http://[::1]:9/base/", 0.3)
    assert (client.address, client.prefix.strip("/")) == (("::1", 9), "base")
    with pytest.raises(OSError, match=r"."):
        client.get("instance-id")
    assert module.Metadata("http://169.254.169.254", 1).address == ("169.254.169.254", 80)


def test_time_is_the_services(server, module):
    """The time comes from the Date of the answers and goes on between them; without one it is the box's own."""

    def ahead():
        """Between which seconds the client's time is ahead of the box's own."""
        begun = time.time()
        now = client.now()
        return now - time.time(), now - begun

    server.offset = 1000.0
    client = module.Metadata(server.url, PATIENCE)
    least, most = ahead()
    assert least < 1
    assert most > -1
    client.get("instance-id")
    least, most = ahead()
    assert least < 1002.5  # a Date has whole seconds, and is as old as its way was long
    assert most > 1000 - 2.5
    client.dated = ("Tomorrow", 0.0)
    least, most = ahead()
    assert least < 1
    assert most > -1


def test_instants_are_utc(module):
    """AWS's times end in Z; whatever is none is None."""
    assert module.instant("2017-09-18T08:22:00Z") == 1505722920.0
    assert module.instant("2017-09-18T10:22:00+02:00") == 1505722920.0
    for text in ("", "soon", "2017-09-18T08:22:00", None, "2017-09-18"):
        assert module.instant(text) is None


def test_a_notice_between_faults_is_seen(box):
    """Through token expiry, errors and delays the guard goes on, says so once, and sees the notice that follows."""
    box.metadata.ttl = 0.3
    box.start(hook_time=1.0, last_sync=1.0, timeout=2.0)
    box.wait_for(lambda: sum(status == 401 for _, _, status in box.metadata.asked) >= 2)
    box.metadata.ttl = 60.0  # the fault below is to meet a look, and not the renewal of a token
    box.wait_for(lambda: any(until > time.monotonic() + 30 for until in list(box.metadata.tokens.values())))
    box.metadata.status = 503
    box.wait("look failed: OSError: metadata service answered 503")
    seen = len(box.metadata.asked)
    box.wait_for(lambda: len(box.metadata.asked) > seen + 5)
    box.metadata.delay = 4.0  # longer than the time-out
    box.wait_for(lambda: "503" not in box.failures()[-1])
    box.metadata.status, box.metadata.delay = 0, 0.0
    box.metadata.notice(60)
    box.wait("ready for the interruption")
    said = box.failures()
    assert all(one != next_ for one, next_ in pairwise(said)), said
