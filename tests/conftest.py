"""How the tests share the machine: those that share a sandbox stay together, and what takes longest begins first."""

import os

import pytest

# Their tests wait for boxes, for AWS's pace and for each other more than they compute.
SLOW_FOLDERS = ("tests/e2e/", "tests/life/", "tests/guard/")
OWN_SANDBOX = "fresh"  # the fixture of a test that shares nothing with its neighbours


def pytest_xdist_auto_num_workers(config):
    """One worker more than there are processors, for about half of the time a test waits."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """A file's tests go to one worker, those with a sandbox of their own to any; the longest are handed out first."""
    if not config.getoption("loadgroup", False):  # what xdist tells its workers of --dist loadgroup
        return
    for item in items:
        if OWN_SANDBOX not in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))

    def rank(item):
        if OWN_SANDBOX in item.fixturenames:
            return 1  # any worker takes one of these at any time; a file is the longer chain
        return 0 if item.nodeid.startswith(SLOW_FOLDERS) else 2

    items.sort(key=rank)
