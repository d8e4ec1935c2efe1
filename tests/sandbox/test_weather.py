"""Draws of the weather, and calls that are watched and held: all without a wire."""

import threading
from collections import Counter

import pytest

from spotbox.sandbox.faults import Faults
from spotbox.sandbox.watch import Watch
from spotbox.sandbox.weather import Call, Sky

CALL = Call("ec2", "DescribeInstances", "us-east-1")
STORM = {"latency": 0.1, "jitter": 0.2, "throttle": 0.2, "reset_before": 0.1, "reset_after": 0.1}


def sky(**given):
    made = Sky()
    made.change(given)
    return made


def fates(above, calls=2000, call=CALL):
    met = [above.over(call) for _ in range(calls)]
    kinds = ("refused" if m.refused else "before" if m.lost_before else "after" if m.lost_after else "" for m in met)
    return list(kinds), met


def test_without_weather_nothing_happens():
    """The weather is off unless it is asked for."""
    assert set(fates(Sky())[0]) == {""}


def test_shares_are_kept():
    """A share of 0.2 is a fifth of the calls, within chance; no call meets two fates."""
    kinds, met = fates(sky(**STORM, seed=7))
    counted = Counter(kinds)
    for kind, share in (("refused", 0.2), ("before", 0.1), ("after", 0.1), ("", 0.6)):
        assert counted[kind] / len(kinds) == pytest.approx(share, abs=0.03)
    assert all(0.1 <= m.delay <= 0.3 for m in met)
    assert {m.replica for m in met} == {0, 1}


def test_one_seed_is_one_weather():
    """The same calls meet the same fates again, however those of other names and regions come between them."""
    there = Call("ec2", "DescribeInstances", "eu-west-1")
    alone, _ = fates(sky(**STORM, seed=3), 50)
    mixed = sky(**STORM, seed=3)
    among = [(mixed.over(there), fates(mixed, 1)[0][0])[1] for _ in range(50)]
    assert among == alone
    assert fates(sky(**STORM, seed=4), 50)[0] != alone


def test_weather_falls_where_it_is_said():
    """`actions` and `regions` narrow it."""
    above = sky(throttle=1, actions=["RunInstances"], regions=["us-east-1"])
    assert above.over(Call("ec2", "RunInstances", "us-east-1")).refused
    assert not above.over(Call("ec2", "RunInstances", "us-west-2")).refused
    assert not above.over(CALL).refused


@pytest.mark.parametrize(
    ("service", "code", "http"),
    [
        ("ec2", "RequestLimitExceeded", 503),
        ("ssm", "ThrottlingException", 400),
        ("servicequotas", "TooManyRequestsException", 429),
        ("sts", "Throttling", 400),
    ],
)
def test_each_service_throttles_in_its_own_words(service, code, http):
    """EC2 says RequestLimitExceeded with a 503, others what their own reference lists."""
    refused = sky(throttle=1).over(Call(service, "X", "us-east-1")).refused
    assert (refused.code, refused.http) == (code, http)


@pytest.mark.parametrize(
    "given", [{"throttle": 1.5}, {"lag": -1}, {"latency": "much"}, {"rain": 1}, {"throttle": float("nan")}], ids=str
)
def test_weather_that_cannot_be_is_refused(given):
    """A share lies between 0 and 1, seconds are not negative, and a wrong word is named."""
    with pytest.raises(ValueError, match=next(iter(given))):
        Sky().change(given)


def test_a_fault_of_the_kth_call():
    """`nth` spares the matching calls before it; others are not counted."""
    faults = Faults()
    faults.add({"code": "InternalError", "action": "RunInstances", "nth": 3})
    faults.add({"code": "Unavailable", "nth": 2})
    codes = [
        (fault := faults.take("ec2", action, "us-east-1")) and fault.code
        for action in ("RunInstances", "DescribeVpcs", "RunInstances", "RunInstances", "RunInstances")
    ]
    assert codes == [None, "Unavailable", None, "InternalError", None]


def test_the_kth_call_is_held_until_it_is_released():
    """Only calls of the action count, the held one can be asked for, and one held before its work is dropped."""
    watch = Watch()
    watch.hold(2, "before", "RunInstances")
    run = Call("ec2", "RunInstances", "us-east-1")
    assert (watch.seen(run), watch.seen(CALL)) == (None, None)
    hold = watch.seen(run)
    went_on = []
    waiting = threading.Thread(target=lambda: went_on.append(hold.wait()))
    waiting.start()
    while not watch.held()["held"]:
        pass
    assert watch.held()["action"] == "RunInstances"
    assert watch.release()
    waiting.join(timeout=60)
    assert went_on == [False]
    assert watch.held() == {"held": False}
    assert watch.seen(run) is None
    assert [call.action for call in watch.calls(reset=True)] == ["RunInstances", "DescribeInstances"] + [
        "RunInstances"
    ] * 2
    assert watch.calls(reset=False) == []


@pytest.mark.parametrize(
    ("when", "drop", "goes_on"),
    [("before", None, False), ("before", False, True), ("after", None, True), ("after", True, False)],
)
def test_what_becomes_of_a_released_call(when, drop, goes_on):
    """Before its work the default is to drop it, after it to answer; both can be told otherwise."""
    watch = Watch()
    hold = watch.hold(1, when, None)
    assert watch.seen(CALL) is hold
    watch.release(drop)
    assert hold.wait() is goes_on
