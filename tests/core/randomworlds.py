"""Worlds at random, what a plan of `down` leaves of them, and what of them is somebody's."""

from dataclasses import replace

from hypothesis import strategies as st

from spotbox.core.names import KEEP_TAG, NAME_TAG, OWNER_TAG, ROLE_TAG, box_tags
from spotbox.core.states import LIVE
from spotbox.core.steps import Cancel, DeleteGroup, DeleteKey, DeleteVolume, KeepVolume, Terminate
from tests.core.worlds import REGION, group, instance, key, request, sight, volume

OTHER = "eu-west-1"
OWNERS = st.sampled_from([("dev", "alice"), ("train", "alice"), ("dev", "bob"), None])


def tags_of(whose, **extra):
    return {"Name": "theirs"} if whose is None else box_tags(*whose, extra)


def whose_is(home, requests):
    of = next((r for r in requests if r.id == home.request_id and NAME_TAG in r.tags), home)
    return (of.tags[NAME_TAG], of.tags[OWNER_TAG]) if NAME_TAG in of.tags else None


@st.composite
def worlds(draw):
    """All of a region, ours and others', also what no query by tag would show: untagged requests."""
    requests, instances, volumes = [], [], []
    for n in range(draw(st.integers(0, 3))):
        state = draw(st.sampled_from([*LIVE, "cancelled", "closed", "failed"]))
        requests.append(request(state, id=f"sir-{n}", instance_id=None, tags=tags_of(draw(OWNERS))))
    for n in range(draw(st.integers(0, 3))):
        taken = {i.request_id for i in instances}  # a persistent request has one instance at a time
        of = draw(st.sampled_from([None, *(r.id for r in requests if r.id not in taken)]))
        state = draw(st.sampled_from(["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]))
        instances.append(instance(state, id=f"i-{n}", request_id=of, tags=tags_of(draw(OWNERS))))
    for n in range(draw(st.integers(0, 4))):
        at = draw(st.sampled_from([None, *(i.id for i in instances)]))
        extra = {"role": draw(st.sampled_from(["root", "data"])), "keep": draw(st.booleans())}
        # EC2 deletes no attached volume: alice's on an instance that stays would only be refused for ever.
        home = next((i for i in instances if i.id == at), None)
        whose = draw(OWNERS if home is None else st.sampled_from([None, ("dev", "bob"), whose_is(home, requests)]))
        tags = tags_of(whose, **{ROLE_TAG: extra["role"]}, **({KEEP_TAG: "true"} if extra["keep"] else {}))
        dies = at is not None and draw(st.booleans())
        volumes.append(volume(id=f"vol-{n}", instance_id=at, delete_on_termination=dies, tags=tags))
    groups = [group(id=f"sg-{n}", tags=tags_of(draw(OWNERS))) for n in range(draw(st.integers(0, 2)))]
    keys = [key(owner) for owner in draw(st.sets(st.sampled_from(["alice", "bob"])))]
    keys += [key("alice", id="key-manual", name="laptop")] if draw(st.booleans()) else []
    region = draw(st.sampled_from([REGION, OTHER]))
    return sight(region, requests=requests, instances=instances, volumes=volumes, groups=groups, keys=keys)


def shown(world):
    """What observe finds of it: requests are found by their tags alone."""
    return replace(world, requests=tuple(r for r in world.requests if NAME_TAG in r.tags))


def carried_out(world, plan):
    """The world after the plan, step by step, as EC2 would leave it; a terminate that relaunches is an error."""
    requests = {r.id: r for r in world.requests}
    instances = {i.id: i for i in world.instances}
    dead = {i.id for i in world.instances if i.state == "terminated"}
    volumes = {v.id: v for v in world.volumes if not (v.delete_on_termination and v.instance_id in dead)}
    groups, keys = {g.id: g for g in world.groups}, {k.id: k for k in world.keys}
    for step in plan:
        match step:
            case Cancel(_, ids):
                for id_ in ids:
                    requests[id_] = replace(requests[id_], state="cancelled")
            case Terminate(_, ids):
                for id_ in ids:
                    of = requests.get(instances[id_].request_id)
                    assert of is None or of.state not in LIVE, f"{id_} would be launched again by {of}"
                    instances[id_] = replace(instances[id_], state="terminated")
                    for v in [v for v in volumes.values() if v.instance_id == id_]:
                        volumes[v.id] = replace(v, instance_id=None, state="available")
                        if v.delete_on_termination:
                            del volumes[v.id]
            case DeleteVolume(_, id_):
                at = volumes[id_].instance_id
                assert at is None or instances[at].state == "terminated", f"{id_} is in use"
                del volumes[id_]
            case KeepVolume(_, id_):
                volumes[id_] = replace(volumes[id_], tags={**volumes[id_].tags, KEEP_TAG: "true"})
            case DeleteGroup(_, id_):
                del groups[id_]
            case DeleteKey(_, id_):
                del keys[id_]
            case _:
                raise AssertionError(f"down has no business with {step}")
    parts = (requests, instances, volumes, groups, keys)
    names = ("requests", "instances", "volumes", "groups", "keys")
    return sight(world.region, **{name: part.values() for name, part in zip(names, parts, strict=True)})


def ours(world, owner, names):
    """Ids that `owner` may remove: by tag, or reached through a request or an instance that has the tags."""
    mine = set()

    def tagged(thing):
        return thing.tags.get(OWNER_TAG) == owner and (names is None or thing.tags.get(NAME_TAG) in names)

    whose = {r.id: r for r in world.requests}
    for i in world.instances:
        of = whose.get(i.request_id)
        by_request = of is not None and NAME_TAG in of.tags
        if tagged(of) if by_request else tagged(i):
            mine.add(i.id)
            if of is not None and not by_request:
                mine.add(of.id)
    mine |= {r.id for r in world.requests if tagged(r)} | {g.id for g in world.groups if tagged(g)}
    mine |= {
        v.id
        for v in world.volumes
        if (tagged(v) if NAME_TAG in v.tags else v.delete_on_termination and v.instance_id in mine)
    }
    return mine | {k.id for k in world.keys if k.tags[OWNER_TAG] == owner and k.name.startswith(f"spotbox-{owner}-")}
