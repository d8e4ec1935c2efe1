"""A store on disk, whose clock stands until a test moves it: `store.now.at`."""

from datetime import UTC, datetime

import pytest

from spotbox.store import Store

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    at = NOW

    def __call__(self):
        return self.at


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, Clock())
