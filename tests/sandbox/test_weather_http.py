"""The weather as a client meets it: faults, broken connections, regions switched off, and answers from the past."""

import threading
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from spotbox.core.errors import UsageError

from .conftest import code_of, until

POOL = {"type": "g5.xlarge", "zone": "us-east-1a"}
IN_POOL = {"Placement": {"AvailabilityZone": "us-east-1a"}}
LAG = 1.5  # seconds


def shown(aws):
    """Ids of the instances, requests and volumes that the Describe calls show."""
    instances = [i["InstanceId"] for r in aws.ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    requests = [r["SpotInstanceRequestId"] for r in aws.ec2.describe_spot_instance_requests()["SpotInstanceRequests"]]
    return instances, requests, [v["VolumeId"] for v in aws.ec2.describe_volumes()["Volumes"]]


def test_a_reset_before_the_work_leaves_nothing(aws):
    """The connection breaks and no instance was made."""
    aws.control("fault", service="ec2", action="RunInstances", code="reset-before")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        aws.launch()
    assert aws.control("status")["boxes"] == []


def test_the_kth_call_fails(aws):
    """`nth` of a fault counts over the wire too."""
    aws.control("fault", service="ec2", code="InternalError", nth=2)
    aws.ec2.describe_vpcs()
    assert code_of(aws.ec2.describe_vpcs)[0] == "InternalError"
    aws.ec2.describe_vpcs()


def test_throttling_and_calm_again(aws):
    """All calls are throttled, in the words of their service, until the weather is cleared."""
    aws.control("weather", throttle=1)
    assert code_of(aws.ec2.describe_vpcs) == ("RequestLimitExceeded", 503)
    assert code_of(aws.client("ssm").get_parameter, Name="/x") == ("ThrottlingException", 400)
    assert code_of(aws.client("sts").get_caller_identity) == ("Throttling", 400)
    quotas = aws.client("service-quotas")
    assert code_of(quotas.list_service_quotas, ServiceCode="ec2") == ("TooManyRequestsException", 429)
    aws.control("weather", clear=True)
    aws.ec2.describe_vpcs()


def test_latency(aws):
    """Every call takes as long as is said."""
    aws.control("weather", latency=0.3)
    begun = time.monotonic()
    aws.ec2.describe_vpcs()
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("given", [{"throttle": 2}, {"rain": 1}, {"regions": ["us-east-9"]}], ids=str)
def test_weather_that_cannot_be(aws, given):
    """A wrong word or figure is refused with a sentence."""
    with pytest.raises(UsageError):
        aws.control("weather", **given)


def test_a_region_is_switched_off(aws):
    """Its calls fail with AuthFailure, and DescribeRegions lists it only where all are asked for."""
    aws.control("region", name="eu-west-1", enabled=False)
    try:
        assert code_of(aws.client("ec2", "eu-west-1").describe_vpcs) == ("AuthFailure", 401)
        assert "eu-west-1" not in {r["RegionName"] for r in aws.ec2.describe_regions()["Regions"]}
        every = aws.ec2.describe_regions(AllRegions=True)["Regions"]
        assert {r["RegionName"]: r["OptInStatus"] for r in every}["eu-west-1"] == "not-opted-in"
    finally:
        aws.control("region", name="eu-west-1", enabled=True)
    aws.client("ec2", "eu-west-1").describe_vpcs()


def test_what_was_just_made_is_not_shown_yet(aws):
    """RunInstances answers at once; each thing appears in its own time, and calls that name it before are refused."""
    old = {id_ for kind in shown(aws) for id_ in kind}  # of the tests before, ended and still listed

    def new():
        return tuple([id_ for id_ in kind if id_ not in old] for kind in shown(aws))

    aws.control("weather", lag=2 * LAG, seed=47)
    with aws.still():
        made = aws.launch()
        assert new() == ([], [], [])
        one = {"InstanceIds": [made["InstanceId"]]}
        assert code_of(aws.ec2.describe_instances, **one)[0] == "InvalidInstanceID.NotFound"
        assert code_of(aws.ec2.terminate_instances, **one)[0] == "InvalidInstanceID.NotFound"
        sir = aws.control("status")["requests"][-1]["id"]
        cancel = aws.ec2.cancel_spot_instance_requests
        assert code_of(cancel, SpotInstanceRequestIds=[sir])[0] == "InvalidSpotInstanceRequestID.NotFound"
    time.sleep(2 * LAG)
    assert [len(kind) for kind in new()] == [1, 1, 1]
    cancel(SpotInstanceRequestIds=[sir])
    aws.ec2.terminate_instances(**one)


def test_groups_and_keys_lag_too(aws):
    """A launch that names a group or key a moment too early is refused; so is a rule for the group."""
    aws.control("weather", lag=LAG, seed=5)
    key = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + b"A" * 43
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.1/32"}]}]
    authorize = aws.ec2.authorize_security_group_ingress
    with aws.still():
        group = aws.ec2.create_security_group(GroupName="late", Description="late")["GroupId"]
        aws.ec2.import_key_pair(KeyName="late", PublicKeyMaterial=key)
        assert code_of(aws.launch, SecurityGroupIds=[group])[0] == "InvalidGroup.NotFound"
        assert code_of(aws.launch, KeyName="late")[0] == "InvalidKeyPair.NotFound"
        assert code_of(authorize, GroupId=group, IpPermissions=rule)[0] == "InvalidGroup.NotFound"
        named = aws.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["late"]}])
        assert named["SecurityGroups"] == []
    try:
        time.sleep(LAG)
        authorize(GroupId=group, IpPermissions=rule)
        assert until(lambda: _rules(aws, group) == 1, LAG)
        aws.ec2.delete_key_pair(KeyName="late")
    finally:
        aws.control("weather", clear=True)
        aws.ec2.delete_security_group(GroupId=group)


