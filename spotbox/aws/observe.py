"""Read what is there: everything that carries spotbox's tags, or is reached through a request that does."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from spotbox.aws import parse
from spotbox.aws.session import Aws
from spotbox.core.boxes import Sight
from spotbox.core.errors import SpotboxError
from spotbox.core.names import NAME_TAG, OWNER_TAG
from spotbox.core.records import Instance, Volume
from spotbox.core.states import LIVE


@dataclass(frozen=True)
class Seen:
    """What was observed, and the regions that could not be asked, each with why."""

    sights: tuple[Sight, ...]
    failed: dict[str, SpotboxError] = field(default_factory=dict)


_THROTTLED = {"RequestLimitExceeded", "EC2ThrottledException", "Throttling", "InternalError", "Unavailable"}

# kind -> (operation, key of the answer, parser)
_KINDS: dict[str, tuple[str, str, Callable[[str, Any], Any]]] = {
    "requests": ("describe_spot_instance_requests", "SpotInstanceRequests", parse.request),
    "instances": ("describe_instances", "Reservations", parse.instance),
    "volumes": ("describe_volumes", "Volumes", parse.volume),
    "groups": ("describe_security_groups", "SecurityGroups", parse.group),
    "keys": ("describe_key_pairs", "KeyPairs", parse.key_pair),
}


def observe(
    aws: Aws, regions: Sequence[str], owner: str | None = None, name: str | None = None, full: bool = True
) -> Seen:
    """All of spotbox's in these regions, of one owner and box name or of all.

    `full` adds security groups and key pairs, which only commands that change something need. A request's instances
    are asked for by its id too (filter spot-instance-request-id), because a relaunched instance has no tags; and so is
    a request that an instance names and no query by tag showed.
    """
    kinds = list(_KINDS) if full else ["requests", "instances", "volumes"]
    calls = [(region, kind, tag_filters(kind, owner, name)) for region in regions for kind in kinds]
    found, failed = _ask(aws, calls)
    sights = {r: Sight(r, **{kind: found[r, kind] for kind in kinds}) for r in regions if r not in failed}
    return _complete(aws, sights, failed)


def search(aws: Aws, regions: Sequence[str], owner: str, name: str) -> Seen:
    """As `observe`, in full only where something of the box lives: the search for a name costs two calls a region.

    Requests and volumes find every box: a launch tags both in its call, on demand the volume at least. Elsewhere the
    sights hold the requests that ended there, which the next launch counts.
    """
    kinds = ("requests", "volumes")
    found, failed = _ask(aws, [(region, kind, tag_filters(kind, owner, name)) for region in regions for kind in kinds])
    sights = {r: Sight(r, **{kind: found[r, kind] for kind in kinds}) for r in regions if r not in failed}
    seen = _complete(aws, sights, failed)
    living = [sight.region for sight in seen.sights if _lives(sight)]
    if not living:
        return seen
    full = observe(aws, living, owner, name)
    others = tuple(sight for sight in seen.sights if sight.region not in living)
    return Seen((*others, *full.sights), {**seen.failed, **full.failed})


def _lives(sight: Sight) -> bool:
    return (
        bool(sight.volumes)
        or any(request.state in LIVE for request in sight.requests)
        or any(instance.state != "terminated" for instance in sight.instances)
    )


def tag_filters(kind: str, owner: str | None, name: str | None) -> list[dict[str, Any]]:
    """The filters of a Describe call for what carries spotbox's tags, of one owner and box name or of all."""
    filters = []
    if owner is not None:
        filters.append({"Name": f"tag:{OWNER_TAG}", "Values": [owner]})
    if kind == "keys":  # the owner's, not one box's
        return filters or [{"Name": "tag-key", "Values": [OWNER_TAG]}]
    filters.append({"Name": f"tag:{NAME_TAG}", "Values": [name]} if name else {"Name": "tag-key", "Values": [NAME_TAG]})
    return filters


