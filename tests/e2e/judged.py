"""IAM in front of the sandbox: a proxy that lets a call through where a policy grants all that it needs, as AWS would.

Whoever goes by the sandbox's state file comes this way; an independent client knows the sandbox's own address.
"""

import http.client
import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from spotbox.sandbox import faults, gate
from tests.iam import Need, needs, read
from tests.policies import granting

LOOKS = {  # how a resource of EC2 is looked at for its tags
    "image": ("describe_images", "ImageIds"),
    "instance": ("describe_instances", "InstanceIds"),
    "key-pair": ("describe_key_pairs", "KeyNames"),
    "security-group": ("describe_security_groups", "GroupIds"),
    "snapshot": ("describe_snapshots", "SnapshotIds"),
    "spot-instances-request": ("describe_spot_instance_requests", "SpotInstanceRequestIds"),
    "volume": ("describe_volumes", "VolumeIds"),
}
REFUSALS = {"ec2": ("UnauthorizedOperation", 403), "iam": ("AccessDenied", 403), "s3": ("AccessDenied", 403)}
LISTS = ("ActionNames", "ResourceArns")  # of SimulatePrincipalPolicy
ENDS_HERE = ("connection", "transfer-encoding", "content-length")  # headers of one hop


class Iam:
    """A policy for all that passes, and what it said: what was seen, refused, and granted by which statement."""

    def __init__(self, client):
        self.client = client  # of (service, region), for tags
        self.policy: dict[str, Any] = {"Statement": []}
        self.begin(self.policy)

    def begin(self, policy):
        """From now on this policy is the caller's, and nothing was seen yet."""
        self.policy = policy
        self.seen: set[str] = set()
        self.refused: list[Need] = []
        self.granted: set[tuple[str, str, str]] = set()  # Sid, action, resource pattern
        self.failed: list[str] = []

    def judge(self, service, operation, region, path, body):
        """The first need that no statement grants, or None."""
        for need in needs(read(service, operation, region, path, body), self.tags):
            self.seen.add(need.action)
            by = [*granting(self.policy, need.action, need.resource, **need.keys)]
            if not by:
                self.refused.append(need)
                return need
            self.granted |= {(sid, need.action, pattern) for sid, pattern in by}
        return None

    def tags(self, region, kind, name):
        """The tags that a resource has now; none where there is no such thing."""
        if kind == "sagemaker":
            with suppress(ClientError):
                found = self.client("sagemaker", region).list_tags(ResourceArn=name)["Tags"]
                return {tag["Key"]: tag["Value"] for tag in found}
            return {}
        if kind not in LOOKS:
            return {}
        operation, key = LOOKS[kind]
        if kind == "key-pair" and name.startswith("key-"):
            key = "KeyPairIds"
        with suppress(ClientError):
            return _tags_in(getattr(self.client("ec2", region), operation)(**{key: [name]}), name)
        return {}

    def simulated(self, params):
        """What SimulatePrincipalPolicy says of this policy: its words, as XML."""
        listed = {key: [params[name] for name in params if name.startswith(f"{key}.member.")] for key in LISTS}
        keys = {}
        for number in range(1, 10):
            if name := params.get(f"ContextEntries.member.{number}.ContextKeyName"):
                keys[name] = params[f"ContextEntries.member.{number}.ContextKeyValues.member.1"]
        rows = []
        for action in listed["ActionNames"]:
            good = any([*granting(self.policy, action, arn, **keys)] for arn in listed["ResourceArns"])
            decision = "allowed" if good else "implicitDeny"
            rows.append(f"<EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>")
        members = "".join(f"<member>{row}</member>" for row in rows)
        result = f"<EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated>"
        name = "SimulatePrincipalPolicy"
        return f"<{name}Response><{name}Result>{result}</{name}Result></{name}Response>"

    def in_vain(self):
        """(Sid, action) and (Sid, resource pattern) of the policy that granted nothing."""
        used = {(sid, action) for sid, action, _ in self.granted} | {(sid, arn) for sid, _, arn in self.granted}
        return {
            (statement["Sid"], one)
            for statement in self.policy["Statement"]
            for key in ("Action", "Resource")
            for one in (statement[key] if isinstance(statement[key], list) else [statement[key]])
        } - used


def _tags_in(answer, name):
    """The tags of the thing of that id or name, wherever it lies in an answer."""
    if isinstance(answer, dict):
        if name in answer.values() and "Tags" in answer:
            return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}
        answer = [*answer.values()]
    found = (_tags_in(one, name) for one in answer) if isinstance(answer, list) else ()
    return next((tags for tags in found if tags), {})


def _handler(iam, host, port):
    class Gate(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _pass(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith((gate.CONTROL, gate.advisor.PATH)):
                need = self._refused(body)
                if need:
                    self._refuse(need)
                    return
                if self.call.action == "SimulatePrincipalPolicy":  # the sandbox's knows nothing of this policy
                    call = read(*self.call[:2], self.call.region, self.path, body)
                    self._send(200, [("Content-Type", "text/xml")], iam.simulated(call.params).encode())
                    return
            upstream = http.client.HTTPConnection(host, port, timeout=120)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                text = answer.read()
            finally:
                upstream.close()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in ENDS_HERE]
            size = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._send(answer.status, kept, text, size)

        def _refused(self, body):
            environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()}
            environ |= {"CONTENT_TYPE": self.headers.get("Content-Type", ""), "REQUEST_METHOD": self.command}
            self.call = gate._call(environ, body)
            try:
                return iam.judge(self.call.service, self.call.action, self.call.region, self.path, body)
            except Exception as error:  # a call that this reading of IAM does not know is a fault of the test
                iam.failed.append(f"{self.call}: {error!r}")
                return None

        def _refuse(self, need):
            code, status = REFUSALS.get(self.call.service, ("AccessDeniedException", 400))
            kind, text = faults.reply(self.call.service, code, f"not authorized to perform: {need.action}")
            self._send(status, [("Content-Type", kind)], text.encode() if self.command != "HEAD" else b"")

        def _send(self, status, headers, text, size=None):
            self.send_response_only(status)
            for name, value in [*headers, ("Content-Length", size or str(len(text)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _pass

        def log_message(self, *args):
            pass

    return Gate


@contextmanager
def judged(home, client):
    """All that goes by the state file of the sandbox in `home` is judged by the Iam that this gives."""
    file = home / "sandbox" / "state.json"
    state = json.loads(file.read_text())
    url = urlsplit(state["url"])
    iam = Iam(client)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(iam, url.hostname, url.port))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file.write_text(json.dumps({**state, "url": f"http://127.0.0.1:{server.server_port}"}))
    try:
        yield iam
    finally:
        file.write_text(json.dumps(state))
        server.shutdown()
        server.server_close()
