"""How the tests share the machine: each goes to whichever worker is free, and what takes longest begins first.

What shares a sandbox that takes seconds to make stays together, so that it is made once. At the end: an empty home.
"""

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# A machine that stands still for a moment is no fault of an example; and which examples are tried is not a matter of
# luck either, so that a change is never refused for what was there before it. `--hypothesis-profile default` searches.
settings.register_profile("spotbox", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spotbox")

# Whoever starts the tests in the background of a script has them ignore Ctrl-C, and all that they start with them; with
# nohup it is the closed terminal. What a handler of Python's takes is at its default again in all that is started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

# Their tests wait for boxes, for AWS's pace and for each other more than they compute.
SLOW_FOLDERS = ("tests/e2e/", "tests/life/", "tests/guard/")
TOGETHER = (  # files whose tests share one sandbox, with more in it than a start takes
    "tests/e2e/test_overhead.py",
    "tests/e2e/test_journey.py",
    "tests/e2e/test_refusals.py",
    "tests/e2e/test_prices.py",
    "tests/e2e/test_prices_rough.py",
    "tests/sandbox/test_boxes",
)
OWN_SANDBOX = "fresh"  # the fixture of a test that shares nothing with its neighbours; the others share a module's


def pytest_xdist_auto_num_workers(config):
    """One worker more than there are processors, for about half of the time a test waits."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config, log):
    """One file of those above to one worker; the rest test by test.

    The groups of xdist 3.8 do not arrive: it writes them into an attribute that pytest 9.2 no longer reads.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid.split("::")[0] if nodeid.startswith(TOGETHER) else nodeid

    return Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """The longest are handed out first: the scheduler gives out in this order."""
    if not config.getoption("loadgroup", False):  # what xdist tells its workers of --dist loadgroup
        return

    def rank(item):
        if OWN_SANDBOX in item.fixturenames:
            return 1  # the others begin with a module's sandbox, which takes longer still
        return 0 if item.nodeid.startswith(SLOW_FOLDERS) else 2

    items.sort(key=rank)


def pytest_collection_finish(session):
    """Thousands of tests and all that they import live to the end: the garbage collector need not walk them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """SPOTBOX_HOME, a folder of the test's own; no other variable of the machine's counts."""
    for name in list(os.environ):
        if name.startswith(("SPOTBOX_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SPOTBOX_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def config(home):
    """Writes the config file there."""
    return lambda text: (home / "config.toml").write_text(text)
