"""How the Spot price of one pool moves: a series that every process works out alike, at any moment by itself.

The shape is that of recorded histories (DescribeSpotPriceHistory, p2 and p3 in six regions, winter 2019/20): some pools
change every six hours or so by a few tenths of a per cent and drift by a quarter over months, others stand still for
weeks and are told once a day. Now and then one climbs, change by change, to the on-demand price or near it, stays for
hours or days and comes back; and a few cost as much as on-demand all the time.
"""

from hashlib import blake2b

DAY = 86400  # seconds
_SLOT = 21600  # a pool that moves changes about once in so many seconds
_SLOW, _FAST = 16 * DAY, 3 * DAY  # lengths of the two waves
_STIR = 7 * DAY  # a still pool may move for so long
_EPOCH = 45 * DAY  # at most one episode in each
_STEP = 0.93  # of the price, from one change to the next on the way to an episode and back
_RAMP = 18 * _SLOT  # no way is longer
_NOISE = 0.0025
Change = tuple[int, float]  # from when (Unix seconds), fraction of the on-demand price


class Series:
    """The price of the pool (instance type and zone) as a fraction of on-demand, around `centre`, never above 1."""

    __slots__ = ("_centre", "_days", "_episodes", "_hour", "_key", "_phase", "_waves", "dear", "still")

    def __init__(self, seed: str, instance_type: str, zone: str, centre: float):
        self._key = blake2b(f"{seed}/{instance_type}/{zone}".encode(), digest_size=16).digest()
        draw = self._draw(b"pool", 0)
        self.dear = draw[0] < 8  # 3 %: as dear as on-demand, always
        self.still = draw[1] < 110  # 43 %: stands still but for a week now and then
        self._centre = centre * (0.88 + draw[2] / 1062)  # zones of one region differ by up to a quarter
        self._hour = draw[3] * 330  # when it is told on a day without a change: seconds after midnight
        self._phase = 4700 + draw[4] * 42  # where its changes lie in each slot
        self._waves: dict[tuple[bytes, int], float] = {}
        self._days: dict[int, list[Change]] = {}  # the days last asked for
        self._episodes: dict[int, tuple[int, int, float] | None] = {}

    def _draw(self, what: bytes, number: int) -> bytes:
        """Sixteen bytes that depend on the pool, `what` and `number` alone."""
        return blake2b(b"%s/%s/%d" % (self._key, what, number), digest_size=16).digest()

    def _knot(self, what: bytes, number: int) -> float:
        """The height of a wave at one of its knots, -1 to 1."""
        found = self._waves.get((what, number))
        if found is None:
            found = int.from_bytes(self._draw(what, number)[:4], "big") / 2**31 - 1
            self._waves[(what, number)] = found
        return found

    def _wave(self, what: bytes, length: int, at: int) -> float:
        number, rest = divmod(at, length)
        x = rest / length
        before, after = self._knot(what, number), self._knot(what, number + 1)
        return before + (after - before) * x * x * (3 - 2 * x)

    def _stirring(self, at: int) -> float:
        """How far a still pool has risen in a week in which it moves; 0 in the others, which are most."""
        number, rest = divmod(at, _STIR)
        knot = self._knot(b"stir", number)
        x = rest / _STIR
        return 0.0 if knot < 0.7 else 4 * x * (1 - x) * (knot - 0.68) * 0.5

    def _level(self, at: int) -> float:
        """The price without noise and episodes."""
        if self.still:
            return self._centre * (1 + self._stirring(at))
        return self._centre * (1 + 0.12 * self._wave(b"slow", _SLOW, at)) * (1 + 0.025 * self._wave(b"fast", _FAST, at))

    def _episode(self, at: int) -> tuple[int, int, float] | None:
        """The episode of the epoch that `at` lies in: its first and last second at the top, and how high that is."""
        number = at // _EPOCH
        if number not in self._episodes:
            draw = self._draw(b"episode", number)
            found = None
            if draw[0] < 30:  # 12 %: so a quarter of all pools has one in 90 days
                top = number * _EPOCH + _EPOCH // 10 + int(_EPOCH * 0.6 * draw[1] / 256)
                length = int(3 * 3600 * 64 ** (draw[2] / 255))  # three hours to eight days, short ones more often
                height = 1.0 if draw[3] < 180 else 0.85 + draw[4] / 2000
                found = (top, top + length, height)
            self._episodes[number] = found
        return self._episodes[number]

    def _lifted(self, at: int) -> float:
        """What an episode makes of the price: its own on the way up or down, 0 far from any."""
        episode = self._episode(at)
        if episode is None:
            return 0.0
        first, last, height = episode
        away = max(first - at, at - last, 0)
        return height * _STEP ** (away / _SLOT) if away < _RAMP else 0.0

    def _fraction(self, at: int, noise: int) -> float:
        level = self._level(at) * (1 + (noise - 128) / 128 * _NOISE)
        return min(max(level, self._lifted(at)), 1.0)

    def openness(self, at: int, long: int) -> float:
        """How easily the pool gives a machine, 0 to 1: it drifts over `long` seconds, and is low at a high price."""
        drift = (1 + self._wave(b"open", long, at)) / 2
        dearness = 1.0 if self.dear else max(self._lifted(at), self._centre)
        return drift * (1 - dearness) / (1 - self._centre) if self._centre < 1 else 0.0

    def changes(self, day: int) -> list[Change]:
        """What the history tells of one day (days since 1970, UTC), oldest first: a change, or the price again.

        A day without a change has its price told once, so no day is empty.
        """
        start = day * DAY
        if self.dear:
            return [(start + self._hour, 1.0)]
        noon = start + DAY // 2
        draw = self._draw(b"day", day)
        if self.still and not self._stirring(noon) and self._lifted(noon) < 0.6 * self._centre:
            at = start + self._hour + draw[0]
            return [(at, self._fraction(at, 128))]
        rows = []
        for slot in range(4):
            at = start + slot * _SLOT + self._phase + (draw[slot] - 128) * 36
            if slot and draw[4 + slot] < 26:
                continue  # one in ten does not come
            rows.append((at, self._fraction(at, draw[8 + slot])))
            if draw[12 + slot] < 10:  # and now and then another follows within minutes
                at += 60 + draw[4 + slot] * 3
                rows.append((at, self._fraction(at, draw[12 + slot] * 25)))
        return rows

    def in_force(self, at: int) -> Change:
        """The last change at or before `at` (Unix seconds)."""
        day = at // DAY
        for number in (day, day - 1):
            if number not in self._days:
                self._days = {n: rows for n, rows in self._days.items() if abs(n - number) < 2}
                self._days[number] = self.changes(number)
            for change in reversed(self._days[number]):
                if change[0] <= at:
                    return change
        raise AssertionError("a day has always a price")
