"""What one box has in one region, and what of it is sound: the ground on which an audit judges. Pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spotbox.core.boxes import Belongings, Box
from spotbox.core.errors import UsageError
from spotbox.core.findings import Finding, Survey
from spotbox.core.names import check_name
from spotbox.core.records import Instance, Request
from spotbox.core.states import LEAVING, LIVE


@dataclass(frozen=True)
class Corner:
    """What one box has in one region, and what is needed to judge it."""

    survey: Survey
    owner: str
    name: str
    parts: Belongings
    box: Box | None
    requests: Mapping[str, Request]  # all that were seen in the region, by id
    me: str  # who asks
    fresh: datetime  # what was made after it AWS may show in part only

    @property
    def region(self) -> str:
        """The region that was looked at."""
        return self.survey.sight.region

    @property
    def down(self) -> str:
        """The command that removes all of it."""
        try:
            words = ["spotbox", "down", check_name(self.name), "-r", self.region]
        except UsageError:  # a tag that no command would have written
            words = ["spotbox", "audit", "--fix", "-r", self.region]
        return shlex.join([*words, *owner_words(self.owner, self.me)])

    @property
    def alive(self) -> list[Instance]:
        """Its instances that are there, or may be again."""
        return [i for i in self.parts.instances if i.state not in LEAVING]

    def orphaned(self, instance: Instance) -> bool:
        """Whether its request cannot launch it any more; one that AWS does not show yet says nothing."""
        request = self.requests.get(instance.request_id or "")
        if instance.lifecycle != "spot" or (request and request.state in LIVE):
            return False
        return not (request is None and instance.launched and instance.launched > self.fresh)

    @property
    def runs(self) -> bool:
        """Whether an instance is the box's; then no request but its own is."""
        return any(not self.orphaned(i) for i in self.alive)

    def stray(self, request: Request) -> bool:
        """Whether a request that may launch is not the one that the box runs on or waits for."""
        if request.id in {i.request_id for i in self.alive}:
            return False
        if request.state == "active" and request.instance_id:  # its instance is not shown yet
            return False
        return self.runs or not (self.box and self.box.request and self.box.request.id == request.id)

    @property
    def healthy(self) -> bool:
        """Whether it is a box: an instance is its own, or a request may yet launch one."""
        return self.runs or any(r.state in LIVE and not self.stray(r) for r in self.parts.requests)

    def finding(self, kind: str, id_: str, why: str, remedy: str = "", **more: Any) -> Finding:
        """A row of this box's."""
        return Finding(kind, id_, self.region, self.name, self.owner, why, remedy or self.down, **more)


def owner_words(owner: str | None, me: str) -> list[str]:
    """The flag that names another owner than who asks; empty where it is he, or nobody is known."""
    return ["--owner", owner] if owner and owner != me else []
