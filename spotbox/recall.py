"""What completion offers, from caches alone: nothing here asks AWS, or loads what would.

`boxes.json` in the cache folder holds the names of boxes as commands last saw them, by the credentials that they were
seen with, by owner and by region. It may be deleted at any time.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

from spotbox.config import cache_folder, find_places
from spotbox.core.regions import ALWAYS_ENABLED
from spotbox.core.shapes import as_dict
from spotbox.store import Store

BOXES = "boxes"
KEPT = timedelta(days=30)  # a name that was not seen for so long is no longer offered
_REGIONS, _TYPES, _OF_REGION, _ZONES = "regions", "instance-types", "region-types", "region-zones"
MOST = 400  # names of boxes kept for one owner and region


def words(kind: str, env: Mapping[str, str], sandbox: bool, profile: str | None, owner: str | None) -> list[str]:
    """What completion offers of a kind: box, region, zone, instance-type or gpu."""
    store = Store(cache_folder(find_places(env), env, sandbox))
    match kind:
        case "box":
            return box_names(store, account(profile, env), owner)
        case "instance-type":
            return known_types(store)
        case "zone":
            return known_zones(store)
        case "gpu":
            return known_gpus(store)
        case _:
            return known_regions(store) or list(ALWAYS_ENABLED)


def account(profile: str | None, env: Mapping[str, str]) -> str:
    """A word for the credentials in use, told without asking for them: a hash of the profile's and the key's name."""
    named = (profile or env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE"), env.get("AWS_ACCESS_KEY_ID"))
    return sha256(repr(named).encode()).hexdigest()[:16]


def remember(
    store: Store,
    who: str,
    owner: str,
    seen: Mapping[str, Iterable[str]],
    name: str | None = None,
    own: bool = True,
) -> None:
    """Keep the names of this owner's boxes by region: of the regions in `seen` all, or with `name` whether that one
    is there; `own` says that he is the user himself. Nothing is written where only the time is new, within a day."""
    new = {region: sorted(set(names))[:MOST] for region, names in seen.items()}

    def change(data: dict[str, Any]) -> dict[str, Any]:
        entry = _entry(store, data.get(who))
        mine = _regions(as_dict(entry.get("owners")).get(owner))
        for region, names in new.items():
            old = [each for each in mine.get(region, []) if each != name] if name else []
            mine[region] = sorted({*old, *names})[:MOST]
        mine = {region: names for region, names in mine.items() if names}
        owners = {**as_dict(entry.get("owners")), owner: mine}
        fresh = {key: value for key, value in data.items() if _entry(store, value)}
        me = owner if own else entry.get("me")
        return {**fresh, who: {"asked": store.stamp(), "me": me, "owners": {k: v for k, v in owners.items() if v}}}

    before = store.read(BOXES)
    after = change(before)
    same = all(as_dict(before.get(who)).get(key) == after[who][key] for key in ("owners", "me"))
    if not same or not store.moment(as_dict(before.get(who)).get("asked"), timedelta(days=1)):
        store.update(BOXES, change)


def box_names(store: Store, who: str, owner: str | None) -> list[str]:
    """The names of the boxes that were seen of `owner`, or of the user himself."""
    entry = _entry(store, store.read(BOXES).get(who))
    regions = _regions(as_dict(entry.get("owners")).get(str(owner or entry.get("me"))))
    return sorted({name for names in regions.values() for name in names})


def known_regions(store: Store) -> list[str]:
    """The regions that were enabled when AWS was last asked, with whatever keys; empty where it never was."""
    entries = [as_dict(as_dict(entry).get("regions")) for entry in store.read(_REGIONS).values()]
    return sorted({name for regions in entries for name, status in regions.items() if status != "not-opted-in"})


def known_types(store: Store) -> list[str]:
    """The instance types that any command has seen."""
    found = {name for name in store.read(_TYPES) if "." in name}
    for entry in store.read(_OF_REGION).values():
        names = as_dict(entry).get("names")
        found |= set(_texts(names))
    for entry in store.read(_ZONES).values():
        found |= set(as_dict(as_dict(entry).get("zones")))
    return sorted(found)


def known_zones(store: Store) -> list[str]:
    """The Availability Zones in which any command has seen a type offered."""
    zones = [as_dict(as_dict(entry).get("zones")).values() for entry in store.read(_ZONES).values()]
    return sorted({zone for lists in zones for names in lists for zone in _texts(names)})


def known_gpus(store: Store) -> list[str]:
    """The names of the accelerators of the types that any command has seen; one of several words cannot be typed."""
    names = [as_dict(entry).get("gpu") for entry in store.read(_TYPES).values()]
    return sorted({name for name in names if isinstance(name, str) and " " not in name})


def _entry(store: Store, entry: object) -> dict[str, Any]:
    found = as_dict(entry)
    return found if store.moment(found.get("asked"), KEPT) else {}


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _regions(value: object) -> dict[str, list[str]]:
    return {region: _texts(names) for region, names in as_dict(value).items()}
