"""A box on an account of one's own, from `up` to `down`, and what AWS's documentation leaves open.

SPOTBOX_LIVE=1 SPOTBOX_LIVE_REGION=eu-west-1 pytest -m live -n 0 tests/live
"""

import pytest

from tests.live import probes
from tests.live.report import QUESTIONS
from tests.live.walk import NAME

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]


@pytest.fixture
def box(walk):
    """The box of the walk, also where its SSH server could not be reached; without one the rest is skipped."""
    walk.in_time()
    walk.box = walk.box or walk.seen()
    if not walk.box:
        pytest.skip("there is no box: `up` did not succeed")
    return walk.box


def test_up(walk):
    """A box that answers."""
    walk.box = made = walk.json("up", NAME, *walk.launch, "-y")
    assert made["state"] == "running"
    walk.report.remarks.append(f"box: {made['instance_type']} in {made['zone']}, {made['spot']} USD/h on Spot")
    assert walk.run("ssh", NAME, "-r", walk.region, "--", "echo kept | tee kept.txt").stdout.strip() == "kept"


def test_what_can_be_asked_while_it_runs(walk, box):
    """Images, price list, quotas, dry runs, and launches beside it."""
    for ask in (probes.root_devices, probes.market_option, probes.p6_quota, probes.dry_run, probes.stray):
        ask(walk)
    for ask in (probes.relaunch_tags, probes.valid_until):
        walk.in_time()
        ask(walk)


def test_stop(walk, box):
    """Stopped by its user; its disk stays."""
    walk.run("stop", NAME, "-r", walk.region)
    assert walk.seen()["state"] == "stopped"
    probes.state_filter(walk)
    if walk.sandbox:
        probes.start_in_the_sandbox(walk)


def test_start(walk, box):
    """It runs again, with what was on its disk."""
    walk.run("start", NAME, "-r", walk.region)
    assert walk.run("ssh", NAME, "-r", walk.region, "--", "cat kept.txt").stdout.strip() == "kept"
    if walk.sandbox:
        probes.start_of_interrupted(walk)
    probes.starts(walk)


def test_down(walk, box):
    """Nothing of it is left, and AWS agrees."""
    walk.run("down", NAME, "-y")
    walk.gone = True
    assert walk.run("status", NAME, code=7).returncode == 7


def test_every_question_has_its_answer(walk):
    """What was seen, or that it could not be seen."""
    assert set(walk.report.answers) == set(QUESTIONS)
