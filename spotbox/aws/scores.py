"""Spot placement scores: how likely a set of instance types is to be had in a zone just now, 1 to 10."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.market import Scores
from spotbox.store import Store

KEPT = timedelta(minutes=15)
LEAST = 3  # types of a set: of fewer "the returned placement score will always be low" (EC2 API Reference)
REGIONS = 10  # in one call
_FILE = "placement-scores"
_LIMIT = "MaxConfigLimitExceededException"


def placement_scores(
    aws: Aws, store: Store, regions: Sequence[str], types: Sequence[str], refresh: bool = False
) -> Scores:
    """The score of the set `types` for one instance, by zone id (EC2 GetSpotPlacementScores).

    A zone that is not there was not among AWS's top ten. AWS counts the sets that are asked about in 24 hours, so the
    answer is kept for 15 minutes and a refusal is not asked again: `remark` says why there are none. ValueError for
    fewer than three types.
    """
    names, places = sorted(set(types)), sorted(set(regions))
    if len(names) < LEAST:
        raise ValueError(f"placement scores need {LEAST} types or more")
    try:
        key = hashlib.sha256(json.dumps([aws.account_mark(), places, names]).encode()).hexdigest()[:32]
        entry = {} if refresh else store.read(_FILE).get(key)
        if isinstance(entry, dict) and (asked := store.moment(entry.get("asked"), KEPT)):
            return Scores(_scores(entry.get("scores")), asked=asked)
        parts = [places[at : at + REGIONS] for at in range(0, len(places), REGIONS)]
        answers = aws.parallel([lambda part=part: _asked(aws, part, names) for part in parts])  # type: ignore[misc]
    except SpotboxError as error:
        return Scores(remark=_why(error))
    found: dict[str, int] = {}
    for answer in answers:
        if not isinstance(answer, SpotboxError):
            found |= answer
    if errors := [answer for answer in answers if isinstance(answer, SpotboxError)]:
        return Scores(found, _why(errors[0]))
    _keep(store, key, found)
    return Scores(found)


def _asked(aws: Aws, regions: Sequence[str], types: Sequence[str]) -> dict[str, int]:
    """The scores of at most ten regions. The call may be made in any region."""
    paginator = aws.client("ec2", regions[0], once=True).get_paginator("get_spot_placement_scores")
    with translating("ec2:GetSpotPlacementScores", regions[0]):
        pages = paginator.paginate(
            InstanceTypes=list(types), TargetCapacity=1, SingleAvailabilityZone=True, RegionNames=list(regions)
        )
        rows = [row for page in pages for row in page.get("SpotPlacementScores", ())]
    return _scores({row.get("AvailabilityZoneId"): row.get("Score") for row in rows})


def _scores(data: object) -> dict[str, int]:
    """What of `data` is a zone id with a score."""
    items = data.items() if isinstance(data, Mapping) else ()
    return {z: n for z, n in items if isinstance(z, str) and isinstance(n, int) and 1 <= n <= 10}


def _keep(store: Store, key: str, found: Mapping[str, int]) -> None:
    entry = {"asked": store.stamp(), "scores": dict(found)}

    def merged(data: dict[str, Any]) -> dict[str, Any]:
        fresh = {k: v for k, v in data.items() if isinstance(v, dict) and store.moment(v.get("asked"), KEPT)}
        return {**fresh, key: entry}

    store.update(_FILE, merged)


def _why(error: SpotboxError) -> str:
    if error.code == _LIMIT:
        return "no placement scores: AWS answers for a limited number of sets of types a day, and that is used up"
    return f"no placement scores: {error.message}"
