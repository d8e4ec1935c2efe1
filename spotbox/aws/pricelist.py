"""Which calls tell of the on-demand prices that are wanted, and what of them is kept for a week."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from spotbox.core.prices import Pair, believable, parse_price
from spotbox.store import Store

KEPT = timedelta(days=7)
UNKNOWN_KEPT = timedelta(days=1)  # that AWS tells no price is soon asked again
FEW = 4  # up to so many types are asked one by one
OTHERS = 12  # so many without accelerators too; more with one listing of the region's types
GPU, ASIC, ALL = "GPU instance", "Machine Learning ASIC Instances", ""  # `instanceFamily` of the price list
_FAMILIES = {"g": GPU, "gr": GPU, "p": GPU, "inf": ASIC, "trn": ASIC, "dl": ASIC}


class Ask(NamedTuple):
    """One GetProducts question: a type or a family, in one region or (None) in all. `pairs`: what it settles."""

    region: str | None
    instance_type: str | None = None
    family: str | None = None
    pairs: tuple[Pair, ...] = ()
    marks: tuple[str, ...] = ()  # regions that it lists whole, as far as the family goes


def family_of(instance_type: str) -> str:
    """The price list's `instanceFamily` of an accelerated type; ALL for any other."""
    letters = instance_type[: len(instance_type) - len(instance_type.lstrip("abcdefghijklmnopqrstuvwxyz"))]
    return _FAMILIES.get(letters, ALL)


def asks(wanted: Mapping[str, Sequence[str]]) -> list[Ask]:
    """The fewest questions that tell of `wanted`, types by region.

    One type is one question for all regions, a region's accelerated types are one; those that are not GPUs are few
    enough (16 types) to be one question for all regions too.
    """
    found: list[Ask] = []
    for family in (GPU, ASIC, ALL):
        here = {region: [n for n in names if family_of(n) == family] for region, names in wanted.items()}
        here = {region: names for region, names in here.items() if names}
        types = {name for names in here.values() for name in names}
        if len(types) > FEW and family == ASIC and len(here) > 1:
            found.append(Ask(None, family=family, marks=tuple(here)))
        elif len(types) <= (OTHERS if family == ALL else FEW) or len(types) < len(here):
            found += by_type((region, name) for region, names in here.items() for name in names)
        else:
            found += [Ask(region, family=family or None, marks=(region,)) for region in here]
    return found


def by_type(pairs: Iterable[Pair]) -> list[Ask]:
    """One question for each type, of all regions where more than one is meant."""
    regions: dict[str, list[str]] = {}
    for region, name in pairs:
        regions.setdefault(name, []).append(region)
    return [
        Ask(here[0] if len(here) == 1 else None, name, pairs=tuple((region, name) for region in here))
        for name, here in regions.items()
    ]


class Kept:
    """Prices by (region, name) in the store, each with its date; None is known to be unknown. Damage is not there."""

    def __init__(self, store: Store, refresh: bool = False, name: str = "on-demand"):
        self._store = store
        self._name = name
        self._old = {} if refresh else store.read(name)
        self._new: dict[Pair, Decimal | None] = {}  # asked in this run, listings under "*" and their family

    def has(self, pair: Pair) -> bool:
        """Whether the pair is settled, if only as unknown."""
        return pair in self._new or self._entry(pair) is not None

    def covers(self, region: str, name: str) -> bool:
        """Whether the pair is settled, or the region was listed."""
        return any(self.has((region, key)) for key in (name, f"*{family_of(name)}", f"*{ALL}"))

    def prices(self, pairs: Iterable[Pair]) -> tuple[dict[Pair, Decimal], datetime | None]:
        """What is known, and when the oldest of it was asked where it is not of this run."""
        usd: dict[Pair, Decimal] = {}
        oldest: datetime | None = None
        for pair in pairs:
            price, asked = (self._new[pair], None) if pair in self._new else self._entry(pair) or (None, None)
            if price is not None:
                usd[pair] = price
                oldest = min(filter(None, (oldest, asked)), default=None)
        return usd, oldest

    def file(self, ask: Ask, found: Mapping[Pair, Decimal]) -> None:
        """What the answer to `ask` told, and that what it did not tell is unknown."""
        marks = dict.fromkeys((region, f"*{ask.family or ALL}") for region in ask.marks)
        self._new.update({**marks, **dict.fromkeys(ask.pairs), **found})

    def save(self) -> None:
        """Put what was asked beside what others have put there meanwhile."""
        if not self._new:
            return
        stamp = self._store.stamp()

        def merged(data: dict[str, Any]) -> dict[str, Any]:
            for (region, name), usd in self._new.items():
                if not isinstance(data.get(region), dict):
                    data[region] = {}
                data[region][name] = [None if usd is None else str(usd), stamp]
            return data

        self._store.update(self._name, merged)

    def _entry(self, pair: Pair) -> tuple[Decimal | None, datetime] | None:
        here = self._old.get(pair[0])
        entry = here.get(pair[1]) if isinstance(here, dict) else None
        if not (isinstance(entry, list) and len(entry) == 2):
            return None
        usd = parse_price(entry[0])
        known = usd is not None and usd > 0 if self._name == "disks" else believable(usd)
        if not known and entry[0] is not None:
            return None
        listing = pair[1].startswith("*")
        asked = self._store.moment(entry[1], KEPT if known or listing else UNKNOWN_KEPT)
        return (usd if known else None, asked) if asked else None
