"""What AWS's codes mean for the user: one row each for Status.Code, State and StateReason.Code.

Sources: EC2 User Guide, "Get the status of a Spot Instance request" and "Manage your Spot Instances"; EC2 API
reference, StateReason. Which row tells of a box, and what bills, is decided in states.py and explain.py.
"""

from dataclasses import dataclass
from enum import StrEnum


class Who(StrEnum):
    """Whose doing it was. `you` is everybody with access to the account."""

    YOU = "you"
    AWS = "AWS"
    BOX = "the box itself"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Meaning:
    """What happened, in one short line; who did it; what comes next if nobody acts; what the user can do.

    In `do`, `{name}` is the box. An empty `next` or `do` is what the state of the box always offers. `detail`: AWS's
    message names the cause, and belongs to the line.
    """

    what: str
    who: Who
    next: str = ""
    do: str = ""
    detail: bool = False


YOU, AWS, BOX, UNKNOWN = Who.YOU, Who.AWS, Who.BOX, Who.UNKNOWN

_ANEW = "make it anew: spotbox down {name} (its disk goes too), then spotbox up {name}"
_SAVE = "save your work now: spotbox ssh {name}"
_RAISE = "make it anew without the cap: spotbox down {name} (its disk goes too), then spotbox up {name}"
_RETRY = "try again: spotbox up {name}"
_MEND = "mend that, then: spotbox up {name}"
_AGAIN = "AWS launches another instance with a new, empty disk as soon as it can; that bills"
_AGAIN_DO = "prevent it: spotbox down {name}; or take it: spotbox up {name}"
_GONE = "nothing: the instance is gone"
_BACK = "AWS restarts it in the same zone, as the same type, with its disk, at a new address; instance store is lost"
WAIT_OR_MOVE = (
    "wait for AWS: spotbox up {name}; take it elsewhere, disk included: spotbox move {name}; remove it: "
    "spotbox down {name}"
)
_FULL = "AWS has no Spot capacity of this type in this zone"
_TAKEN = "AWS took the capacity back; only AWS can restart it"
_ENDED = "AWS took the capacity back and terminated the instance"

STOPPED_BY_USER = "instance-stopped-by-user"

CODES = {  # Status.Code of a Spot request
    "pending-evaluation": Meaning("AWS is looking at the request", AWS),
    "pending-fulfillment": Meaning("AWS is preparing the instance", AWS, "the instance is launched in a moment"),
    "not-scheduled-yet": Meaning("the request is for a later time", YOU, "AWS looks at it when its time has come"),
    "capacity-not-available": Meaning(_FULL, AWS),
    "capacity-oversubscribed": Meaning(_FULL, AWS),
    "price-too-low": Meaning(
        "the Spot price is above your maximum price", AWS, "AWS goes on when the price has fallen below it", _RAISE
    ),
    "launch-group-constraint": Meaning("AWS cannot launch the whole launch group at once", AWS, do=_ANEW),
    "az-group-constraint": Meaning("AWS cannot launch the whole zone group together", AWS, do=_ANEW),
    "placement-group-constraint": Meaning("AWS cannot add to the placement group now", AWS, do=_ANEW),
    "constraint-not-fulfillable": Meaning(
        "a constraint of the request cannot be met", AWS, "nothing: it will not heal by waiting", _ANEW, detail=True
    ),
    "bad-parameters": Meaning("AWS refused the request's parameters", AWS, do=_MEND, detail=True),
    "schedule-expired": Meaning("the request expired before it was fulfilled", AWS, do=_RETRY),
    "canceled-before-fulfillment": Meaning("the request was cancelled before it was fulfilled", YOU, do=_RETRY),
    "system-error": Meaning("AWS had an error of its own", AWS, do=_RETRY, detail=True),
    "limit-exceeded": Meaning(
        "a limit on EBS volumes is reached",
        AWS,
        do="delete volumes you do not need, or ask AWS for a higher EBS limit; then: spotbox up {name}",
        detail=True,
    ),
    "fulfilled": Meaning("the Spot request is fulfilled", AWS),
    "marked-for-stop": Meaning(
        "AWS is about to stop it: save your work now",
        AWS,
        f"it stops within two minutes; when there is capacity again, {_BACK}",
        _SAVE,
    ),
    "marked-for-termination": Meaning(
        "AWS is about to terminate it: save your work now",
        AWS,
        "within two minutes the instance is gone with its disk",
        _SAVE,
    ),
    STOPPED_BY_USER: Meaning("it was stopped by you or from the box", YOU),
    "instance-stopped-no-capacity": Meaning(_TAKEN, AWS, f"when there is capacity again, {_BACK}"),
    "instance-stopped-capacity-oversubscribed": Meaning(_TAKEN, AWS, f"when there is capacity again, {_BACK}"),
    "instance-stopped-by-price": Meaning(
        "the Spot price rose above your maximum price; only AWS can restart it",
        AWS,
        f"when the price has fallen below it, {_BACK}",
        _RAISE,
    ),
    "instance-terminated-by-user": Meaning("the instance was terminated", YOU, _GONE),
    "spot-instance-terminated-by-user": Meaning("the instance was terminated", YOU, _GONE),
    "instance-terminated-no-capacity": Meaning(_ENDED, AWS, _GONE),
    "instance-terminated-capacity-oversubscribed": Meaning(_ENDED, AWS, _GONE),
    "instance-terminated-by-price": Meaning(
        "AWS terminated it: the Spot price rose above your maximum price", AWS, _GONE, _RAISE
    ),
    "instance-terminated-by-schedule": Meaning("the Spot block ended", AWS, _GONE),
    "instance-terminated-by-service": Meaning(
        "AWS terminated it because its request was cancelled while it was stopped", AWS, _GONE
    ),
    "instance-terminated-launch-group-constraint": Meaning("the launch group was broken", AWS, _GONE),
    "request-canceled-and-instance-running": Meaning(
        "its request is cancelled, but the instance runs on and bills",
        YOU,
        "it runs and bills until it is removed; it can no longer be stopped",
    ),
}

