"""One case of the crash matrix: a command, killed at its k-th call, before that call took effect or after."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.life.drive import Done, Drive

POOL = ("-t", "g4dn.xlarge", "-z", "us-east-1a")
UP = ("up", "dev", *POOL, "-y")
DOWN = ("down", "dev", "-y")
STOP, START = ("stop", "dev"), ("start", "dev")
MOVE = ("move", "dev", "-z", "us-east-1b", "-y")
AWAY = ("move", "dev", "-r", "us-west-2", "-y")
DATA = (*UP, "--data-size", "5")
KEEP = (*DOWN, "--keep-data")
BACK, BESIDE = ("up", "dev", "-t", "g4dn.xlarge", "-y"), ("up", "dev", "-t", "g4dn.xlarge", "-z", "us-east-1b", "-y")
# name -> the command, and the commands that lead to where it begins
COMMANDS = {
    "up": (UP, ()),
    "stop": (STOP, (UP,)),
    "start": (START, (UP, STOP)),
    "up a stopped box": (UP, (UP, STOP)),
    "move": (MOVE, (UP,)),
    "move away": (AWAY, (UP, STOP)),
    "down": (DOWN, (UP,)),
    "down a stopped box": (DOWN, (UP, STOP)),
    "up with data": (DATA, ()),
    "down of a box with data": (DOWN, (DATA,)),
    "down that keeps the data": (KEEP, (DATA,)),
    "up that takes the data back": (BACK, (DATA, KEEP)),
    "up that moves the data": (BESIDE, (DATA, KEEP)),
}
ENDS = {
    "up": "running", "stop": "stopped", "start": "running", "up a stopped box": "running", "up with data": "running",
    "move": "running", "move away": "running",
    "down that keeps the data": "", "up that takes the data back": "running", "up that moves the data": "running",
}  # fmt: skip
PLACES = {"move": "us-east-1b", "move away": "us-west-2"}
# What the sample draws from: the calls that change something, and how many calls a usual run makes at least.
CHANGES = {
    "up": ("CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "ImportKeyPair", "RunInstances", "RunInstances"),
    "stop": ("StopInstances",),
    "start": ("StartInstances",),
    "up a stopped box": ("StartInstances",),
    "move": (
        "CreateTags",
        "StopInstances",
        "CreateImage",
        "RunInstances",
        "CancelSpotInstanceRequests",
        "TerminateInstances",
        "DeregisterImage",
        "DeleteSnapshot",
        "DeleteTags",
    ),
    "move away": ("CreateImage", "CopyImage", "CreateSecurityGroup", "ImportKeyPair", "RunInstances", "DeleteSnapshot"),
    "down": ("CancelSpotInstanceRequests", "TerminateInstances", "DeleteKeyPair", "DeleteSecurityGroup"),
}
LENGTHS = {"up": 45, "stop": 19, "start": 20, "up a stopped box": 30, "down": 30, "move": 150, "move away": 200}
READS = ("Describe", "Get", "List")


@dataclass(frozen=True)
class Case:
    """`again`: the same command is run once more before `down`; else `down` comes at once."""

    command: str
    nth: int
    when: str
    again: bool
    action: str | None = None  # count only these calls

    def __str__(self) -> str:
        then = "again, then down" if self.again else "down"
        return f"{self.command}, killed {self.when} {self.action or 'call'} {self.nth}, then {then}"


class Broken(AssertionError):
    """A case that did not end as it must, with all that was printed."""


def ran(drive: Drive, story: list[str], args: tuple[str, ...]) -> Done:
    """Run a command that has to succeed."""
    done = drive.run(*args)
    story.append(str(done))
    if done.code != 0 or not done.clean:
        raise Broken("\n".join(story))
    return done


def prepare(drive: Drive, command: str) -> None:
    """Bring about what the command begins with."""
    for args in COMMANDS[command][1]:
        ran(drive, [], args)


def calls_of(drive: Drive, command: str) -> list[str]:
    """The actions of a clean run of the command, in order; nothing is left afterwards."""
    prepare(drive, command)
    drive.control("calls", reset=True)
    ran(drive, [], COMMANDS[command][0])
    actions = [action for _, action, _ in drive.control("calls", reset=True)["calls"]]
    ran(drive, [], DOWN)
    return actions


def cases_of(command: str, actions: list[str], spare: int = 2) -> Iterator[Case]:
    """Every call, before and after it took effect; a call that only reads has nothing to take effect.

    A run may need more calls than another, as it waits: `spare` more are tried. A move looks again after all that it
    does: of its looks one in five is enough.
    """
    for nth, action in enumerate([*actions, *["DescribeAgain"] * spare], 1):
        if command in PLACES and action.startswith(READS) and nth % 5:
            continue
        for when in ("before",) if action.startswith(READS) else ("before", "after"):
            yield Case(command, nth, when, again=False)
            if command in ENDS:
                yield Case(command, nth, when, again=True)


def killed(drive: Drive, case: Case, story: list[str]) -> bool:
    """Run the command and kill it at its call; whether it came that far."""
    drive.control("hold", nth=case.nth, when=case.when, action=case.action)
    running = drive.start(*COMMANDS[case.command][0])
    end = time.monotonic() + 120
    while running.poll() is None and not (held := drive.control("held"))["held"] and time.monotonic() < end:
        time.sleep(0.04)
    reached = running.poll() is None
    done = running.kill()
    drive.control("release")
    story.append(f"{case}\nheld: {held if reached else 'never'}\n{done}")
    if not reached and (done.code != 0 or not done.clean):
        raise Broken("\n".join(story))
    return reached


def check_one_box(drive: Drive, case: Case, story: list[str]) -> None:
    """Exactly one request and one instance, in the state that the command is for."""
    if " data" in case.command:
        check_data(drive, case, story)
    if not ENDS[case.command]:
        return
    found = drive.independent.boxes()
    states = [i["State"]["Name"] for r in drive.independent.regions() for i in drive.independent.instances(r)]
    if found != (1, 1) or states != [ENDS[case.command]]:
        raise Broken("\n".join([*story, f"requests and instances: {found}, {states}"]))


def check_whole(drive: Drive, story: list[str]) -> None:
    """While a move is cut off: an instance that has its root disk, and a request that holds it. Never neither."""
    for region in drive.independent.regions():
        held = {request.get("InstanceId") for request in drive.independent.requests(region)}
        for instance in drive.independent.instances(region):
            disks = [mapping["DeviceName"] for mapping in instance["BlockDeviceMappings"]]
            whole = instance["RootDeviceName"] in disks and instance["InstanceId"] in held
            if whole and instance["State"]["Name"] in ("running", "stopped", "stopping", "pending"):
                return
    raise Broken("\n".join([*story, "no box is whole:", *drive.independent.left()]))


def check_moved(drive: Drive, case: Case, story: list[str]) -> None:
    """The box is where it was to go, and nothing else is there: one of each kind that a box has."""
    left = drive.independent.left()
    kinds = sorted(line.split()[1] for line in left)
    zones = [
        i["Placement"]["AvailabilityZone"] for r in drive.independent.regions() for i in drive.independent.instances(r)
    ]
    there = len(zones) == 1 and zones[0].startswith(PLACES[case.command])
    if kinds != ["group", "instance", "key", "request", "volume"] or not there:
        raise Broken("\n".join([*story, f"not moved, or not alone: {zones}", *left]))


def check_data(drive: Drive, case: Case, story: list[str]) -> None:
    """Exactly one volume that outlives its instance: attached to it, or kept where the command keeps it."""
    found = [
        volume
        for region in drive.independent.regions()
        for volume in drive.independent.client("ec2", region).describe_volumes()["Volumes"]
        if not any(attached["DeleteOnTermination"] for attached in volume["Attachments"])
    ]
    held = [bool(volume["Attachments"]) for volume in found]
    kept = [any(tag["Key"] == "spotbox:keep" for tag in volume["Tags"]) for volume in found]
    runs = bool(ENDS[case.command])
    snapshots = [line for line in drive.independent.left() if "snapshot" in line]
    if held != [runs] or kept != [not runs] or snapshots:
        raise Broken("\n".join([*story, f"data volumes: held {held}, kept {kept}; {snapshots}"]))


def check_nothing(drive: Drive, story: list[str]) -> None:
    """`down` leaves nothing, by the word of the independent client."""
    ran(drive, story, DOWN)
    left = drive.independent.left()
    if left:
        drive.independent.sweep()
        raise Broken("\n".join([*story, "left:", *left]))


def play(drive: Drive, case: Case) -> bool:
    """The whole case; False where the call never came. Raises Broken."""
    story: list[str] = []
    try:
        prepare(drive, case.command)
        reached = killed(drive, case, story)
        if case.command in PLACES:
            check_whole(drive, story)
        if case.again:
            ran(drive, story, COMMANDS[case.command][0])
            check_one_box(drive, case, story)
            if case.command in PLACES:
                check_moved(drive, case, story)
        check_nothing(drive, story)
    except Broken:
        drive.independent.sweep()
        raise
    return reached


def drawn(command: str, dice: random.Random) -> Case:
    """A case by lot: in two of three draws at a call that changes something, else at any call of a usual run."""
    action = dice.choice([*CHANGES[command], *CHANGES[command], *[None] * len(CHANGES[command])])
    nth = 1 if action else dice.randint(1, LENGTHS[command])
    return Case(command, nth, dice.choice(("before", "after")), again=command != "down", action=action)


def play_life(drive: Drive, dice: random.Random) -> list[str]:
    """A whole life of one box, every command killed once at a call drawn by lot and then run again. Raises Broken.

    It is several cases for the price of one: each begins where the one before has ended.
    """
    story: list[str] = []
    told = []
    try:
        for command in ("up", "stop", "up a stopped box", "stop", "start", "down"):
            case = drawn(command, dice)
            told.append(f"{case}{'' if killed(drive, case, story) else ' (never came)'}")
            if case.again:
                ran(drive, story, COMMANDS[command][0])
                check_one_box(drive, case, story)
        check_nothing(drive, story)
    except Broken:
        drive.independent.sweep()
        raise
    return told
