"""The way in: every HTTP request to the sandbox passes here before it reaches a service.

Refused is what a web page could send (another Host, an Origin), what another user of the machine sends, and control
without the secret of this sandbox.
Then come the Spot Advisor's feed, the failures on order, regions that the account has not, the JSON services, and moto
for the rest.
"""

import hmac
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from spotbox.sandbox import advisor, allowed, faults, peer, regions, services
from spotbox.sandbox.cloudtrail import CALLS
from spotbox.sandbox.control import Control
from spotbox.sandbox.given import NoSuchBox
from spotbox.sandbox.refusals import NOT_VALIDATED, Refusal
from spotbox.sandbox.watch import AFTER, BEFORE
from spotbox.sandbox.weather import Call
from spotbox.sandbox.world import World

log = logging.getLogger("spotbox.sandbox")
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_STATUS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 412: "Precondition"}
GLOBAL = ("iam", "sts", "s3", "pricing", "account")  # answer from us-east-1 whatever the region is called
CONTROL = "/_sandbox/"


class ConnectionBroken(ConnectionError):
    """The reply is not to be sent: the caller sees the connection break.

    werkzeug closes the connection without a word where an application raises a ConnectionError.
    """


class Gate:
    """The WSGI application of the sandbox."""

    def __init__(self, world: World, control: Control, moto: Wsgi, nonce: str, used: Callable[[], None]):
        self.world = world
        self.control = control
        self.moto = moto
        self.nonce = nonce
        self.used = used
        self.faults = control.faults
        self.feed = advisor.Feed(world)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if self._from_a_page(environ) or not self._from_this_user(environ):
            return _send(start, 403, "text/plain", "The sandbox answers programs of its own user only.\n")
        path = environ.get("PATH_INFO", "")
        if path.startswith(CONTROL):
            return self._control(environ, start, path.removeprefix(CONTROL))
        if path.startswith("/moto-api") or path.startswith("/latest/"):
            return _send(start, 404, "text/plain", "Not found.\n")
        self.used()
        if path == advisor.PATH and environ.get("REQUEST_METHOD") == "GET":
            return self._advisor(start)
        return self._serve(environ, start)

    def _from_a_page(self, environ: dict[str, Any]) -> bool:
        host = environ.get("HTTP_HOST", "").rsplit(":", 1)[0]
        from_browser = "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ
        # A bucket may be named in the host (my-bucket.localhost); nothing else may.
        local = host in ("127.0.0.1", "localhost") or host.endswith(".localhost")
        return from_browser or not local

    def _from_this_user(self, environ: dict[str, Any]) -> bool:
        try:
            return peer.is_ours(int(environ["REMOTE_PORT"]), int(environ["SERVER_PORT"]))
        except (KeyError, ValueError):
            return True

    # Control

    def _control(self, environ: dict[str, Any], start: Any, verb: str) -> Iterable[bytes]:
        if verb == "checkip":  # what address a caller comes from, as public services tell it
            return _send(start, 200, "text/plain", environ.get("REMOTE_ADDR", "127.0.0.1") + "\n")
        if not hmac.compare_digest(environ.get("HTTP_X_SANDBOX_NONCE", ""), self.nonce):
            return _send(start, 403, "text/plain", "This needs the secret of this sandbox.\n")
        self.used()  # status too: whoever finds a sandbox running is about to call it
        try:
            given = json.loads(_body(environ) or b"{}")
            with self.world.lock:
                self.world.advance()
                self.world.changes += verb != "status"
                reply = self.control.do(verb, given if isinstance(given, dict) else {})
        except ValueError as error:
            status = 404 if isinstance(error, NoSuchBox) else 400
            return _send(start, status, "application/json", json.dumps({"error": str(error)}))
        return _send(start, 200, "application/json", json.dumps(reply))

    # Services

    def _fault(self, service: str, action: str, region: str) -> faults.Fault | None:
        """The failure on order for this call, after the time it takes; None for one that is answered as usual."""
        fault = self.faults.take(service, action, region)
        if fault and fault.delay:
            time.sleep(fault.delay)
        return None if fault and fault.code == faults.SLOW else fault

    def _advisor(self, start: Any) -> Iterable[bytes]:
        """The public feed of the Spot Instance Advisor; nobody signs for it."""
        fault = self._fault("advisor", "Get", "us-east-1")
        if fault and fault.code == faults.RESET:
            raise ConnectionBroken
        if fault:
            return _send(start, fault.http, "application/xml", faults.reply("s3", fault.code, fault.message)[1])
        with self.world.lock:
            self.world.advance()
            text = self.feed.text()
        return _send(start, 200, "application/json", text)

    def _serve(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = _body(environ)
        call = _call(environ, body)
        environ["wsgi.input"] = io.BytesIO(body)
        hold = self.control.watch.seen(call)
        try:
            if hold and hold.when == BEFORE and not hold.wait():
                raise ConnectionBroken
            try:
                answer = self._through(call, body, environ)
            finally:
                if hold and hold.when == AFTER and not hold.wait():
                    raise ConnectionBroken
        except Refusal as refused:
            kind, text = faults.reply(call.service, refused.code, refused.message)
            return _send(start, refused.http, kind, text)
        if isinstance(answer, str):
            return _send(start, 200, "application/x-amz-json-1.1", answer)
        status, headers, chunks = answer
        start(status, headers)
        return chunks

    def _through(self, call: Call, body: bytes, environ: dict[str, Any]) -> Any:
        """The reply, through the weather and the failures on order. Raises Refusal, or ConnectionBroken."""
        met = self.control.sky.over(call)
        time.sleep(met.delay)
        fault = self._fault(*call)
        if fault and fault.code not in (faults.RESET, faults.RESET_BEFORE):
            raise Refusal(fault.code, fault.message, fault.http)
        if met.refused:
            raise met.refused
        if met.lost_before or (fault and fault.code == faults.RESET_BEFORE):
            raise ConnectionBroken
        allowed.check(self.world, call.service, call.action)
        region, known = call.region, call.region in regions.ENABLED and call.region not in self.world.disabled
        if not known and call.service not in GLOBAL and call.service:
            # A region that the account has not switched on is answered so, not with OptInRequired.
            raise Refusal("AuthFailure", NOT_VALIDATED, 401)
        try:
            answer = self._answer(call.service, region, call.action, body, environ, met.replica)
        except Refusal:
            if met.lost_after:
                raise ConnectionBroken from None
            raise
        if fault or met.lost_after:
            raise ConnectionBroken
        return answer

    def _answer(
        self, service: str, region: str, action: str, body: bytes, environ: dict[str, Any], replica: int = 0
    ) -> Any:
        """The reply: JSON text of a service of ours, or moto's status, headers and body."""
        if service == "s3" or not service:  # moto's own; bodies may be large, and it has no part in the world
            self.world.changes += action not in ("GET", "HEAD")
            return self._moto(environ, service, action)
        with self.world.lock:
            self.world.advance()
            self.world.changes += not action.startswith(("Describe", "Get", "List", "Filter"))
            ours = services.ACTIONS.get(service, {}).get(action)
            if ours:
                reply = self._ours(ours, service, action, region, body)
                if reply is not None:
                    return json.dumps(reply)
            elif service in services.ACTIONS and service != "ssm":
                raise Refusal("InvalidAction", f"The sandbox does not serve {service}:{action}.")
            if service != "ec2":
                return self._moto(environ, service, action)
            with self.control.replicas.answering(Call(service, action, region), body, replica):
                answer = self._moto(environ, service, action)
            text = b"".join(answer[2]).decode("utf-8", "replace") if action in CALLS else ""
            self.world.trail.called(region, action, body, text, answer[0].startswith("200"), self.world.now)
            return answer

    def _ours(self, do: services.Action, service: str, action: str, region: str, body: bytes) -> Any:
        try:
            return do(self.world, region, json.loads(body or b"{}"))
        except Refusal:
            raise
        except Exception as error:  # what no check has foreseen; AWS never sends a traceback
            log.exception("%s:%s failed", service, action)
            text = f"{service}:{action} failed inside the sandbox: {type(error).__name__}. See its log."
            raise Refusal("InvalidRequest", text) from error

    def _moto(self, environ: dict[str, Any], service: str, action: str) -> tuple[str, list[Any], list[bytes]]:
        got: list[Any] = []

        def keep(status: str, headers: list[Any], exc_info: Any = None) -> None:
            got[:] = [status, headers]

        try:
            chunks = list(self.moto(environ, keep))
        except NotImplementedError as error:
            raise Refusal("InvalidAction", f"The sandbox does not serve {service}:{action}. {error}") from error
        except Refusal:
            raise
        except Exception as error:  # moto's apps let any exception through; AWS never sends a traceback
            log.exception("%s:%s failed", service, action)
            text = f"{service}:{action} failed inside the sandbox: {type(error).__name__}. See its log."
            raise Refusal("InvalidRequest", text) from error
        return got[0], got[1], chunks


def _body(environ: dict[str, Any]) -> bytes:
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        return environ["wsgi.input"].read()
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


def _call(environ: dict[str, Any], body: bytes) -> Call:
    """Service, action and region of a request; empty where it is not signed, as S3's may be."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    region, service = scope.groups() if scope else ("us-east-1", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Call(service, target.rsplit(".", 1)[-1], region)
    if service == "account":
        return Call(service, environ.get("PATH_INFO", "").strip("/"), region)
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return Call(service, (parse_qs(body.decode("utf-8", "replace")).get("Action") or [""])[0], region)
    return Call(service, environ.get("REQUEST_METHOD", ""), region)


def _send(start: Any, status: int, kind: str, text: str) -> list[bytes]:
    raw = text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(raw))), ("x-amzn-RequestId", "sandbox")]
    start(f"{status} {_STATUS.get(status, 'Error')}", headers)
    return [raw]
