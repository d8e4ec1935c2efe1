"""Plans: tuples of steps, made of what was observed and what is wanted. Pure; apply carries them out.

Laws, each with a test: the request is cancelled before its instance is terminated; nothing that is not
spotbox's own is ever named in a step; a step that was carried out already does no harm.
"""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from spotbox.core.boxes import Belongings, Box, Sight, gather
from spotbox.core.names import KEEP_TAG, NAME_TAG, OWNER_TAG, ROLE_TAG, box_tags, is_auto_rule, key_name, without_own
from spotbox.core.records import KeyPair, Rule
from spotbox.core.states import LIVE, State
from spotbox.core.steps import (
    Admit,
    Cancel,
    DeleteGroup,
    DeleteKey,
    DeleteVolume,
    KeepVolume,
    Launch,
    MakeGroup,
    MakeKey,
    MakeSpotRole,
    Plan,
    Start,
    Step,
    Stop,
    TagAgain,
    Terminate,
    Wish,
)  # fmt: skip


def plan_new(wish: Wish, public_key: str, rules: tuple[Rule, ...], generation: int, make_role: bool) -> Plan:
    """Steps that make a box where there is none."""
    own = without_own(wish.tags)
    steps: list[Step] = [MakeSpotRole()] if make_role else []
    # The key is the owner's, not one box's: it carries no box name, or `down` of one box would take it from the others.
    shared = {k: v for k, v in box_tags(wish.name, wish.owner).items() if k not in (NAME_TAG, "Name")}
    steps += [
        # The group bears the box's name and the key does not: made first and removed last, it leads `down` to the key,
        # wherever between the two an `up` or a `down` was killed.
        MakeGroup(wish.region, wish.group_name, wish.vpc_id, rules, box_tags(wish.name, wish.owner, own)),
        MakeKey(wish.region, wish.key_name, public_key, {**shared, "Name": wish.key_name}),
        Launch(wish, generation),
    ]
    return tuple(steps)


def plan_tags(box: Box) -> Plan:
    """Tag again what belongs to the box and lost its tags; nothing where all is tagged."""
    if not box.untagged or not box.request:
        return ()
    return (TagAgain(box.region, box.untagged, dict(box.request.tags)),)


def plan_start(box: Box) -> Plan:
    """Steps that start a box its user stopped; nothing for one that runs or is about to."""
    if box.state is not State.STOPPED or not box.instance:
        return plan_tags(box)
    return (*plan_tags(box), Start(box.region, box.instance.id))


def plan_stop(box: Box) -> Plan:
    """Steps that stop a running box. An interrupted one is asked to stop too: AWS may make the stop the user's own."""
    stoppable = (State.RUNNING, State.STARTING, State.INTERRUPTED)
    if box.state not in stoppable or not box.instance or box.instance.state == "stopping":
        return plan_tags(box)
    return (*plan_tags(box), Stop(box.region, box.instance.id))


def plan_admit(box: Box, address: str, machine_rule: Rule) -> Plan:
    """Admit the caller's address where the group does not yet; never in place of a CIDR that the user gave.

    `address` is a bare IP; `machine_rule` the rule that spotbox would make for this machine now.
    """
    if not box.groups:
        return ()
    group = box.groups[0]
    here = ip_address(address)
    if any(here in ip_network(rule.cidr) for rule in group.rules):
        return ()
    automatic = [rule for rule in group.rules if is_auto_rule(rule.description)]
    if not automatic and group.rules:
        return ()  # the user chose who may come in: it is not ours to widen
    mine = next((rule for rule in automatic if rule.description == machine_rule.description), None)
    return (Admit(box.region, group.id, machine_rule, mine),)


def plan_down(sights: Sequence[Sight], owner: str, names: Sequence[str] | None, keep_data: bool = False) -> Plan:
    """Steps that remove the named boxes (None: all of this owner's), and nothing of anybody else's.

    Cancel comes first, in every region, before any terminate: an instance that is terminated while its request
    stands is launched again (EC2 User Guide, "Terminate a Spot Instance").
    """
    steps: list[Step] = []
    for sight in sights:
        found = {name: parts for (whose, name), parts in gather(sight).items() if whose == owner}
        chosen = {name: parts for name, parts in found.items() if names is None or name in names}
        for parts in chosen.values():
            steps += _remove(sight.region, parts, keep_data)
        # A group without a box may be one that is being made this moment: it needs the key.
        others = any(_alive(parts) or parts.groups for name, parts in found.items() if name not in chosen)
        # With `--all` the key goes even from a region where no box is left at all.
        if not others and (any(_alive(p) or p.groups for p in chosen.values()) or names is None):
            steps += [DeleteKey(sight.region, key.id, key.name) for key in sight.keys if _owns(key, owner)]
    order: dict[type, int] = {Cancel: 0, KeepVolume: 1, Terminate: 2, DeleteVolume: 3, DeleteKey: 4, DeleteGroup: 5}
    return tuple(sorted(steps, key=lambda step: order[type(step)]))


def _owns(key: KeyPair, owner: str) -> bool:
    """A key pair that spotbox imported for this owner: tagged so, under the name that carries its fingerprint."""
    return key.tags.get(OWNER_TAG) == owner and key.name.startswith(key_name(owner, ""))


def _alive(parts: Belongings) -> bool:
    return (
        any(r.state in LIVE for r in parts.requests)
        or any(i.state != "terminated" for i in parts.instances)
        or bool(parts.volumes)
    )


def _remove(region: str, parts: Belongings, keep_data: bool) -> list[Step]:
    steps: list[Step] = []
    alive = [i for i in parts.instances if i.state != "terminated"]
    requests = [r.id for r in parts.requests if r.state in LIVE]
    # An instance names its request even while a query by tag does not show it: just made, or its tags removed.
    shown = {r.id for r in parts.requests}
    requests += dict.fromkeys(i.request_id for i in alive if i.request_id and i.request_id not in shown)
    if requests:
        steps.append(Cancel(region, tuple(requests)))
    if alive:
        steps.append(Terminate(region, tuple(i.id for i in alive)))
    doomed = {i.id for i in parts.instances}
    dying = {i.id for i in parts.instances if i.state in ("shutting-down", "terminated")}
    for volume in parts.volumes:
        if volume.state in ("deleting", "deleted") or (volume.delete_on_termination and volume.instance_id in dying):
            continue
        if keep_data and volume.tags.get(ROLE_TAG) == "data":
            if KEEP_TAG not in volume.tags:
                steps.append(KeepVolume(region, volume.id, volume.size_gib))
        elif not (volume.delete_on_termination and volume.instance_id in doomed):
            steps.append(DeleteVolume(region, volume.id, volume.size_gib))
    steps += [DeleteGroup(region, group.id, group.name) for group in parts.groups]
    return steps
