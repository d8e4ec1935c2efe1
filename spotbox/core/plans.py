"""Plans: tuples of steps, made of what was observed and what is wanted. Pure; apply carries them out.

Laws, each with a test: the request is cancelled before its instance is terminated; nothing that is not
spotbox's own is ever named in a step; a step that was carried out already does no harm.
"""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from spotbox.core.boxes import Belongings, Box, Sight, gather, unshown
from spotbox.core.copies import Keeping, keeping
from spotbox.core.copytag import copied_from, is_whole
from spotbox.core.names import (
    KEEP_TAG,
    NAME_TAG,
    OWNER_TAG,
    ROLE_TAG,
    Tags,
    box_tags,
    group_name,
    is_auto_rule,
    key_fingerprint,
    key_name,
    without_aws,
    without_parts,
)
from spotbox.core.records import KeyPair, Rule, Volume
from spotbox.core.states import LEAVING, LIVE, State
from spotbox.core.steps import (
    Admit,
    Cancel,
    DeleteGroup,
    DeleteKey,
    DeleteSnapshot,
    DeleteVolume,
    DeregisterImage,
    KeepVolume,
    Plan,
    RequireImdsV2,
    Start,
    Step,
    Stop,
    TagAgain,
    Terminate,
)
from spotbox.core.wishes import Launch, MakeGroup, MakeKey, MakeSpotRole, Park, Wish  # fmt: skip


def new_key(region: str, owner: str, public_key: str) -> MakeKey:
    """The owner's key pair in a region. An empty `public_key` stands for one that is not made yet (a dry run)."""
    name = key_name(owner, key_fingerprint(public_key) if public_key else "new")
    # The key is the owner's, not one box's: it carries no box name, or `down` of one box would take it from the others.
    shared = {k: v for k, v in box_tags("", owner).items() if k not in (NAME_TAG, "Name")}
    return MakeKey(region, name, public_key, {**shared, "Name": name})


def new_group(region: str, vpc_id: str, name: str, owner: str, rules: tuple[Rule, ...], tags: Tags) -> MakeGroup:
    """The security group of the box `name` in a VPC; of `tags` it bears the user's own and the pool's."""
    return MakeGroup(region, group_name(name, owner), vpc_id, rules, box_tags(name, owner, without_parts(tags)))


def plan_new(wish: Wish, make_role: bool, fallback: bool = False, spot: bool = True) -> Plan:
    """Steps that make a box where there is none; with `fallback` on demand where Spot has nothing in time, without
    `spot` on demand at once."""
    first = wish.grounds[wish.offers[0].region]
    if not spot:
        return first.group, first.key, Launch(wish, "on-demand", after_spot=False)
    steps: list[Step] = [MakeSpotRole()] if make_role else []
    # The group bears the box's name and the key does not: made first and removed last, it leads `down` to the key,
    # wherever between the two an `up` or a `down` was killed.
    steps += [first.group, first.key, Launch(wish)]
    steps += [Launch(wish, "on-demand")] if fallback else []
    return tuple(steps)


def plan_park(wish: Wish, make_role: bool) -> Plan:
    """Steps that leave a standing request for the wish's first pool with AWS."""
    best = wish.offers[0]
    there = wish.grounds[best.region]
    role: tuple[Step, ...] = (MakeSpotRole(),) if make_role else ()
    return (*role, there.group, there.key, Park(wish, best))


def plan_tags(box: Box) -> Plan:
    """Give what AWS launched by itself what a launch of ours has from the start; nothing where all is in order.

    A relaunch and a fulfilled standing request have no tags, and the latter's instance may allow IMDSv1. Their
    untagged volumes are root volumes: those that go with the instance (see `gather`).
    """
    if not box.request:
        return ()
    tags, bare = without_aws(box.request.tags if NAME_TAG in box.request.tags else box.tags), set(box.untagged)
    volumes = tuple(v.id for v in box.volumes if v.id in bare)
    others = tuple(id_ for id_ in box.untagged if id_ not in volumes)
    steps: list[Step] = [TagAgain(box.region, others, tags)] if others else []
    steps += [TagAgain(box.region, volumes, {**tags, ROLE_TAG: "root"})] if volumes else []
    instance = box.instance
    open_to = instance and (instance.http_tokens == "optional" or instance.metadata_tags == "disabled")
    if instance and open_to and instance.state in ("running", "stopped"):
        steps.append(RequireImdsV2(box.region, instance.id))
    return tuple(steps)


def plan_yield(box: Box, mine: str) -> Plan:
    """Where two launches of one name stand, retire instance `mine` of this run if the other came first.

    Both runs see the same two and decide alike: the older request stays, of two as old the one with the lower id.
    Nothing but what this run made a moment ago is named.
    """
    alive = {i.id: i for i in box.instances if i.state not in LEAVING}
    rivals = [r for r in box.requests if r.state in LIVE and r.instance_id in alive]
    own = next((r for r in rivals if r.instance_id == mine), None)
    if own is None or len(rivals) < 2:
        return ()
    first = min(rivals, key=lambda r: (r.created.timestamp() if r.created else 0.0, r.id))
    return () if first == own else (Cancel(box.region, (own.id,)), Terminate(box.region, (mine,)))


