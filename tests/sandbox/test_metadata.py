"""The metadata service of a box, asked over HTTP as a program on it would."""

import asyncio
import contextlib
import http.client
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from spotbox.sandbox.metadata import Facts
from spotbox.sandbox.metadataserver import TOKENS, MetadataServer

WHEN = datetime(2026, 11, 22, 8, 22, 0, 900_000, tzinfo=UTC)
FACTS = Facts(
    instance_id="i-0123456789abcdef0",
    instance_type="g5.xlarge",
    image_id="ami-0123456789abcdef0",
    region="us-east-1",
    zone="us-east-1b",
    account="123456789012",
    hostname="ip-172-31-5-9",
    private_ip="172.31.5.9",
    public_ip="127.1.50.1",
)


class Service:
    """A running service whose facts and clock the test moves, and a client of it."""

    def __init__(self):
        self.facts, self.now = FACTS, 1000.0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = MetadataServer(lambda: self.facts, lambda: self.now)
        self.do(self.server.open())

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        """Status and body."""
        link = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=60)
        with contextlib.closing(link):
            link.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            reply = link.getresponse()
            return reply.status, reply.read().decode()

    def token(self, ttl: str = "21600") -> str:
        return self.ask("/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds=ttl)[1]

    def get(self, path: str) -> tuple[int, str]:
        return self.ask(f"/latest/{path}", X_aws_ec2_metadata_token=self.token())

    async def _end(self):
        self.server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # the transports close their sockets

    def end(self):
        self.do(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)
        self.loop.close()


@pytest.fixture
def service():
    found = Service()
    yield found
    found.end()


def test_nothing_is_told_without_a_token(service):
    """IMDSv2: 401 without a token and with a wrong one, the value with a good one."""
    assert service.ask("/latest/meta-data/instance-id") == (401, "")
    assert service.ask("/latest/meta-data/instance-id", X_aws_ec2_metadata_token="no") == (401, "")
    assert service.get("meta-data/instance-id") == (200, FACTS.instance_id)


def test_a_token_ends(service):
    """A token is good for its TTL and not a second longer."""
    token = service.token("60")
    service.now += 59
    assert service.ask("/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)[0] == 200
    service.now += 2
    assert service.ask("/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)[0] == 401


@pytest.mark.parametrize("ttl", ["", "0", "21601", "-1", "x", "\u0662"])
def test_a_token_needs_a_ttl_within_bounds(service, ttl):
    """1 to 21600 seconds; anything else is 400."""
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": ttl.encode("utf-8").decode("latin-1")}
    assert service.server.reply("PUT", "/latest/api/token", {k.lower(): v for k, v in headers.items()})[0] == 400
    assert service.server.reply("PUT", "/latest/api/token", {})[0] == 400


def test_tokens_do_not_pile_up(service):
    """Those that have ended are forgotten once there are many."""
    for _ in range(TOKENS):
        service.server.reply("PUT", "/latest/api/token", {"x-aws-ec2-metadata-token-ttl-seconds": "1"})
    service.now += 5
    token = service.token()
    assert list(service.server._tokens) == [token]


def test_version_1_where_it_is_allowed(service):
    """HttpTokens optional: a call without a token is answered, one with a wrong token is not."""
    service.facts = replace(FACTS, tokens_required=False)
    assert service.ask("/latest/meta-data/instance-type") == (200, "g5.xlarge")
    assert service.ask("/latest/meta-data/instance-type", X_aws_ec2_metadata_token="no")[0] == 401


def test_switched_off(service):
    """HttpEndpoint disabled, and an instance that is gone: 403 for all."""
    token = service.token()
    for facts in (replace(FACTS, enabled=False), None):
        service.facts = facts
        assert service.ask("/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)[0] == 403
        assert service.ask("/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")[0] == 403


@pytest.mark.parametrize("behaviour", ["stop", "terminate"])
def test_a_notice_appears_when_there_is_one(service, behaviour):
    """instance-action is 404 until AWS takes the machine back; termination-time is there for an end only."""
    paths = [f"meta-data/spot/{name}" for name in ("instance-action", "termination-time")]
    assert [service.get(path)[0] for path in paths] == [404, 404]
    service.facts = replace(FACTS, action=(behaviour, WHEN))
    status, body = service.get(paths[0])
    assert (status, json.loads(body)) == (200, {"action": behaviour, "time": "2026-11-22T08:22:00Z"})
    assert service.get(paths[1]) == ((200, "2026-11-22T08:22:00Z") if behaviour == "terminate" else (404, ""))


def test_a_rebalance_recommendation(service):
    """404 without one; with one its time."""
    path = "meta-data/events/recommendations/rebalance"
    assert service.get(path)[0] == 404
    service.facts = replace(FACTS, rebalance=WHEN)
    assert json.loads(service.get(path)[1]) == {"noticeTime": "2026-11-22T08:22:00Z"}


def test_tags_are_those_of_the_moment(service):
    """InstanceMetadataTags disabled is 404; enabled, each tag is a path and the folder lists their keys."""
    assert service.get("meta-data/tags/instance/spotbox:name")[0] == 404
    service.facts = replace(FACTS, tags={"spotbox:name": "dev", "Name": "spotbox-dev"})
    assert service.get("meta-data/tags/instance/spotbox:name") == (200, "dev")
    assert service.get("meta-data/tags/instance/") == (200, "spotbox:name\nName")
    service.facts = replace(FACTS, tags={})
    assert service.get("meta-data/tags/instance/spotbox:name")[0] == 404


def test_credentials_come_with_a_profile_only(service):
    """Without an instance profile there is no iam; with one the role's name and its credentials."""
    assert service.get("meta-data/iam/security-credentials/")[0] == 404
    service.facts = replace(FACTS, role="trainer")
    assert service.get("meta-data/iam/security-credentials/") == (200, "trainer")
    found = json.loads(service.get("meta-data/iam/security-credentials/trainer")[1])
    assert found["Code"] == "Success"
    assert found["AccessKeyId"]


def test_botocore_takes_its_credentials_from_it(service):
    """The real client of the service finds the role and its keys."""
    from botocore.credentials import InstanceMetadataFetcher

    service.facts = replace(FACTS, role="trainer")
    fetcher = InstanceMetadataFetcher(env={}, base_url=f"{service.server.url}/", num_attempts=1)
    found = fetcher.retrieve_iam_role_credentials()
    assert (found["role_name"], found["secret_key"]) == ("trainer", "sandbox")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("meta-data/placement/availability-zone", "us-east-1b"),
        ("meta-data/public-ipv4", "127.1.50.1"),
        ("meta-data/local-ipv4", "172.31.5.9"),
        ("meta-data/placement/", "availability-zone\nregion"),
        ("user-data", None),
        ("meta-data/no-such-thing", None),
        ("meta-data/instance-id/below", None),
    ],
)
def test_places(service, path, body):
    """What is there is told; anything else is 404."""
    assert service.get(path) == ((404, "") if body is None else (200, body))


def test_who_the_box_is(service):
    """The identity document names account, instance and region; user data comes back byte by byte."""
    document = json.loads(service.get("dynamic/instance-identity/document")[1])
    assert (document["instanceId"], document["accountId"]) == (FACTS.instance_id, "123456789012")
    service.facts = replace(FACTS, user_data=b"#!/bin/sh\n")
    assert service.get("user-data") == (200, "#!/bin/sh\n")


def test_nonsense_is_dropped(service):
    """What is no HTTP closes the connection; the service answers the next caller."""
    import socket

    host, port = service.server.url.removeprefix("http://").split(":")
    for nonsense in (b"\x16\x03\x01\r\n\r\n", b"GET /\r\n\r\n", b"PUT / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            sock.sendall(nonsense)
            assert sock.recv(100) == b""
    assert service.get("meta-data/instance-id")[0] == 200
