"""What AWS has written down, over HTTP (CloudTrail's event history, Cost Explorer), and time that stands still."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from .conftest import code_of, until


def events(aws, key="ResourceName", value=None, **more):
    """The events of an attribute, newest first, with their records."""
    page = aws.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}], **more
    )
    return [(event["EventName"], json.loads(event["CloudTrailEvent"])) for event in page["Events"]]


def test_the_event_history_of_an_instance(aws):
    """Calls by the instance with the state before them, refused ones with their code; an interruption by its name."""
    made, _ = aws.booted()
    aws.stop(made)
    with pytest.raises(ClientError):
        aws.ec2.start_instances(InstanceIds=[made, "i-00000000000000000"])
    aws.ec2.start_instances(InstanceIds=[made])
    assert until(lambda: aws.state(made) == "running")
    aws.control("interrupt", box=made, notice=0)
    assert until(lambda: aws.state(made) == "stopped")
    found = events(aws, value=made)
    assert [name for name, _ in found] == ["StartInstances", "StartInstances", "StopInstances", "RunInstances"]
    assert [record.get("errorCode") for _, record in found] == [None, "Client.InvalidInstanceID.NotFound", None, None]
    (item,) = found[2][1]["responseElements"]["instancesSet"]["items"]
    assert (item["instanceId"], item["previousState"]["name"]) == (made, "running")
    (evicted,) = [r for _, r in events(aws, "EventName", "BidEvictedEvent") if made in str(r)]
    assert evicted["serviceEventDetails"] == {"instanceIdSet": [made]}
    assert "requestParameters" not in evicted
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert events(aws, value=made, StartTime=later) == []
    assert events(aws, value="i-0") == []


def test_pages_and_refusals(aws):
    """Pages of at most 50, a token to go on with; two attributes, and a time turned round, are refused."""
    made = aws.launch()["InstanceId"]
    for _ in range(3):
        aws.ec2.terminate_instances(InstanceIds=[made])
    trail = aws.client("cloudtrail")
    wanted = [{"AttributeKey": "ResourceName", "AttributeValue": made}]
    pages = trail.get_paginator("lookup_events").paginate(LookupAttributes=wanted, PaginationConfig={"PageSize": 3})
    assert [len(page["Events"]) for page in pages] == [3, 1]
    assert code_of(trail.lookup_events, MaxResults=51)[0] == "InvalidMaxResultsException"
    assert code_of(trail.lookup_events, LookupAttributes=wanted * 2)[0] == "InvalidLookupAttributesException"
    now = datetime.now(UTC)
    turned = code_of(trail.lookup_events, StartTime=now, EndTime=now - timedelta(days=1))
    assert turned[0] == "InvalidTimeRangeException"


def test_cost_explorer(aws):
    """No tag is activated at first; once one is, figures come by it, an owner's alone where that is asked for."""
    ce = aws.client("ce")
    keys = ["spotbox:name", "spotbox:owner"]
    assert ce.list_cost_allocation_tags(Status="Active", TagKeys=keys)["CostAllocationTags"] == []
    today = datetime.now(UTC).date()
    asked = {
        "TimePeriod": {"Start": str(today - timedelta(days=5)), "End": str(today + timedelta(days=1))},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "TAG", "Key": "spotbox:name"}],
    }
    (row,) = ce.get_cost_and_usage(**asked)["ResultsByTime"]
    assert [group["Keys"] for group in row["Groups"]] == [["spotbox:name$"]]
    aws.control("bill", name="dev", owner="alice", usd="12.50")
    aws.control("bill", name="dev", owner="bob", usd="1")
    active = ce.list_cost_allocation_tags(Status="Active", TagKeys=keys)["CostAllocationTags"]
    assert [tag["TagKey"] for tag in active] == keys
    mine = {"Tags": {"Key": "spotbox:owner", "Values": ["alice"]}}
    for given, usd in ((None, "13.50"), (mine, "12.50"), ({"And": [mine, {"Not": mine}]}, "12.50")):
        (row,) = ce.get_cost_and_usage(**asked, **({"Filter": given} if given else {}))["ResultsByTime"]
        (group,) = row["Groups"]
        assert (group["Keys"], group["Metrics"]["UnblendedCost"]["Amount"]) == (["spotbox:name$dev"], usd)
    status = [{"TagKey": key, "Status": "Inactive"} for key in keys]
    ce.update_cost_allocation_tags_status(CostAllocationTagsStatus=status)
    assert ce.list_cost_allocation_tags(Status="Active", TagKeys=keys)["CostAllocationTags"] == []
    assert code_of(aws.client("ce", "eu-west-1").list_cost_allocation_tags)[0] == "UnrecognizedClientException"


def test_time_stands_still(aws):
    """While it does, what takes a moment is not over; afterwards all that was due is done, in order."""
    with aws.still():
        made = aws.launch()["InstanceId"]
        time.sleep(0.6)  # three times as long as it takes to run
        assert aws.state(made) == "pending"
    assert until(lambda: aws.state(made) == "running")