_STANDS = (State.WAITING, State.STARTING, State.RUNNING, State.STOPPING, State.STOPPED, State.INTERRUPTED)


def standing(boxes: Sequence[Box]) -> list[Box]:
    """Those that exist and are not on their way out."""
    return [box for box in boxes if box.state in _STANDS]


def elder(mine: Box, others: Sequence[Box]) -> Box | None:
    """The box of the same name, in another region, that `mine` has to give way to; None where `mine` was first.

    By the request's CreateTime, of two as old by the region's name: every terminal that sees them decides alike.
    """

    def rank(box: Box) -> tuple[float, str]:
        return box.created.timestamp() if box.created else float("inf"), box.region

    first = min((mine, *standing(others)), key=rank)
    return None if first is mine else first


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


def plan_admit(box: Box, address: str, machine_rule: Rule) -> tuple[Admit, ...]:
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


_ORDER: dict[type, int] = {
    kind: place
    for place, kind in enumerate(
        (Cancel, KeepVolume, Terminate, DeleteVolume, DeregisterImage, DeleteSnapshot, DeleteKey, DeleteGroup)
    )
}


def plan_down(sights: Sequence[Sight], owner: str, names: Sequence[str] | None, keep_data: bool = False) -> Plan:
    """Steps that remove the named boxes (None: all of this owner's), and nothing of anybody else's.

    Cancel comes first, in every region, before any terminate: an instance that is terminated while its request
    stands is launched again (EC2 User Guide, "Terminate a Spot Instance").
    """
    steps: list[Step] = []
    keep = keeping(sights, owner, names) if keep_data else None
    for sight in sights:
        found = {name: parts for (whose, name), parts in gather(sight).items() if whose == owner}
        chosen = {name: parts for name, parts in found.items() if names is None or name in names}
        for parts in chosen.values():
            steps += _remove(sight.region, parts, keep)
        # A group without a box may be one that is being made this moment: it needs the key.
        others = any(_alive(parts) or parts.groups for name, parts in found.items() if name not in chosen)
        # With `--all` the key goes even from a region where no box is left at all.
        if not others and (any(_alive(p) or p.groups for p in chosen.values()) or names is None):
            steps += [DeleteKey(sight.region, key.id, key.name) for key in sight.keys if owns_key(key, owner)]
    return tuple(sorted(steps, key=lambda step: _ORDER[type(step)]))


def owns_key(key: KeyPair, owner: str) -> bool:
    """A key pair that spotbox imported for this owner: tagged so, under the name that carries its fingerprint."""
    return key.tags.get(OWNER_TAG) == owner and key.name.startswith(key_name(owner, ""))


def _alive(parts: Belongings) -> bool:
    return (
        any(r.state in LIVE for r in parts.requests)
        or any(i.state != "terminated" for i in parts.instances)
        or bool(parts.volumes)
    )


def _remove(region: str, parts: Belongings, keep: Keeping | None) -> list[Step]:
    steps: list[Step] = []
    alive = [i for i in parts.instances if i.state != "terminated"]
    requests = [r.id for r in parts.requests if r.state in LIVE]
    # An instance names its request even while a query by tag does not show it: just made, or its tags removed.
    shown = {r.id for r in parts.requests}
    requests += dict.fromkeys(i.request_id for i in alive if i.request_id and i.request_id not in shown)
    if requests:
        steps.append(Cancel(region, tuple(requests)))
    if ending := (*(i.id for i in alive), *unshown(parts)):
        steps.append(Terminate(region, ending))
    doomed = {i.id for i in parts.instances}
    dying = {i.id for i in parts.instances if i.state in LEAVING}
    ids = {volume.id for volume in parts.volumes}
    for volume in parts.volumes:
        if volume.state in ("deleting", "deleted") or (volume.delete_on_termination and volume.instance_id in dying):
            continue
        whole = is_whole(volume) or copied_from(volume.tags) not in ids  # else a copy that was never in use
        if keep and whole and _is_kept(volume, keep):
            if KEEP_TAG not in volume.tags:
                steps.append(KeepVolume(region, volume.id, volume.size_gib))
        elif not (volume.delete_on_termination and volume.instance_id in doomed):
            steps.append(DeleteVolume(region, volume.id, volume.size_gib))
    steps += [DeregisterImage(region, image.id) for image in parts.images if image.state != "deregistered"]
    steps += [DeleteSnapshot(region, snapshot.id, snapshot.size_gib) for snapshot in parts.snapshots]
    steps += [DeleteGroup(region, group.id, group.name) for group in parts.groups]
    return steps


def _is_kept(volume: Volume, keep: Keeping) -> bool:
    """Whether `--keep-data` is about this volume."""
    data = volume.tags.get(ROLE_TAG) == "data" and volume.id not in keep.outdated
    return data or volume.id in keep.besides
