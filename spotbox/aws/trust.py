"""One TLS context for all clients of a run, so that the certificates that it trusts are read once.

urllib3 reads the file of trusted certificates for each connection anew, which takes 40 ms of a processor with OpenSSL 3
(its own context or not: urllib3.util.ssl_.ssl_wrap_socket). `up` opens two connections in each of 17 regions.
"""

import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.httpsession import create_urllib3_context


def trust() -> ssl.SSLContext:
    """A context as botocore makes it, which may be shared: what urllib3 sets for each connection is set once.

    A file of certificates that has been read is not read again, and the protocols offered (ALPN) are not replaced while
    another thread opens a connection with them.
    """
    context: ssl.SSLContext = create_urllib3_context()
    for name in ("load_verify_locations", "set_alpn_protocols"):
        setattr(context, name, _once(getattr(context, name)))
    return context


def share(client: Any, context: ssl.SSLContext) -> None:
    """Let the client open its connections with `context`; those through a proxy stay as botocore has them.

    botocore takes no context, so its attributes are set. Where they have other names, everything works as before.
    """
    with suppress(AttributeError):
        client._endpoint.http_session._manager.connection_pool_kw["ssl_context"] = context


def _once(method: Callable[..., None]) -> Callable[..., None]:
    """The method, which does nothing where it was called with the same arguments before; others wait for the first."""
    lock, done = threading.Lock(), set[str]()

    def call(*args: Any, **named: Any) -> None:
        key = repr((args, named))
        with lock:
            if key not in done:
                method(*args, **named)
                done.add(key)

    return call
