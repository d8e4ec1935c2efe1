"""How the tests share the machine: each goes to whichever worker is free, and what takes longest begins first."""

import os

import pytest

# Their tests wait for boxes, for AWS's pace and for each other more than they compute.
SLOW_FOLDERS = ("tests/e2e/", "tests/life/", "tests/guard/")
OWN_SANDBOX = "fresh"  # the fixture of a test that shares nothing with its neighbours; the others share a module's


def pytest_xdist_auto_num_workers(config):
    """One worker more than there are processors, for about half of the time a test waits."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """The longest are handed out first: `loadgroup` without groups gives out test by test, in this order."""
    if not config.getoption("loadgroup", False):  # what xdist tells its workers of --dist loadgroup
        return

    def rank(item):
        if OWN_SANDBOX in item.fixturenames:
            return 1  # the others begin with a module's sandbox, which takes longer still
        return 0 if item.nodeid.startswith(SLOW_FOLDERS) else 2

    items.sort(key=rank)
