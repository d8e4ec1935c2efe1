"""On an EC2 instance that works as its own role, the region is the instance's."""

import http.server
import json
import threading

import pytest

from spotbox.aws.session import Aws

ROLE = {"Code": "Success", "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "Token": "t",
        "Expiration": "2099-01-01T00:00:00Z"}  # fmt: skip
ANSWERS = {
    "/latest/meta-data/iam/security-credentials/": "trainer",
    "/latest/meta-data/iam/security-credentials/trainer": json.dumps(ROLE),
    "/latest/meta-data/placement/availability-zone/": "eu-west-1b",
}


@pytest.fixture
def metadata(monkeypatch, tmp_path):
    """A metadata service on loopback, and an environment with nothing else; gives the paths that were asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, text, status=200):
            asked.append(self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self):
            self._answer("token")

        def do_GET(self):
            self._answer(ANSWERS.get(self.path, ""), 200 if self.path in ANSWERS else 404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                 "AWS_EC2_METADATA_DISABLED"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()


def test_the_instances_own(metadata):
    """The zone without its letter, where the credentials came from the same service."""
    assert Aws().instance_region() == "eu-west-1"


def test_other_credentials(metadata, monkeypatch):
    """With keys of one's own the metadata service is not asked: elsewhere nothing answers at its address."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAX")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert (Aws().instance_region(), metadata) == (None, [])


def test_the_sandbox_is_sealed(metadata):
    """Nothing outside of the sandbox is asked."""
    assert Aws(endpoint="http://127.0.0.1:1", keys=("a", "b")).instance_region() is None
    assert metadata == []
