"""Made-up pasts against what AWS tells of them: what `cost` calls complete is exact, and nothing is told too high."""

import random
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from spotbox.core.cost import Tariff, cost_of
from spotbox.core.cost_life import NEAR, Told, disks_of, life_of, past_of
from spotbox.core.cost_past import Mark, What, doubtful
from spotbox.core.history import History, Pool
from spotbox.core.market import Change
from tests.core.worlds import WHEN, instance, request, volume

NOW = WHEN + timedelta(days=200)
POOL = Pool("g5.xlarge", "us-east-1a", "us-east-1")
REACH = 90 * 86400  # seconds of CloudTrail
RUNS = ("made", "start", "restart")
REASONS = {"stop": "User initiated", "shutdown": "User initiated", "taken": "Server.SpotInstanceShutdown"}
WORDS = {"made": What.STARTED, "start": What.STARTED, "stop": What.STOPPED, "taken": What.TAKEN}  # what a trail tells


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def past(rng):
    """(seconds ago, what) each, from when it was made on; nothing twice within the time in which sources are one."""
    at = rng.choice([7200, 3 * 86400, 30 * 86400, 120 * 86400])
    found = [(at, "made")]
    for _ in range(rng.randint(0, 6)):
        at -= rng.choice([1000, 1800, 3600, 3700, 20000, 86400, 400000]) + rng.randint(0, 30)
        if at <= 0:
            break
        last = found[-1][1]
        down = rng.choice(["stop", "shutdown", "shutdown", "taken", "taken"])  # only AWS restarts what AWS took
        found.append((at, down if last in RUNS else "restart" if last == "taken" else "start"))
    return found


def prices(rng):
    """(seconds ago, USD per hour) each, since before any past."""
    ages = range(140 * 86400, 0, -rng.choice([20001, 50000, 100001]))
    return [(age, Decimal(rng.randint(100, 900)) / 1000) for age in ages]


def truth(events, changes):
    """USD and seconds that it ran, worked out run by run."""
    usd, ran = Decimal(0), 0
    for (start, what), (end, why) in pairwise([*events, (0, "now")]):
        if what not in RUNS:
            continue
        ran += start - end
        if why == "taken" and start - end < 3600:
            continue
        cuts = [start, *(age for age, _ in changes if end < age < start), end]
        for first, last in pairwise(cuts):
            usd += next(price for age, price in reversed(changes) if age >= first) * (first - last)
    return usd / 3600, ran


def estimate(rng, events, changes):
    """What is told by EC2 as it is now, by CloudTrail if it may be asked, and the prices."""
    at, what = events[-1]
    runs, started = what in RUNS, max((age, kind) for age, kind in [(-age, k) for age, k in events] if kind in RUNS)
    reason = "" if runs else f"{REASONS[what]} ({ago(at):%Y-%m-%d %H:%M:%S} GMT)"
    code = "fulfilled" if runs else f"instance-stopped-{'no-capacity' if what == 'taken' else 'by-user'}"
    box = instance("running" if runs else "stopped", launched=ago(-started[0]), transition=reason)
    asked = [request("active" if runs else "disabled", code, created=ago(events[0][0]), updated=ago(at))]
    disks = [volume(created=ago(events[0][0]))]
    seen = past_of(box, asked, disks, NOW)
    told = Told()
    if doubtful(seen.marks, NOW, seen.runs):
        marks = [
            Mark(ago(age), WORDS[k], called=k != "taken") for age, k in events if k in WORDS and age <= REACH
        ]  # fmt: skip
        since = max(ago(events[0][0]) - NEAR, ago(REACH))
        told = Told({box.id: tuple(marks)}, {box.id: since}) if rng.random() < 0.8 else Told(refused="no")
    history = History()
    history.add(POOL.region, [Change(POOL.instance_type, POOL.zone, ago(age), usd) for age, usd in changes])
    tariff = Tariff({POOL: history.series(POOL)}, {(POOL.region, POOL.instance_type): Decimal("1.006")},
                    {(POOL.region, "gp3"): Decimal("0.08")}, {POOL.region: Decimal("0.005")})  # fmt: skip
    return cost_of(life_of("dev", [seen], disks_of(disks, NOW), asked, told, NOW), tariff)


@pytest.mark.parametrize("seed", range(0, 100, 20))
def test_what_is_called_complete_is_exact(seed):
    """Whatever happened: complete means the true hours and USD, and what is not complete is never more than them."""
    complete = 0
    for number in range(seed, seed + 20):
        rng = random.Random(number)
        events, changes = past(rng), prices(rng)
        usd, ran = truth(events, changes)
        found = estimate(rng, events, changes)
        told, hours = found.compute or Decimal(0), found.running * 3600
        assert told <= usd + Decimal("1e-9"), (number, events)
        assert hours <= ran + Decimal("1e-9"), (number, events)
        if found.complete:
            complete += 1
            assert told == pytest.approx(usd, abs=Decimal("1e-9")), (number, events)
            assert hours == pytest.approx(ran, abs=Decimal("1e-9")), (number, events)
    assert complete > 4
