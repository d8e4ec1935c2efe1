"""The Spot Instance Advisor's feed over HTTPS: within five seconds, or not at all."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urljoin, urlsplit

from spotbox.aws.session import Aws
from spotbox.core.advisor import Feed, feed_as_json, parse_feed
from spotbox.core.text import safe
from spotbox.store import Store

FEED = "https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json"  # public, undocumented, no credentials
LIMIT = 5.0  # seconds in all
MOST = 32 * 1024 * 1024  # bytes; the feed has about two million
KEPT = timedelta(hours=24)
OLD = timedelta(days=90)  # rates are of a month; what is older tells nothing
_FILE = "advisor"
_HOPS = 3  # redirects
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def rates(aws: Aws, store: Store, url: str = "", refresh: bool = False) -> Feed:
    """The feed, at most a day old. Never raises: `remark` says why it is empty.

    Where it cannot be had the older copy is used, if there is one, and its age told.
    """
    source = url or FEED
    kept = store.read(_FILE)
    kept = kept if kept.get("source") == source else {}
    if not refresh and (asked := store.moment(kept.get("asked"), KEPT)) and (feed := parse_feed(kept)):
        return replace(feed, asked=asked)
    got = fetched(aws, source)
    if isinstance(got, Feed):
        entry = {"asked": store.stamp(), "source": source, **feed_as_json(got)}
        store.update(_FILE, lambda _: entry)
        return got
    asked = store.moment(kept.get("asked"), OLD)
    if asked and (feed := parse_feed(kept)):
        return replace(feed, asked=asked, remark=f"interruption rates are not of today: {got}")
    return Feed(remark=f"interruption rates are unknown: {got}")


def fetched(aws: Aws, url: str, limit: float = LIMIT) -> Feed | str:
    """The feed at `url`, or in words why it could not be had within `limit` seconds.

    In a thread of its own, for a server that sends a byte now and then outlasts every time-out of a socket.
    """
    answer: SimpleQueue[Feed | str] = SimpleQueue()
    end = time.monotonic() + limit

    def work() -> None:
        try:
            feed = parse_feed(json.loads(_body(aws, url, end)))
            answer.put(feed or "the Spot Instance Advisor's feed has another shape than it had")
        except _Unusable as error:
            answer.put(str(error))
        except (ValueError, RecursionError):
            answer.put("the Spot Instance Advisor's feed is no JSON")
        except Exception as error:  # whatever the network does, prices are shown without the rates
            answer.put(f"the Spot Instance Advisor cannot be reached: {type(error).__name__}")

    threading.Thread(target=work, daemon=True, name="spotbox-advisor").start()
    try:
        return answer.get(timeout=limit)
    except Empty:
        return f"the Spot Instance Advisor did not answer within {limit:g} s"


class _Unusable(Exception):
    """The feed cannot be used, and the text says why."""


def _body(aws: Aws, url: str, end: float) -> bytes:
    """What is at `url`, redirects followed."""
    here = _is_loopback(url)
    for _ in range(_HOPS + 1):
        if not (url.lower().startswith("https://") or (here and _is_loopback(url))):
            raise _Unusable(f"the Spot Instance Advisor's address is not https: {safe(url)[:200]}")
        answer = aws.get(url, max(0.1, end - time.monotonic()))
        try:
            if answer.status_code in (301, 302, 303, 307, 308) and "location" in answer.headers:
                url = urljoin(url, answer.headers["location"])
                continue
            if answer.status_code != 200:
                raise _Unusable(f"the Spot Instance Advisor answered with HTTP {answer.status_code}")
            return _read(answer.raw, end)
        finally:
            answer.raw.close()
    raise _Unusable("the Spot Instance Advisor redirects without end")


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and parts.hostname in _LOOPBACK
    except ValueError:
        return False


def _read(raw: Any, end: float) -> bytes:
    parts, size = [], 0
    for part in raw.stream(65536):
        parts.append(part)
        size += len(part)
        if size > MOST:
            raise _Unusable("the Spot Instance Advisor's feed is too large")
        if time.monotonic() > end:
            raise _Unusable("the Spot Instance Advisor did not answer in time")
    return b"".join(parts)
