"""Why a box is as it is: what happened, who did it, what bills, what comes next, and what the user can do."""

from dataclasses import dataclass
from decimal import Decimal

from spotbox.core.boxes import Box
from spotbox.core.meanings import WAIT_OR_MOVE, Who
from spotbox.core.records import Instance
from spotbox.core.states import BILLS_COMPUTE, State, meaning_of_reason
from spotbox.core.units import show_usd

_ALIVE = ("pending", "running", "stopping")

NEXT = {  # what comes next if nobody acts, where the code does not say
    State.WAITING: "AWS launches it by itself as soon as it can; it bills from then on",
    State.STARTING: "it runs within minutes, at a new address",
    State.RUNNING: "it runs until you stop or remove it, or until AWS needs the capacity back",
    State.STOPPING: "it is stopped within minutes; its address and what is on instance store are lost",
    State.STOPPED: "it stays stopped until it is started",
    State.INTERRUPTED: "AWS restarts it by itself when there is capacity in its zone: the same type and disk, a new "
    "address; it bills again from then on",
    State.TERMINATING: "it is gone within minutes",
    State.ORPHANED: "it bills until it is removed",
    State.KEPT: "the volume stays and bills until it is removed; the next `up` takes it back",
    State.FAILED: "nothing: AWS has ended the request",
}
DO = {  # what the user can do, where the code does not say
    State.WAITING: "wait for it: spotbox up {name}; give up: spotbox down {name}",
    State.STARTING: "follow it: spotbox up {name}; remove it: spotbox down {name}",
    State.RUNNING: "a shell: spotbox ssh {name}; pause: spotbox stop {name}; remove: spotbox down {name}",
    State.STOPPING: "start it again: spotbox start {name}; remove it: spotbox down {name}",
    State.STOPPED: "start it: spotbox start {name}; remove it, disk included: spotbox down {name}",
    State.INTERRUPTED: WAIT_OR_MOVE,
    State.TERMINATING: "look again: spotbox status {name}",
    State.ORPHANED: "remove it, disk included: spotbox down {name}",
    State.KEPT: "take it back: spotbox up {name}; remove it: spotbox down {name}",
    State.FAILED: "try again: spotbox up {name}",
}


@dataclass(frozen=True)
class Explanation:
    """Why a box is as it is. `compute` and `disk_gib` are what bills now; `usd` is the price of an hour, if known.

    `said` is AWS's own message, which nothing here rests on.
    """

    what: str
    who: Who
    compute: bool
    disk_gib: int
    next: str
    do: str
    said: str = ""
    usd: Decimal | None = None

    @property
    def bills(self) -> str:
        """What bills now, in words; public addresses and traffic, which AWS bills besides, are left out."""
        parts = []
        if self.compute:
            parts.append("compute" + (f" at {show_usd(self.usd)}/h" if self.usd is not None else ""))
        if self.disk_gib:
            parts.append(f"the disk ({self.disk_gib} GiB)")
        only = " only" if self.disk_gib and not self.compute else ""
        return f"{' and '.join(parts)}{only}" if parts else "nothing now"

    def lines(self) -> list[tuple[str, str]]:
        """(label, value) for a terminal; the text may hold what AWS said and is made safe by whoever prints it."""
        rows = [("what", self.what), ("who", str(self.who)), ("bills", self.bills), ("next", self.next)]
        rows += [("you can", self.do)]
        return rows + ([("AWS says", self.said)] if self.said else [])


def explain(box: Box) -> Explanation:
    """The explanation of a box as it was seen; commands in it carry the box's name."""
    meaning = box.meaning
    next_, do = NEXT[box.state], DO[box.state]
    if meaning is not None:
        next_, do = meaning.next or next_, meaning.do or do
    spot = box.market == "spot"
    return Explanation(
        what=meaning.what if meaning else box.reason,
        who=meaning.who if meaning else Who.UNKNOWN,
        compute=_computes(box),
        disk_gib=sum(volume.size_gib for volume in box.volumes),
        next=next_,
        do=do.replace("{name}", box.name),
        said=_said(box),
        usd=box.spot if spot else box.on_demand,
    )


def why_ended(instance: Instance, name: str) -> tuple[str, str]:
    """Why an instance ended before it ran, with AWS's own words, and what mends it; empty where nothing is known to."""
    meaning = meaning_of_reason(instance)
    said = instance.reason_message or instance.reason_code
    told = meaning.what if not said or said in meaning.what else f"{meaning.what} ({said})"
    return told, meaning.do.replace("{name}", name)


def _computes(box: Box) -> bool:
    """Whether the instance bills, by the contract's table: an orphaned box may be but a disk."""
    if box.state is State.ORPHANED:
        return box.instance is not None and box.instance.state in _ALIVE
    return box.state in BILLS_COMPUTE


def _said(box: Box) -> str:
    """AWS's own words on what is not as it should be."""
    request, instance = box.request, box.instance
    said = []
    if request and request.message and request.code not in ("fulfilled", ""):
        said.append(f"{request.message.strip()} ({request.code})")
    if instance and instance.state not in ("pending", "running") and instance.reason_code:
        said.append(instance.reason_message or instance.reason_code)
    return "; ".join(said)
