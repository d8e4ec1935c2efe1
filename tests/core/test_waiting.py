import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.waiting import FIRST, LONGEST, Look, wait


class Clock:
    """A clock that only sleeping, and the looks, move."""

    def __init__(self, cost=0.0):
        self.at, self.cost, self.naps, self.looks, self.shown = 1000.0, cost, [], [], []

    def sleep(self, seconds):
        assert seconds >= 0
        self.naps.append(seconds)
        self.at += seconds

    def look(self, done_after=None):
        def see():
            self.looks.append(self.at - 1000)
            self.at += self.cost
            count = len(self.looks)
            return Look(count, done_after is not None and count > done_after, f"look {count}")

        return see

    def wait(self, timeout, done_after=None):
        return wait(self.look(done_after), timeout, self.sleep, lambda: self.at, self.shown.append)


def test_done_at_once_needs_no_sleep():
    """What is there already is seen at the first look."""
    clock = Clock()
    found = clock.wait(60, done_after=0)
    assert (found.value, found.done, found.reason) == (1, True, "look 1")
    assert clock.naps == clock.shown == []


@pytest.mark.parametrize("timeout", [0, -5])
def test_no_time_is_one_look(timeout):
    """Even without time it looks once."""
    clock = Clock()
    assert not clock.wait(timeout).done
    assert clock.looks == [0]


def test_it_ends_and_looks_once_more_at_the_end():
    """The last look is at the end of the time, not before it; the time is not overrun."""
    clock = Clock()
    found = clock.wait(10)
    assert not found.done
    assert clock.looks[-1] == pytest.approx(10)
    assert found.value == len(clock.looks)
    assert sum(clock.naps) == pytest.approx(10)


def test_what_comes_true_in_the_last_moment_counts():
    """The look at the end can be the one waited for."""
    long = Clock()
    long.wait(10)
    clock = Clock()
    assert clock.wait(10, done_after=len(long.looks) - 1).done


def test_often_at_first_and_at_least_every_two_seconds():
    """0.3 s, then slower, up to 2 s and no further."""
    clock = Clock()
    clock.wait(60)
    assert clock.naps[0] == FIRST == 0.3
    assert clock.naps[:-1] == sorted(clock.naps[:-1])
    assert max(clock.naps) == LONGEST == 2.0
    assert clock.naps.count(2.0) > 20


def test_every_look_but_the_last_gives_its_reason():
    """The reason is shown while it waits."""
    clock = Clock()
    clock.wait(60, done_after=3)
    assert clock.shown == ["look 1", "look 2", "look 3"]


@given(st.floats(0, 100), st.floats(0, 30))
def test_it_always_ends(timeout, cost):
    """Whatever a look takes, the wait ends no later than one look after its time."""
    clock = Clock(cost)
    clock.wait(timeout)
    assert clock.looks[-1] >= timeout - 1e-6 or timeout == 0
    assert clock.at - 1000 <= timeout + 2 * cost + 0.001
    assert len(clock.looks) < 500


def test_an_exception_ends_the_wait():
    """What goes wrong in a look is not waited away."""

    def broken():
        raise RuntimeError("no")

    clock = Clock()
    with pytest.raises(RuntimeError):
        wait(broken, 60, clock.sleep, lambda: clock.at)
    assert clock.naps == []
