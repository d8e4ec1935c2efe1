"""One botocore session per run and the clients made from it, as boto3 makes them; imported at the first use.

boto3 itself would take a tenth of the start-up time for what spotbox does not use here (resources, S3 transfers).
"""

from __future__ import annotations

import gc
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from spotbox import __version__
from spotbox.aws.parallel import T, parallel
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.text import safe
from spotbox.store import Store

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 20  # seconds
BRISK = {"connect_timeout": 3, "read_timeout": 8, "total_max_attempts": 2}  # a dead region costs seconds, not a minute
ATTEMPTS = 5  # of one call: where a quarter of them fail, one in a thousand is given up; an outage shows in some 10 s
# How the names of calls begin that change nothing; the tokens are of the user's own sign-in (SSO, `aws login`).
READING = (
    *("Describe", "Get", "List", "Lookup", "Search", "Filter", "Head", "Simulate", "Assume"),
    *("CreateToken", "CreateOAuth2Token"),
)
POOL_SIZE = 32  # connections of one client; more than the threads of one `parallel`


@contextmanager
def uncollected() -> Iterator[None]:
    """Make what lasts until the end without the garbage collector looking through it again and again.

    It costs a third of the time in which boto3 is imported and EC2's model read. What there is afterwards is frozen:
    it is no garbage, and need not be looked at.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.freeze()
            gc.enable()


class Aws:
    """The account that a command works on: credentials, default region, and clients made once each.

    With `endpoint` and `keys` the session is sealed: it talks to that endpoint with those keys, and nothing of the
    environment (`AWS_*`, proxies) or of `~/.aws` is read. With neither, all that boto3 reads works as everywhere else.
    In `store` cuts of AWS's service models are kept, which are read sooner than the models.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
        keys: tuple[str, str] | None = None,
        agent: str = f"spotbox/{__version__}",
        store: Store | None = None,
    ):
        if (endpoint is None) != (keys is None):
            raise ValueError("endpoint and keys go together")
        self._profile = profile
        self._region = region
        self._endpoint = endpoint
        self._keys = keys
        self._agent = agent
        self._store = store
        self._session: Any = None
        self._trust: Any = None
        self._clients: dict[tuple[str, str | None, bool, bool], Any] = {}
        self._ahead: list[tuple[str, str]] = []
        self._lock = threading.RLock()
        self.changed = False  # whether a call was sent that is not one of reading

    @property
    def sealed(self) -> bool:
        """Whether this talks to the sandbox alone."""
        return self._endpoint is not None

    @property
    def region(self) -> str | None:
        """The default region: as given, else `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's; None where none is set.

        boto3 itself does not read `AWS_REGION`; the other SDKs do (AWS SDKs and Tools Reference Guide, "AWS Region").
        Raises SpotboxError where the profile does not exist or the config file is broken.
        """
        if self._region or self.sealed:
            return self._region
        from spotbox.aws.errors import translating

        with self._lock, translating():
            return os.environ.get("AWS_REGION") or self._made_session().get_config_variable("region")

    def instance_region(self) -> str | None:
        """The region of the EC2 instance we run on, where the credentials are that instance's role; else None.

        Its metadata service is asked as botocore asks it (EC2 User Guide, instancedata-data-categories:
        placement/availability-zone), once, and only there: elsewhere nothing answers at its address.
        """
        if self.sealed:
            return None
        from botocore.utils import IMDSRegionProvider

        from spotbox.aws.errors import translating

        with self._lock, translating():
            session = self._made_session()
            credentials = session.get_credentials()
            if credentials is None or credentials.method != "iam-role":
                return None
            return IMDSRegionProvider(session).provide() or None

    def client(self, service: str, region: str | None = None, *, once: bool = False, brisk: bool = False) -> Any:
        """The client of `service` in `region` (else the default region), the same one each time.

        `once` sends every call a single time. RunInstances needs it: InsufficientInstanceCapacity is a server error
        (EC2 API Reference, "Error codes": HTTP 500), which botocore would repeat before the next zone is tried.
        `brisk` gives up on a region that does not answer within seconds; it is for reading many regions at once.
        SpotboxError where botocore cannot make the client (unknown profile, no region, broken settings).
        """
        with self._lock:
            region = region or self.region
            key = (service, region, once, brisk)
            if key not in self._clients:
                from spotbox.aws.errors import translating

                try:
                    with translating(region=region or ""), uncollected():
                        self._clients[key] = self._made_client(service, region, once, brisk)
                except ValueError as error:  # botocore's answer to AWS_ENDPOINT_URL=nonsense, AWS_MAX_ATTEMPTS=many
                    raise UsageError(
                        f"the AWS settings cannot be used: {safe(error)}", "Look for it in AWS_* and in ~/.aws/config."
                    ) from error
            return self._clients[key]

    def make_ahead(self, wanted: Sequence[tuple[str, str]], *, brisk: bool = True) -> None:
        """Begin to make clients, (service, region) each, while the caller waits for the network.

        What cannot be made fails where it is asked for. `make_no_more` ends it.
        """
        self._ahead = list(wanted)
        threading.Thread(
            target=self._make_ahead, args=[self._ahead, brisk], daemon=True, name="spotbox-clients"
        ).start()

    def make_no_more(self) -> None:
        """Leave the clients that nobody has asked for yet."""
        self._ahead.clear()

    def _make_ahead(self, wanted: list[tuple[str, str]], brisk: bool) -> None:
        while wanted:
            try:
                self.client(*wanted.pop(0), brisk=brisk)
            except (SpotboxError, IndexError):
                return

    def get(self, url: str, seconds: float) -> Any:
        """An unsigned GET, its body still to be read; proxies and certificates as for every call (not in the sandbox).

        `seconds` is the time-out of the connection and of each read. Redirects are not followed. Raises botocore's
        exceptions.
        """
        from botocore.awsrequest import AWSRequest
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        proxies: dict[str, str] = {}
        verify: Any = True
        limits: Any = (min(seconds, 3), seconds)
        if not self.sealed:
            proxies = get_environ_proxies(url)
            bundle = self._made_session().get_config_variable("ca_bundle")
            verify = bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True
        http = URLLib3Session(verify=verify, proxies=proxies, timeout=limits)
        request = AWSRequest("GET", url, headers={"User-Agent": self._agent}, stream_output=True)
        return http.send(request.prepare())

    def account_mark(self) -> str:
        """A word that differs between access keys and tells nothing of them, for what must not be read by another."""
        from spotbox.aws.errors import translating

        with self._lock, translating():
            key = self._keys[0] if self._keys else None
            if key is None and (found := self._made_session().get_credentials()):
                key = found.access_key
        return hashlib.sha256(f"spotbox {key}".encode()).hexdigest()[:16]

    def credentials(self) -> tuple[str, str]:
        """Where the credentials come from, in botocore's word (`env`, `shared-credentials-file`, `sso`), and the kind
        of login that the profile is set up for: `sso`, `login` or empty. Both are empty where nothing is known."""
        from spotbox.aws.errors import translating

        if self.sealed:
            return "the sandbox", ""
        source = login = ""
        with self._lock, suppress(SpotboxError), translating():
            session = self._made_session()
            profile = session.get_scoped_config()
            login = "sso" if any(key.startswith("sso_") for key in profile) else ""
            login = login or ("login" if "login_session" in profile else "")
            source = str(getattr(session.get_credentials(), "method", None) or "")
        return source, login

    def _made_session(self) -> Any:
        with self._lock:
            if self._session is None:
                with uncollected():
                    from spotbox.aws.sessions import open_session, sealed_session

                    store = self._store
                    self._session = sealed_session(store) if self.sealed else open_session(self._profile, store)
                    self._session.register("before-call", self._note)
            return self._session

    def _note(self, model: Any, params: Any, **_: Any) -> None:
        """Hear of each call before it is sent. One with DryRun changes nothing (EC2 API Reference, common errors)."""
        body = params.get("body")
        tried = isinstance(body, dict) and str(body.get("DryRun")).lower() == "true"
        if not (tried or model.name.startswith(READING)):  # set, never written back: calls are made side by side
            self.changed = True

    def _made_client(self, service: str, region: str | None, once: bool, brisk: bool) -> Any:
        from botocore.config import Config

        session = self._made_session()
        # Standard, whatever botocore's default is this year; the user's own AWS_RETRY_MODE=adaptive is honoured.
        asked = session.get_config_variable("retry_mode")
        retries: dict[str, Any] = {"mode": "adaptive" if asked == "adaptive" else "standard"}
        if once or session.get_config_variable("max_attempts") is None:
            retries["total_max_attempts"] = 1 if once else ATTEMPTS
        options: dict[str, Any] = {
            "retries": retries,
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "max_pool_connections": POOL_SIZE,
            "user_agent_extra": self._agent,
        }
        if brisk:
            options |= {"connect_timeout": BRISK["connect_timeout"], "read_timeout": BRISK["read_timeout"]}
            retries["total_max_attempts"] = BRISK["total_max_attempts"]
        if self._keys is None:
            client = session.create_client(service, region_name=region, config=Config(**options))
            self._share_trust(client)
            return client
        access, secret = self._keys
        return session.create_client(
            service,
            region_name=region or "us-east-1",
            endpoint_url=self._endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            verify=True,  # given, so that AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE are not looked at
            config=Config(proxies={}, **options),  # {} and not None: None would ask the environment for proxies
        )

    def _share_trust(self, client: Any) -> None:
        from spotbox.aws.trust import share, trust

        self._trust = self._trust or trust()
        share(client, self._trust)

    def parallel(self, calls: Sequence[Callable[[], T]], limit: int = 16) -> list[T | SpotboxError]:
        """What each of `calls` gave, in their order, at most `limit` at a time; see `spotbox.aws.parallel`."""
        return parallel(calls, limit)
