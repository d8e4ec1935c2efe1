"""45 days of recorded Spot capacity in three zones: the box survives every interruption with its disk.

All of it: pytest -m markets -s
"""

import json
import time

import pytest

from tests.life.drive import Drive
from tests.life.market import DATA, TYPE, Market

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recorded availability is not beside this checkout")
ZONES = ("us-east-1c", "us-east-2a", "us-west-2a")
PACE = 0.02


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory):
    """spotbox and a sandbox whose account has the regions of the trace."""
    regions = tuple(dict.fromkeys(zone[:-1] for zone in ("us-east-1a", *ZONES)))
    made = Drive(tmp_path_factory.mktemp("harbour"), PACE, regions, SPOTBOX_SETTLE="1s")
    yield made
    made.close()


def survive(drive: Drive, zone: str, days: float, day: float) -> str:
    """A box lives through `days` of the zone at `day` seconds a day; what was survived, in a sentence."""
    up = drive.run("up", "dev", "-t", TYPE, "-r", zone[:-1], "-z", zone, "-y")
    assert up.code == 0, up
    market = Market(drive, zone, day)
    try:
        seen = market.sail(days)
        end = time.monotonic() + 30
        while market.look() != "running" and time.monotonic() < end:
            time.sleep(0.1)
        told = drive.run("status", "dev", "-o", "json")
        assert json.loads(told.text)["state"] == "running", told
        assert not seen.wrong, "\n".join(seen.wrong[:20])
        assert (len(seen.volumes), len(seen.instances)) == (1, 1), "another disk or another instance"
        down = drive.run("down", "dev", "-y")
        assert down.code == 0, down
        assert drive.independent.left() == []
    finally:
        drive.independent.sweep()
    return f"{zone}: {days:g} days, {seen.interruptions} interruptions survived, {seen.looks} looks, none wrong"


@pytest.mark.slow
def test_two_days_of_a_zone(harbour):
    """The box keeps instance and disk through every interruption, and what is said of it is true."""
    print(survive(harbour, "us-west-2a", days=2, day=1))


@pytest.mark.markets
@pytest.mark.parametrize("zone", ZONES)
def test_45_days(harbour, zone):
    """The whole trace of each zone."""
    print(survive(harbour, zone, days=45.5, day=4))
