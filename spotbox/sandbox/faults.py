"""Failures on order: the next calls that match are answered with an error of AWS, or with nothing at all."""

import json
from dataclasses import dataclass
from typing import Any

from spotbox.sandbox import refusals
from spotbox.sandbox.ec2_base import error_body

RESET = "reset"  # the connection breaks after the call was carried out: its outcome is unknown
SLOW = "slow"  # nothing fails: the answer only comes later
LONGEST = 60.0  # seconds that a fault may keep a caller waiting
RESET_BEFORE = "reset-before"  # it breaks before: the outcome is as unknown, yet nothing was done


@dataclass
class Fault:
    """What to answer, to which calls (`*` matches all), and how often; `times` of -1 is until it is cleared.

    The answer comes `delay` seconds late. The Spot Advisor's feed is the service `advisor`, action `Get`.
    `nth` counts the calls that match from when the fault was ordered: the first `nth - 1` of them are spared.
    """

    code: str
    service: str = "*"
    action: str = "*"
    message: str = ""
    http: int = 400
    times: int = 1
    region: str = "*"
    delay: float = 0.0
    nth: int = 1

    def matches(self, service: str, action: str, region: str) -> bool:
        """Whether this call is one to fail."""
        pairs = ((self.service, service), (self.action, action), (self.region, region))
        return all(mine in ("*", theirs) for mine, theirs in pairs)


class Faults:
    """The failures that are still to come, in the order they were asked for."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, given: dict[str, Any]) -> Fault:
        """A failure from a control call; AWS's own status and wording where none is given. Raises ValueError."""
        code = given.get("code")
        if not isinstance(code, str) or not code:
            raise ValueError("a fault needs a code, such as UnauthorizedOperation")
        delay = float(given.get("delay") or 0)
        if not 0 <= delay <= LONGEST:
            raise ValueError(f"a fault delays an answer by 0 to {LONGEST:g} seconds")
        fault = Fault(
            code=code,
            service=str(given.get("service") or "*"),
            action=str(given.get("action") or "*"),
            message=str(given.get("message") or refusals.message(code)),
            http=int(given.get("http") or refusals.status(code)),
            times=int(given.get("times") or 1),
            region=str(given.get("region") or "*"),
            delay=delay,
            nth=int(given.get("nth") or 1),
        )
        if fault.nth < 1:
            raise ValueError("nth counts the calls that match, from 1")
        self.waiting.append(fault)
        return fault

    def take(self, service: str, action: str, region: str) -> Fault | None:
        """The failure for this call, used up by it."""
        for fault in [*self.waiting]:
            if fault.matches(service, action, region):
                if fault.nth > 1:
                    fault.nth -= 1
                    continue
                if fault.times > 0:
                    fault.times -= 1
                    if fault.times == 0:
                        self.waiting.remove(fault)
                return fault
        return None


def reply(service: str, code: str, message: str) -> tuple[str, str]:
    """Content type and body of an error in the protocol of the service."""
    if service == "ec2":
        return "text/xml", error_body(code, message)
    if service in ("iam", "sts"):
        from spotbox.sandbox.identity import query_error

        return "text/xml", query_error(code, message)
    if service == "s3":
        xml = error_body(code, message)
        return "application/xml", xml[xml.index("<Error>") : xml.index("</Errors>")]
    return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message, "Message": message})
