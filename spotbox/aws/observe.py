"""Read what is there: everything that carries spotbox's tags, or is reached through a request that does."""

from collections.abc import Callable, Iterable, Sequence
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
    are asked for by its id too (filter spot-instance-request-id), because a relaunched instance has no tags.
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
    """Add what carries no tags: instances of the requests, then volumes of the instances."""
    calls = [
        (s.region, "instances", [{"Name": "spot-instance-request-id", "Values": [r.id for r in s.requests]}])
        for s in sights.values()
        if s.requests
    ]
    found, more = _ask(aws, calls)
    failed |= more
    for (region, _), instances in found.items():
        sights[region] = replace(sights[region], instances=_merge(sights[region].instances, instances))
    calls = [
        (s.region, "volumes", [{"Name": "attachment.instance-id", "Values": sorted(ids)}])
        for s in sights.values()
        if (ids := _bare(s.instances, s.volumes))
    ]
    found, more = _ask(aws, calls)
    failed |= more
    for (region, _), volumes in found.items():
        sights[region] = replace(sights[region], volumes=_merge(sights[region].volumes, volumes))
    return Seen(tuple(sight for region, sight in sights.items() if region not in failed), failed)


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
