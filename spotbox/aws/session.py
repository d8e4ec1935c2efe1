"""One boto3 Session per run and the clients made from it. boto3 is imported at the first use, not with this module."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from spotbox import __version__
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.text import safe

T = TypeVar("T")

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 20  # seconds
ATTEMPTS = 5  # of one call: where a quarter of them fail, one in a thousand is given up; an outage shows in some 10 s
POOL_SIZE = 32  # connections of one client; more than the threads of one `parallel`


class Aws:
    """The account that a command works on: credentials, default region, and clients made once each.

    With `endpoint` and `keys` the session is sealed: it talks to that endpoint with those keys, and nothing of the
    environment (`AWS_*`, proxies) or of `~/.aws` is read. With neither, all that boto3 reads works as everywhere else.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
        keys: tuple[str, str] | None = None,
        agent: str = f"spotbox/{__version__}",
    ):
        if (endpoint is None) != (keys is None):
            raise ValueError("endpoint and keys go together")
        self._profile = profile
        self._region = region
        self._endpoint = endpoint
        self._keys = keys
        self._agent = agent
        self._session: Any = None
        self._clients: dict[tuple[str, str | None, bool], Any] = {}
        self._lock = threading.RLock()

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
            return os.environ.get("AWS_REGION") or self._made_session().region_name

    def client(self, service: str, region: str | None = None, *, once: bool = False) -> Any:
        """The boto3 client of `service` in `region` (else the default region), the same one each time.

        `once` sends every call a single time. RunInstances needs it: InsufficientInstanceCapacity is a server error
        (EC2 API Reference, "Error codes": HTTP 500), which botocore would repeat before the next zone is tried.
        SpotboxError where botocore cannot make the client (unknown profile, no region, broken settings).
        """
        with self._lock:
            region = region or self.region
            key = (service, region, once)
            if key not in self._clients:
                from spotbox.aws.errors import translating

                try:
                    with translating(region=region or ""):
                        self._clients[key] = self._made_client(service, region, once)
                except ValueError as error:  # botocore's answer to AWS_ENDPOINT_URL=nonsense, AWS_MAX_ATTEMPTS=many
                    raise UsageError(
                        f"the AWS settings cannot be used: {safe(error)}", "Look for it in AWS_* and in ~/.aws/config."
                    ) from error
            return self._clients[key]

    def _made_session(self) -> Any:
        with self._lock:
            if self._session is None:
                import boto3

                if self.sealed:
                    self._session = boto3.Session(botocore_session=_sealed_session())
                else:
                    self._session = boto3.Session(profile_name=self._profile)
            return self._session

    def _made_client(self, service: str, region: str | None, once: bool) -> Any:
        from botocore.config import Config

        session = self._made_session()
        # Standard, whatever botocore's default is this year; the user's own AWS_RETRY_MODE=adaptive is honoured.
        asked = session._session.get_config_variable("retry_mode")
        retries: dict[str, Any] = {"mode": "adaptive" if asked == "adaptive" else "standard"}
        if once or session._session.get_config_variable("max_attempts") is None:
            retries["total_max_attempts"] = 1 if once else ATTEMPTS
        options: dict[str, Any] = {
            "retries": retries,
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "max_pool_connections": POOL_SIZE,
            "user_agent_extra": self._agent,
        }
        if self._keys is None:
            return session.client(service, region_name=region, config=Config(**options))
        access, secret = self._keys
        return session.client(
            service,
            region_name=region or "us-east-1",
            endpoint_url=self._endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            verify=True,  # given, so that AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE are not looked at
            config=Config(proxies={}, **options),  # {} and not None: None would ask the environment for proxies
        )

    def parallel(self, calls: Sequence[Callable[[], T]], limit: int = 16) -> list[T | SpotboxError]:
        """What each of `calls` gave, in their order, at most `limit` at a time; see `parallel` below."""
        return parallel(calls, limit)


def parallel(calls: Sequence[Callable[[], T]], limit: int = 16) -> list[T | SpotboxError]:
    """Run `calls` in at most `limit` threads and give their results in order; a refusal of AWS stands in its place.

    Any other exception is a bug and is raised. Ctrl-C ends the wait at once: the threads are daemons, so that a call
    in flight (up to its read time-out) holds up neither the caller nor the end of the process.
    """
    from spotbox.aws.errors import translating

    todo: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                index = todo.get_nowait()
            except Empty:
                return
            try:
                with translating():
                    done.put((index, calls[index](), None))
            except BaseException as error:
                done.put((index, None, error))

    for index in range(len(calls)):
        todo.put(index)
    for _ in range(min(limit, len(calls))):
        threading.Thread(target=work, daemon=True, name="spotbox-aws").start()
    try:
        return _collected(done, len(calls))
    except BaseException:
        with suppress(Empty):  # what has not begun does not begin
            while True:
                todo.get_nowait()
        raise


def _collected(done: SimpleQueue[tuple[int, Any, BaseException | None]], count: int) -> list[Any]:
    results: list[Any] = [None] * count
    for _ in range(count):
        index, value, error = done.get()
        if error is not None and not isinstance(error, SpotboxError):
            raise error
        results[index] = value if error is None else error
    return results


def _sealed_session() -> Any:
    """A botocore session that reads no environment variable, no file of the user's, and no data but botocore's own."""
    from botocore.loaders import Loader
    from botocore.session import Session

    names = Session.SESSION_VARIABLES
    sealed = {name: (None, None, default, cast) for name, (_, _, default, cast) in names.items()}
    sealed["config_file"] = (None, None, os.devnull, None)
    sealed["credentials_file"] = (None, None, os.devnull, None)
    session = Session(session_vars=sealed)
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    session.register_component("data_loader", loader)  # not ~/.aws/models, not AWS_DATA_PATH
    return session
