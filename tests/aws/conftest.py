"""A clock that a test turns, a store on disk (`store.now` is its clock), and a Cloud at an endpoint of the test's."""

import time
from datetime import UTC, datetime

import pytest

from spotbox.aws.cloud import Cloud
from spotbox.aws.hands import Hands
from spotbox.store import Store
from tests.aws.marketplace import FEED

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    """It stands until a test moves `at`."""

    def __init__(self, at):
        self.at = at

    def __call__(self):
        return self.at


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, Clock(NOW))


@pytest.fixture
def clock():
    return Clock(datetime.now(UTC))


@pytest.fixture
def cloud(tmp_path, clock):
    """A Cloud of that endpoint with a cache of this test; `keep=False`: without any."""

    def made(world, keep=True):
        store = Store(tmp_path / "cache", clock) if keep else None
        return Cloud(Hands(world.aws(), time.sleep, time.monotonic), store, f"{world.url}{FEED}")

    return made
