"""Which accelerated types a region has on Spot, and which zones offer them: kept for a day.

A zone that was added since is found a day later, and one that was withdrawn refuses the launch (`Unsupported`), which
leads on to the next pool.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from spotbox.aws import types
from spotbox.aws.facts import Facts
from spotbox.aws.session import Aws
from spotbox.core.records import InstanceType
from spotbox.store import Store

KEPT = timedelta(days=1)
_TYPES, _ZONES = "region-types", "region-zones"


def gpu_types(aws: Aws, store: Store, region: str) -> tuple[InstanceType, ...]:
    """Every accelerated type that the region has on Spot, by name."""
    facts = Facts(aws, store)
    names = _texts(_fresh(store, _TYPES, region).get("names"))
    known = facts.known(names)
    if names and len(known) == len(names):
        return tuple(known[name] for name in names)
    found = types.gpu_types(aws, region)
    facts.take(found)
    facts.save()
    _keep(store, _TYPES, region, {"names": [kind.name for kind in found]})
    return found


def instance_types(aws: Aws, store: Store, region: str, names: Sequence[str]) -> dict[str, InstanceType]:
    """The types of those names. UsageError for one that the region does not have; one that it had within a day, and
    that was described within a week, is not asked for again."""
    facts = Facts(aws, store)
    wanted = list(dict.fromkeys(names))
    known = facts.known(wanted)
    if len(known) == len(wanted) and _here(store, region).issuperset(wanted):
        return {name: known[name] for name in wanted}
    found = types.instance_types(aws, region, wanted)
    facts.take(found.values())
    facts.save()
    return found


def _here(store: Store, region: str) -> set[str]:
    """The types that the region was seen to offer within a day."""
    zones = _fresh(store, _ZONES, region).get("zones")
    offered = {name for name, where in zones.items() if where} if isinstance(zones, dict) else set()
    return offered | set(_texts(_fresh(store, _TYPES, region).get("names")))


def offerings(aws: Aws, store: Store, region: str, names: Sequence[str]) -> dict[str, frozenset[str]]:
    """The zones that offer each of these types, empty for none."""
    kept = _fresh(store, _ZONES, region).get("zones")
    zones = kept if isinstance(kept, dict) else {}
    if all(name in zones for name in names):
        return {name: frozenset(_texts(zones[name])) for name in names}
    found = types.offerings(aws, region, names)
    _keep(store, _ZONES, region, {"zones": {**zones, **{name: sorted(where) for name, where in found.items()}}})
    return found


def _fresh(store: Store, file: str, region: str) -> dict[str, Any]:
    entry = store.read(file).get(region)
    return entry if isinstance(entry, dict) and store.moment(entry.get("asked"), KEPT) else {}


def _keep(store: Store, file: str, region: str, entry: dict[str, Any]) -> None:
    new = {**entry, "asked": store.stamp()}
    store.update(file, lambda data: {**data, region: new})


def _texts(value: Any) -> list[str]:
    """The texts of a list that a damaged file may hold anything in place of."""
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, str)]
