"""One TLS context for all clients: it reads the trusted certificates once, and refuses what it refused before."""

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError

ANSWER = b"<R><regionInfo><item><regionName>us-east-1</regionName></item></regionInfo></R>"
PEM = serialization.Encoding.PEM


def certificate(name, issuer=None, issuer_key=None, authority=False):
    """A certificate for a host name and its key; signed by itself without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer or subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


class Answers(BaseHTTPRequestHandler):
    """DescribeRegions, whatever was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        """Nothing."""


class Quiet(ThreadingHTTPServer):
    """A server to which a client that refuses it is nothing to tell of."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        """Nothing."""


@pytest.fixture
def server(tmp_path):
    """Start an HTTPS server with a certificate for `name`; gives its port, and the file of the authority it is of."""
    running = []

    def start(name):
        root, root_key = certificate("an authority", authority=True)
        own, key = certificate(name, root.subject, root_key)
        bundle, chain = tmp_path / "bundle.pem", tmp_path / "chain.pem"
        bundle.write_bytes(root.public_bytes(PEM))
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        chain.write_bytes(own.public_bytes(PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        https = Quiet(("127.0.0.1", 0), Answers)
        https.socket = context.wrap_socket(https.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=https.serve_forever, args=[0.05], daemon=True).start()
        running.append(https)
        return https.server_address[1], bundle

    yield start
    for https in running:
        https.shutdown()
        https.server_close()


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """An environment of AWS settings with nothing in it but an endpoint and what it trusts."""

    def settings(port, bundle):
        for name, value in {
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "AKIDTEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL": f"https://localhost:{port}",
            "AWS_CA_BUNDLE": str(bundle),
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "localhost",
        }.items():
            monkeypatch.setenv(name, value)
        return Aws(region="us-east-1")

    return settings


def ask(aws, region):
    with translating("ec2:DescribeRegions", region):
        return aws.client("ec2", region).describe_regions()["Regions"]


def test_the_trusted_certificates_are_read_once(server, environment):
    """Connections of other regions' clients need no file of certificates any more, many at once neither."""
    port, bundle = server("localhost")
    aws = environment(port, bundle)
    assert ask(aws, "us-east-1")
    bundle.unlink()
    assert ask(aws, "eu-west-1")
    calls = [lambda region=region: ask(aws, region) for region in ("us-west-1", "us-west-2", "eu-west-2") * 4]
    for region in ("us-west-1", "us-west-2", "eu-west-2"):
        aws.client("ec2", region)
    answers = aws.parallel(calls)
    assert not [answer for answer in answers if isinstance(answer, SpotboxError)]


def test_another_authority_is_refused(server, environment):
    """A server whose certificate no trusted authority signed gets no call, nor does it at the second try."""
    port, bundle = server("localhost")
    bundle.write_bytes(certificate("another authority", authority=True)[0].public_bytes(PEM))
    aws = environment(port, bundle)
    for region in ("us-east-1", "us-east-1", "eu-west-1"):
        with pytest.raises(SpotboxError, match="no trusted connection"):
            ask(aws, region)


def test_another_name_is_refused(server, environment):
    """A certificate for another host gets no call, also where the authority is known from an earlier connection."""
    port, bundle = server("example.com")
    aws = environment(port, bundle)
    for region in ("us-east-1", "eu-west-1"):
        with pytest.raises(SpotboxError, match="no trusted connection"):
            ask(aws, region)


def test_a_bundle_that_is_not_there_is_told_each_time(server, environment, tmp_path):
    """A file of certificates that cannot be read is not taken for read."""
    port, _ = server("localhost")
    aws = environment(port, tmp_path / "absent.pem")
    for region in ("us-east-1", "eu-west-1"):
        with pytest.raises(SpotboxError):
            ask(aws, region)