def _complete(aws: Aws, sights: dict[str, Sight], failed: dict[str, SpotboxError]) -> Seen:
    """Add what carries no tags: instances of the requests, requests that instances name, volumes of the instances."""
    by_request = "spot-instance-request-id"
    _add(aws, sights, failed, "instances", by_request, {r: [q.id for q in s.requests] for r, s in sights.items()})
    # A request that lost its tags, or whose tags AWS does not show, may launch all the same, even when its instance is
    # terminated: then what it launched next has no tags either. Where every request was seen, this costs no call.
    named = {region: _named(sight) for region, sight in sights.items()}
    if _add(aws, sights, failed, "requests", by_request, named):
        there = {r: {q.id for q in s.requests} for r, s in sights.items()}
        more = {r: [id_ for id_ in ids if id_ in there[r]] for r, ids in named.items() if r in there}
        _add(aws, sights, failed, "instances", by_request, more)
    bare = {region: sorted(_bare(sight.instances, sight.volumes)) for region, sight in sights.items()}
    _add(aws, sights, failed, "volumes", "attachment.instance-id", bare)
    return Seen(tuple(sight for region, sight in sights.items() if region not in failed), failed)


def _add(
    aws: Aws,
    sights: dict[str, Sight],
    failed: dict[str, SpotboxError],
    kind: str,
    name: str,
    wanted: Mapping[str, Sequence[str]],
) -> bool:
    """Add to the sights what a filter `name` of the ids wanted by region shows; whether anything was asked for.

    A filter, for an id that AWS does not know (any more) is no error there.
    """
    calls = [(region, kind, [{"Name": name, "Values": list(ids)}]) for region, ids in wanted.items() if ids]
    found, more = _ask(aws, calls)
    failed |= more
    for (region, _), items in found.items():
        both: dict[str, Any] = {kind: _merge(getattr(sights[region], kind), items)}
        sights[region] = replace(sights[region], **both)
    return bool(calls)


def _named(sight: Sight) -> list[str]:
    """The requests that instances name and that were not seen."""
    seen = {request.id for request in sight.requests}
    return sorted({i.request_id for i in sight.instances if i.request_id} - seen)


def _bare(instances: Sequence[Instance], volumes: Sequence[Volume]) -> set[str]:
    """Instances some of whose volumes were not seen yet."""
    seen = {volume.id for volume in volumes}
    return {i.id for i in instances if i.state != "terminated" and not seen.issuperset(i.volume_ids)}


def _merge(first: Iterable[Any], second: Iterable[Any]) -> tuple[Any, ...]:
    by_id = {item.id: item for item in (*first, *second)}
    return tuple(by_id.values())


def _ask(
    aws: Aws, calls: Sequence[tuple[str, str, list[dict[str, Any]]]]
) -> tuple[dict[tuple[str, str], tuple[Any, ...]], dict[str, SpotboxError]]:
    """Every call at once, bounded; (region, kind) -> records, and the regions where a call failed."""
    for region in {region for region, _, _ in calls}:
        aws.client("ec2", region)  # clients are made in this thread; Session is not thread safe
    answers = aws.parallel([partial(describe, aws, *call) for call in calls])
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    failed: dict[str, SpotboxError] = {}
    for (region, kind, _), answer in zip(calls, answers, strict=True):
        if isinstance(answer, SpotboxError):
            failed[region] = answer
        else:
            found[region, kind] = answer
    return found, failed


def describe(aws: Aws, region: str, kind: str, filters: list[dict[str, Any]]) -> tuple[Any, ...]:
    """All pages of one Describe call, as records.

    botocore has made each call several times before it gives up; one that was throttled, or whose connection broke, is
    begun anew once more, for a search asks in every region and one answer that is missing hides a box.
    """
    from spotbox.aws.errors import unknown_outcome

    try:
        return _described(aws, region, kind, filters)
    except SpotboxError as error:
        if error.code not in _THROTTLED and not unknown_outcome(error):
            raise
    return _described(aws, region, kind, filters)


def _described(aws: Aws, region: str, kind: str, filters: list[dict[str, Any]]) -> tuple[Any, ...]:
    from spotbox.aws.errors import translating

    operation, key, parser = _KINDS[kind]
    client = aws.client("ec2", region)
    action = "ec2:" + "".join(word.capitalize() for word in operation.split("_"))
    with translating(action, region):
        if client.can_paginate(operation):
            pages = client.get_paginator(operation).paginate(Filters=filters)
        else:
            pages = [getattr(client, operation)(Filters=filters)]
        items = [item for page in pages for item in page.get(key) or ()]
    if kind == "instances":
        items = [item for reservation in items for item in reservation.get("Instances") or ()]
    return tuple(parser(region, item) for item in items)