STATES = {  # State of a request, where its code is not known or there is none
    "open": Meaning("the Spot request is open", UNKNOWN),
    "active": Meaning("the Spot request is active", UNKNOWN),
    "disabled": Meaning("the instance is stopped, and AWS does not say that you did it", UNKNOWN),
    "closed": Meaning("AWS closed the Spot request", AWS),
    "cancelled": Meaning("the Spot request is cancelled", UNKNOWN),
    "failed": Meaning("the Spot request failed", AWS),
}

REASONS = {  # StateReason.Code of an instance: why it stopped or ended
    "Server.InsufficientInstanceCapacity": Meaning("AWS had no capacity to launch it", AWS, do=_RETRY),
    "Server.InternalError": Meaning("an error inside AWS ended the launch", AWS, do=_RETRY),
    "Server.ScheduledStop": Meaning(
        "AWS stopped it: the machine it ran on is retired", AWS, "it stays stopped until it is started elsewhere"
    ),
    "Server.SpotInstanceShutdown": Meaning("AWS took the capacity back and stopped it", AWS),
    "Server.SpotInstanceTermination": Meaning(_ENDED, AWS),
    "Client.InstanceInitiatedShutdown": Meaning("it shut itself down (idle guard, TTL or `shutdown`)", BOX),
    "Client.InstanceTerminated": Meaning("it was terminated or rebooted while an image was made of it", YOU),
    "Client.InternalError": Meaning(
        "the launch failed, most often because the disk's KMS key may not be used",
        AWS,
        do="let the role AWSServiceRoleForEC2Spot use the key; then: spotbox up {name}",
        detail=True,
    ),
    "Client.InvalidSnapshot.NotFound": Meaning(
        "the snapshot behind its disk does not exist", AWS, do="use another image (--ami): spotbox up {name}"
    ),
    "Client.UserInitiatedHibernate": Meaning("you hibernated it", YOU),
    "Client.UserInitiatedShutdown": Meaning("you shut it down through EC2", YOU),
    "Client.VolumeLimitExceeded": Meaning(
        "the limit on EBS volumes or their total size is reached",
        AWS,
        do="delete volumes you do not need, or ask AWS for a higher EBS limit; then: spotbox up {name}",
    ),
}

# What no single code says.
HEALTHY = Meaning("it runs", YOU)
ON_DEMAND = Meaning("it runs, on demand", YOU, "it runs until you stop or remove it; AWS does not take it back")
LAUNCHING = Meaning("the instance is being launched", AWS)
UNSHOWN = Meaning("the instance is being launched; AWS does not show its Spot request yet", AWS)
STOPS = Meaning(  # by you it can be started again, by AWS it cannot
    "it is being stopped",
    UNKNOWN,
    do="look again, for who stopped it: spotbox status {name}; remove it: spotbox down {name}",
)
STOPS_BY_USER = Meaning("it is being stopped by you", YOU)
STOPS_BY_BOX = Meaning("it is shutting itself down (idle guard, TTL or `shutdown`)", BOX)
STOPS_BY_AWS = Meaning(
    "it is being stopped by AWS", AWS, f"it stops; when there is capacity again, {_BACK}", WAIT_OR_MOVE
)
UNSETTLED = Meaning("the Spot request has not settled yet", YOU, "it is stopped in a moment")
STOPPED = Meaning("you stopped it", YOU)
TAKEN_OVER = Meaning("AWS interrupted it, and you made the stop your own", YOU)
RELAUNCH = Meaning("terminated, but its request was not cancelled: AWS launches another", YOU, _AGAIN, _AGAIN_DO)
RELAUNCH_BY_AWS = Meaning("AWS terminated the instance and launches another when it can", AWS, _AGAIN, _AGAIN_DO)
DYING_ALONE = Meaning("its request is not cancelled, so AWS will launch another", YOU, _AGAIN, _AGAIN_DO)
DYING = Meaning("it is being terminated", UNKNOWN)
SECOND = Meaning(
    "it is on demand, but a Spot request of it stands too and may launch another",
    UNKNOWN,
    "AWS may launch a second instance, which bills too",
)
LOST = Meaning("AWS shows no request of it, but the instance is there and bills", UNKNOWN)
CANCELLED_STOPPED = Meaning(
    "its request is cancelled; AWS usually terminates it soon, its disk bills until then",
    YOU,
    "AWS usually terminates it within minutes; what is on its disk is lost then",
)
LEFT = Meaning("its instance is gone, but a volume is left and bills", UNKNOWN)
MOVING = Meaning(
    "it was stopped to be moved, and the move is not complete",
    YOU,
    "it stays as it is; what the move has made of it bills too",
    "go on: spotbox move {name}; start it where it is: spotbox start {name}; remove it: spotbox down {name}",
)
KEPT = Meaning("only the data volume is left, as asked", YOU)
