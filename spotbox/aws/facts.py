"""What is known of instance types: from DescribeInstanceTypes, kept for a week, for a type is the same everywhere."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from spotbox.aws.session import Aws
from spotbox.aws.types import described
from spotbox.core.accelerators import parse_instance_type
from spotbox.core.errors import SpotboxError
from spotbox.core.prices import parse_price
from spotbox.core.records import InstanceType
from spotbox.store import Store

KEPT = timedelta(days=7)
UNKNOWN_KEPT = timedelta(days=1)  # a type that DescribeInstanceTypes does not tell of is soon asked again
_FILE = "instance-types"
_VALUES = 100  # of one filter in one call


class Facts:
    """Instance types by name, from the store and from EC2. What cannot be had is absent, and `remark` says why."""

    def __init__(self, aws: Aws, store: Store, refresh: bool = False):
        self._aws = aws
        self._store = store
        data = {} if refresh else store.read(_FILE)
        self._old = {name: entry for name, entry in data.items() if isinstance(entry, dict)}
        self._new: dict[str, InstanceType | None] = {}  # asked in this run; wildcards that were asked are None
        self.remark = ""

    @property
    def names(self) -> list[str]:
        """The types that the store tells of, however long ago, and those of this run."""
        kept = (name for name, entry in self._old.items() if "vcpus" in entry)
        return [*kept, *(name for name, facts in self._new.items() if facts)]

    def calls(self, region: str, words: Iterable[str]) -> list[Callable[[], None]]:
        """The calls in `region` that tell of `words`, names and wildcards, where they are not known."""
        lacking = [word for word in dict.fromkeys(words) if not self._has(word)]
        parts = [lacking[at : at + _VALUES] for at in range(0, len(lacking), _VALUES)]
        return [lambda part=part: self._ask(region, part) for part in parts]  # type: ignore[misc]

    def missing(self, seen: Mapping[str, str]) -> list[Callable[[], None]]:
        """The calls for types that have a price and are not known: type -> a region that has it."""
        regions: dict[str, list[str]] = {}
        for name, region in seen.items():
            if not self._has(name):
                regions.setdefault(region, []).append(name)
        return [call for region, names in regions.items() for call in self.calls(region, names)]

    def known(self, names: Iterable[str]) -> dict[str, InstanceType]:
        """The facts of `names`, as far as they are known."""
        found = {name: self._new.get(name) or self._kept(name)[0] for name in names}
        return {name: facts for name, facts in found.items() if facts is not None}

    def asked(self, names: Iterable[str]) -> datetime | None:
        """When the oldest kept fact of `names` was asked; None where all are of this run."""
        kept = (self._kept(name) for name in names if self._new.get(name) is None)
        return min((asked for facts, asked in kept if facts is not None and asked is not None), default=None)

    def take(self, found: Iterable[InstanceType]) -> None:
        """What was asked elsewhere in this run; `save` keeps it."""
        self._new.update({facts.name: facts for facts in found})

    def save(self) -> None:
        """Put what was asked beside what others have put there meanwhile."""
        if self._new:
            new = {name: {**_as_json(facts), "asked": self._store.stamp()} for name, facts in self._new.items()}
            self._store.update(_FILE, lambda data: {**data, **new})

    def _ask(self, region: str, words: list[str]) -> None:
        try:
            found = [parse_instance_type(item) for item in described(self._aws, region, words)]
        except SpotboxError as error:
            self.remark = self.remark or error.message
            return
        self._new.update({**dict.fromkeys(words), **{facts.name: facts for facts in found}})

    def _has(self, word: str) -> bool:
        return word in self._new or self._kept(word)[1] is not None

    def _kept(self, word: str) -> tuple[InstanceType | None, datetime | None]:
        entry = self._old.get(word, {})
        facts = _from_json(word, entry)
        lasting = facts is not None or "*" in word or "?" in word
        asked = self._store.moment(entry.get("asked"), KEPT if lasting else UNKNOWN_KEPT)
        return (facts, asked) if asked else (None, None)


def _as_json(facts: InstanceType | None) -> dict[str, Any]:
    if facts is None:
        return {}
    return {
        "vcpus": facts.vcpus,
        "memory_gib": str(facts.memory_gib),
        "architectures": list(facts.architectures),
        "spot": facts.spot,
        "gpu": facts.gpu,
        "gpu_maker": facts.gpu_maker,
        "gpu_count": str(facts.gpu_count),
        "gpu_memory_gib": None if facts.gpu_memory_gib is None else str(facts.gpu_memory_gib),
    }


def _from_json(name: str, entry: Mapping[str, Any]) -> InstanceType | None:
    """The facts that an entry holds; None where it holds none, or is damaged."""
    memory, count = parse_price(entry.get("memory_gib")), parse_price(entry.get("gpu_count"))
    vcpus: Any = entry.get("vcpus")
    architectures: Any = entry.get("architectures")
    gpu, maker, gpu_memory = entry.get("gpu"), entry.get("gpu_maker"), entry.get("gpu_memory_gib")
    whole = (
        isinstance(vcpus, int)
        and isinstance(architectures, list)
        and all(isinstance(text, str) for text in architectures)
        and all(text is None or isinstance(text, str) for text in (gpu, maker))
        and not (gpu_memory is not None and parse_price(gpu_memory) is None)
    )
    if not whole or memory is None or count is None:
        return None
    total: Decimal | None = parse_price(gpu_memory)
    return InstanceType(name, vcpus, memory, tuple(architectures), entry.get("spot") is True, gpu, maker, count, total)
