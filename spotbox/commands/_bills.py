"""What things bill by the month: every price that is needed, asked for side by side."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from spotbox.app import App
from spotbox.core.billing import COMPUTE, Rates
from spotbox.core.errors import SpotboxError
from spotbox.core.records import Instance, Snapshot, Volume


def find_rates(
    app: App, instances: Iterable[Instance], volumes: Iterable[Volume], snapshots: Iterable[Snapshot] = ()
) -> Rates:
    """The prices of these things. What AWS does not tell is not there: a price is no reason to fail."""
    spot: dict[str, set[str]] = {}
    demand: dict[str, set[str]] = {}
    for instance in instances:
        if instance.state in COMPUTE:
            kinds = spot if instance.lifecycle == "spot" else demand
            kinds.setdefault(instance.region, set()).add(instance.instance_type)
    disks = sorted({(v.region, v.type) for v in volumes})
    snaps = sorted({s.region for s in snapshots})
    rates = Rates({}, {}, {}, {})
    calls: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
        *((partial(app.cloud.spot_prices, r, sorted(spot[r])), partial(_take_spot, rates, r)) for r in spot),
        *((partial(app.cloud.on_demand, r, sorted(demand[r])), partial(_take_demand, rates, r)) for r in demand),
        *((partial(app.cloud.disk_price, *disk), partial(_take, rates.disk, disk)) for disk in disks),
        *((partial(app.cloud.snapshot_price, r), partial(_take, rates.snapshots, r)) for r in snaps),
    ]
    answers = app.cloud.together([call for call, _ in calls])
    for (_, take), answer in zip(calls, answers, strict=True):
        if answer is not None and not isinstance(answer, SpotboxError):
            take(answer)
    return rates


def _take(into: Any, key: Any, price: Any) -> None:
    into[key] = price


def _take_spot(rates: Any, region: str, prices: Any) -> None:
    rates.spot.update({(region, *pool): price for pool, price in prices.items()})


def _take_demand(rates: Any, region: str, prices: Any) -> None:
    rates.on_demand.update({(region, kind): price for kind, price in prices.usd.items()})