def _rules(aws, group):
    return len(aws.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"])


def _booted(aws, instance_id):
    rows = aws.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
    return [row["InstanceStatus"]["Status"] for row in rows] == ["ok"]


def test_the_past_is_shown_for_a_while(aws):
    """A change of state and a tag are shown late."""
    made = aws.launch(InstanceMarketOptions=None)["InstanceId"]
    assert until(lambda: _booted(aws, made))
    aws.control("weather", lag=LAG, seed=19)
    with aws.still():
        aws.ec2.create_tags(Resources=[made], Tags=[{"Key": "mood", "Value": "new"}])
        aws.ec2.stop_instances(InstanceIds=[made])
        first = aws.instance(made)
    assert (first["State"]["Name"], first.get("Tags")) == ("running", None)
    assert until(lambda: aws.state(made) == "stopped" and aws.instance(made).get("Tags"))
    assert aws.control("status")["boxes"][-1]["state"] == "stopped"


def test_nothing_of_the_past_is_left_behind(aws):
    """Reading from a replica changes nothing of what is: filters see its past, the truth comes through whole."""
    made = aws.launch()["InstanceId"]
    sir = until(lambda: aws.instance(made).get("SpotInstanceRequestId"))
    assert until(lambda: _booted(aws, made))
    before = aws.instance(made), aws.request(sir), aws.ec2.describe_volumes()["Volumes"]
    aws.control("weather", lag=LAG, seed=4)
    with aws.still():
        aws.ec2.create_tags(Resources=[made], Tags=[{"Key": "colour", "Value": "new"}])
        by_tag = [{"Name": "tag:colour", "Values": ["new"]}]
        assert aws.ec2.describe_instances(Filters=by_tag)["Reservations"] == []
        shown(aws)
    aws.control("weather", clear=True)
    after = aws.instance(made), aws.request(sir), aws.ec2.describe_volumes()["Volumes"]
    assert after[0].pop("Tags") == [{"Key": "colour", "Value": "new"}]
    before[0].pop("Tags", None)
    assert [after[0], *after[1:]] == [before[0], *before[1:]]


def test_a_held_call_keeps_its_client_waiting(aws):
    """Held before: nothing is done until it is let go, and then it is. Held after: it is done, the answer waits."""
    for when, done in (("before", 0), ("after", 1)):
        aws.control("hold", nth=1, when=when, action="RunInstances")
        client = threading.Thread(target=aws.launch, kwargs={"InstanceMarketOptions": None})
        client.start()
        assert until(lambda: aws.control("held")["held"])
        assert client.is_alive()
        assert len(aws.control("status")["boxes"]) == done
        aws.control("release", drop=False)
        client.join(timeout=60)
        assert not client.is_alive()
        assert len(aws.control("status")["boxes"]) == 1
        aws.clear()


def test_a_dropped_call_never_arrived(aws):
    """By default a call held before its work is lost when it is released."""
    aws.control("hold", action="RunInstances")
    errors = []

    def launch():
        try:
            aws.launch()
        except (ClientError, HTTPClientError, ConnectionClosedError) as error:
            errors.append(type(error).__name__)

    client = threading.Thread(target=launch)
    client.start()
    assert until(lambda: aws.control("held")["held"])
    aws.control("release")
    client.join(timeout=60)
    assert len(errors) == 1
    assert aws.control("status")["boxes"] == []


def test_calls_are_told_in_order(aws):
    """Service, action and region of what came in since the last reset."""
    aws.control("calls", reset=True)
    aws.ec2.describe_vpcs()
    aws.client("sts").get_caller_identity()
    calls = aws.control("calls", reset=True)["calls"]
    assert calls == [["ec2", "DescribeVpcs", "us-east-1"], ["sts", "GetCallerIdentity", "us-east-1"]]
    assert aws.control("calls")["calls"] == []


def test_a_pool_that_closes_takes_its_boxes_and_gives_them_back(aws):
    """With `interrupt` a running box is taken after its notice; the pool's opening brings it back; no start between."""
    made = aws.launch(**IN_POOL)["InstanceId"]
    assert until(lambda: aws.state(made) == "running")
    sir = aws.instance(made)["SpotInstanceRequestId"]
    with aws.still():
        aws.control("capacity", **POOL, state="closed", interrupt=True)
        assert aws.request(sir)["Status"]["Code"] == "marked-for-stop"
    assert until(lambda: aws.request(sir)["Status"]["Code"] == "instance-stopped-no-capacity")
    assert code_of(aws.ec2.start_instances, InstanceIds=[made])[0] == "IncorrectSpotRequestState"
    assert code_of(aws.launch, **IN_POOL)[0] == "InsufficientInstanceCapacity"
    aws.control("capacity", **POOL, state="open")
    assert until(lambda: aws.state(made) == "running")
    assert until(lambda: aws.request(sir)["Status"]["Code"] == "fulfilled")
