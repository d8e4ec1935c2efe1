"""What an audit sees: all of spotbox's in a region, its snapshots, and instances that bear only spotbox's traces."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from spotbox.aws import parse
from spotbox.aws.errors import translating
from spotbox.aws.imaging import images
from spotbox.aws.observe import describe, observe
from spotbox.aws.session import Aws
from spotbox.core.boxes import Sight
from spotbox.core.errors import SpotboxError
from spotbox.core.findings import Survey, bears_traces
from spotbox.core.names import OWNER_TAG, key_name
from spotbox.core.records import Instance, Request, Snapshot, Volume


@dataclass(frozen=True)
class Surveyed:
    """What was seen by region, and the regions that could not be asked, each with why."""

    surveys: tuple[Survey, ...]
    failed: dict[str, SpotboxError] = field(default_factory=dict)


def survey(aws: Aws, regions: Sequence[str], owner: str | None) -> Surveyed:
    """Everything of this owner (None: of everyone) in these regions, all at once; three calls more than observe's.

    A region where any call fails has failed as a whole: half of it would look like all.
    """
    seen = observe(aws, regions, owner)
    calls = [partial(_beyond, aws, sight, owner) for sight in seen.sights]
    answers = aws.parallel(calls)
    failed, surveys = dict(seen.failed), []
    for sight, answer in zip(seen.sights, answers, strict=True):
        if isinstance(answer, SpotboxError):
            failed[sight.region] = answer
        else:
            surveys.append(answer)
    return Surveyed(tuple(surveys), failed)


def traces(aws: Aws, sights: Sequence[Sight], owner: str) -> Surveyed:
    """As `survey`, for what was observed already, and without snapshots."""
    answers = aws.parallel([partial(_traced, aws, sight, owner) for sight in sights])
    failed = {s.region: a for s, a in zip(sights, answers, strict=True) if isinstance(a, SpotboxError)}
    return Surveyed(tuple(a for a in answers if not isinstance(a, SpotboxError)), failed)


def _beyond(aws: Aws, sight: Sight, owner: str | None) -> Survey:
    traced = _traced(aws, sight, owner)
    return replace(traced, snapshots=_snapshots(aws, sight.region, owner), images=images(aws, sight.region, owner))


def _traced(aws: Aws, sight: Sight, owner: str | None) -> Survey:
    """Instances with the owner's key pair or in one of these groups, the requests behind all, and the disks of those.

    Key names are asked for with a wildcard (EC2 API Reference, "Resource filters"); `owner` of one name may be the
    beginning of another's, so that what comes back is looked at once more.
    """
    region, known = sight.region, {i.id for i in sight.instances}
    asked = [("key-name", [_literal(key_name(owner, "")) + "*" if owner else "spotbox-*"])]
    if sight.groups:
        asked.append(("instance.group-id", [group.id for group in sight.groups]))
    found = [i for name, ids in asked for i in _described(aws, region, "instances", name, ids)]
    bare = {i.id: i for i in found if i.id not in known and bears_traces(i, sight, owner)}
    requests = _requests_of(aws, sight, [*bare.values(), *sight.instances])
    full = replace(sight, requests=(*sight.requests, *requests))
    # A request that carries somebody's tags makes its instance somebody's, whatever key it has.
    whose = {r.id for r in full.requests if OWNER_TAG in r.tags}
    traced = tuple(i for i in bare.values() if i.request_id not in whose)
    disks: tuple[Volume, ...] = ()
    if traced:
        disks = _described(aws, region, "volumes", "attachment.instance-id", [i.id for i in traced])
    return Survey(full, (), traced, disks)


def _literal(text: str) -> str:
    """Text in a filter value, where * and ? are wildcards and a backslash takes their meaning away."""
    return "".join(f"\\{char}" if char in "\\*?" else char for char in text)


def _requests_of(aws: Aws, sight: Sight, instances: Sequence[Instance]) -> tuple[Request, ...]:
    """The requests that these instances name and that no query by tag showed: others', or such as lost their tags."""
    shown = {r.id for r in sight.requests}
    ids = {i.request_id for i in instances if i.request_id and i.state != "terminated"} - shown
    return _described(aws, sight.region, "requests", "spot-instance-request-id", sorted(ids)) if ids else ()


def _described(aws: Aws, region: str, kind: str, name: str, ids: Sequence[str]) -> tuple[Any, ...]:
    return describe(aws, region, kind, [{"Name": name, "Values": list(ids)}])


def _snapshots(aws: Aws, region: str, owner: str | None) -> tuple[Snapshot, ...]:
    """The account's own snapshots with this owner's tag (None: with anybody's)."""
    tag = {"Name": f"tag:{OWNER_TAG}", "Values": [owner]} if owner else {"Name": "tag-key", "Values": [OWNER_TAG]}
    with translating("ec2:DescribeSnapshots", region):
        pages = aws.client("ec2", region).get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=[tag])
        return tuple(parse.snapshot(region, item) for page in pages for item in page.get("Snapshots") or ())
