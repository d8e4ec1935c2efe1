"""The weather between a program and AWS: slow answers, throttling and connections that break. Off unless asked for.

Every draw depends on the seed, the call's name and region, and on how many of them came before it: the same calls meet
the same weather again, in whatever order threads send those that run side by side.
"""

from collections import Counter
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any, NamedTuple

from spotbox.sandbox.refusals import Refusal, refusal

# What each service says to a caller that asks too often (EC2: "Query API request rate"; else the services' own lists).
_THROTTLES = {
    "ec2": "RequestLimitExceeded",
    "servicequotas": "TooManyRequestsException",
    "iam": "Throttling",
    "sts": "Throttling",
    "s3": "SlowDown",
}
_SHARES = ("throttle", "reset_before", "reset_after")
_SECONDS = ("latency", "jitter", "lag")


def draw(*parts: object) -> float:
    """A number from 0 to just below 1 that depends on `parts` alone."""
    return int.from_bytes(sha256("/".join(map(str, parts)).encode()).digest()[:6], "big") / 2**48


class Call(NamedTuple):
    """One call as it came in: `ec2`, `RunInstances`, `us-east-1`."""

    service: str
    action: str
    region: str


@dataclass(frozen=True)
class Weather:
    """How it is: seconds for `latency`, `jitter` (at most, on top) and `lag`; shares of the calls for the rest.

    `actions` and `regions` are those it falls on; empty is all.
    """

    latency: float = 0.0
    jitter: float = 0.0
    throttle: float = 0.0
    reset_before: float = 0.0  # the connection breaks before the work: nothing happened
    reset_after: float = 0.0  # it breaks after the work: it happened, the answer is lost
    lag: float = 0.0  # for how long AWS may not yet show what was made or changed
    seed: int = 0
    actions: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def covers(self, call: Call) -> bool:
        """Whether this call meets the weather."""
        return (not self.actions or call.action in self.actions) and (not self.regions or call.region in self.regions)


CALM = Weather()


class Met(NamedTuple):
    """What the weather does to one call: wait `delay` seconds, refuse it, break its connection, ask `replica`."""

    delay: float = 0.0
    refused: Refusal | None = None
    lost_before: bool = False
    lost_after: bool = False
    replica: int = 0


class Sky:
    """The weather as it is now, and how many calls of each kind have met it."""

    def __init__(self) -> None:
        self.weather = CALM
        self._met: Counter[Call] = Counter()

    def change(self, given: dict[str, Any]) -> Weather:
        """Other weather, whole: what is not given is calm. Raises ValueError."""
        known = {f.name for f in fields(Weather)}
        for name in given:
            if name not in known:
                raise ValueError(f"unknown weather {name!r}; there are: {', '.join(sorted(known))}, clear")
        values: dict[str, Any] = {n: _number(n, given[n]) for n in (*_SHARES, *_SECONDS) if given.get(n) is not None}
        values |= {name: tuple(map(str, given.get(name) or ())) for name in ("actions", "regions")}
        self.weather = Weather(**values, seed=int(given.get("seed") or 0))
        self._met.clear()
        return self.weather

    def over(self, call: Call) -> Met:
        """What this call meets; it is counted."""
        weather = self.weather
        if weather is CALM or not weather.covers(call):
            return Met()
        self._met[call] += 1
        lot = ("/".join(call), self._met[call])
        delay = weather.latency + weather.jitter * draw(weather.seed, "delay", *lot)
        replica = int(draw(weather.seed, "replica", *lot) * 2)
        fate, before, after = draw(weather.seed, "fate", *lot), weather.reset_before, weather.reset_after
        if fate < weather.throttle:
            return Met(delay, throttled(call.service), replica=replica)
        fate -= weather.throttle
        return Met(delay, None, fate < before, before <= fate < before + after, replica)


def throttled(service: str) -> Refusal:
    """What the service answers to one call too many; EC2's is an HTTP 503."""
    code = _THROTTLES.get(service, "ThrottlingException")
    if code == "RequestLimitExceeded":
        return refusal(code)
    return Refusal(code, "Rate exceeded", 503 if code == "SlowDown" else 429 if service == "servicequotas" else 400)


def _number(name: str, given: Any) -> float:
    try:
        value = float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is a number, not {given!r}") from None
    most = 1 if name in _SHARES else 600
    if not 0 <= value <= most:
        raise ValueError(f"{name} lies between 0 and {most}, which {value:g} does not")
    return value


def told(weather: Weather) -> dict[str, Any]:
    """The weather as a control call answers it."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(weather).items()}
