"""What AWS's documentation leaves open, asked of AWS itself: each probe notes one answer in the report."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from tests.live.walk import MARK, MOST, NAME, Walk, end_probe

LIVING = ("open", "active", "disabled")


def refusal(call: Any) -> tuple[str, str, dict]:
    """Code and message of a refusal, and the answer where there was none."""
    try:
        return "", "", call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"].get("Message", ""), {}


def raw_launch(walk: Walk, **spot: Any) -> dict:
    """RunInstances, persistent and stop, beside the box: its type, its image, nothing more."""
    box = walk.box
    subnet = walk.client("ec2").describe_instances(InstanceIds=[box["instance_id"]])
    where = subnet["Reservations"][0]["Instances"][0]["SubnetId"]
    options = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop", "MaxPrice": str(MOST), **spot}
    return walk.client("ec2").run_instances(
        ImageId=box["ami"], InstanceType=box["instance_type"], MinCount=1, MaxCount=1, SubnetId=where,
        InstanceMarketOptions={"MarketType": "spot", "SpotOptions": options},
        TagSpecifications=[{"ResourceType": kind, "Tags": [MARK]} for kind in ("instance", "spot-instances-request")],
    )  # fmt: skip


def probe(walk: Walk, **spot: Any) -> tuple[str, str] | None:
    """A raw launch that is noted for removal before anything else; None where AWS refused it (capacity, quota)."""
    code, _, answer = refusal(lambda: raw_launch(walk, **spot))
    if code:
        return None
    (instance,) = answer["Instances"]
    pair = (instance.get("SpotInstanceRequestId", ""), instance["InstanceId"])
    walk.probes.append(pair)
    if not pair[0]:
        walk.report.remarks.append("RunInstances did not tell the Spot request's id in its answer")
    return pair


def marked_requests(walk: Walk) -> list[dict]:
    """The probes' requests that live."""
    by = [{"Name": f"tag:{MARK['Key']}", "Values": [NAME]}]
    found = walk.client("ec2").describe_spot_instance_requests(Filters=by)["SpotInstanceRequests"]
    return [request for request in found if request["State"] in LIVING]


def stray(walk: Walk) -> None:
    """A launch at a price below every Spot price: refused; then is there a request?"""
    code, _, answer = refusal(lambda: raw_launch(walk, MaxPrice="0.0011"))
    if not code:
        (instance,) = answer["Instances"]
        walk.probes.append((instance.get("SpotInstanceRequestId", ""), instance["InstanceId"]))
        return walk.report.saw("stray", "AWS launched at 0.0011 USD/h", None)
    time.sleep(5 * walk.seconds)
    left = marked_requests(walk)
    for request in left:
        walk.probes.append((request["SpotInstanceRequestId"], request.get("InstanceId", "")))
    states = ", ".join(f"{r['State']}/{r['Status']['Code']}" for r in left)
    walk.report.saw("stray", f"refused with {code}; {'left: ' + states if left else 'no request is left'}", True)


def state_filter(walk: Walk) -> None:
    """The box is stopped by its user, so its request is disabled."""
    request = walk.box["request_id"]
    filters = [{"Name": "state", "Values": ["disabled"]}]
    code, text, answer = refusal(lambda: walk.client("ec2").describe_spot_instance_requests(Filters=filters))
    ids = [r["SpotInstanceRequestId"] for r in answer.get("SpotInstanceRequests", ())]
    seen = f"{code}: {text}" if code else "it finds the request" if request in ids else "an answer without the request"
    walk.report.saw("state-filter", seen, True)


def starts(walk: Walk) -> None:
    """Without capacity, and interrupted: AWS does either when it will; only the sandbox does it on demand."""
    for question in ("start-without-capacity", "start-of-interrupted"):
        if question not in walk.report.answers:
            walk.report.saw(question, "it cannot be provoked", None)


def start_in_the_sandbox(walk: Walk) -> None:
    """The box is stopped, and its pool has no capacity."""
    pool = {"type": walk.box["instance_type"], "zone": walk.box["zone"]}
    walk.play("capacity", **pool, state="closed")
    start = walk.client("ec2").start_instances
    code, _, _ = refusal(lambda: start(InstanceIds=[walk.box["instance_id"]]))
    good = code in ("", "InsufficientInstanceCapacity")
    walk.report.saw("start-without-capacity", code or "accepted; the request waits", good)
    walk.play("capacity", **pool, state="open")


def start_of_interrupted(walk: Walk) -> None:
    """The box runs; the sandbox takes it, and its pool is closed so that it does not come back meanwhile."""
    pool, instance = {"type": walk.box["instance_type"], "zone": walk.box["zone"]}, walk.box["instance_id"]
    walk.play("capacity", **pool, state="closed")
    walk.play("interrupt", box=NAME, notice=0)
    ec2 = walk.client("ec2")

    def stopped() -> bool:
        by = [{"Name": "status-code", "Values": ["instance-stopped-no-capacity"]}]
        return bool(ec2.describe_spot_instance_requests(Filters=by)["SpotInstanceRequests"])

    walk.until(stopped, 120)
    code, text, _ = refusal(lambda: ec2.start_instances(InstanceIds=[instance]))
    walk.report.saw("start-of-interrupted", f"{code}: {text}", code == "IncorrectSpotRequestState")
    walk.play("capacity", **pool, state="open")


def instance_of(walk: Walk, request: str, besides: str = "") -> dict | None:
    """The instance that runs on a request, other than `besides`."""
    by = [{"Name": "spot-instance-request-id", "Values": [request]}]
    rows = walk.client("ec2").describe_instances(Filters=by)["Reservations"]
    found = [i for r in rows for i in r["Instances"] if i["InstanceId"] != besides]
    return next((i for i in found if i["State"]["Name"] in ("pending", "running")), None)


def relaunch_tags(walk: Walk) -> None:
    """Terminate without cancel: AWS launches again; does that bear the tags of the first?"""
    made = probe(walk)
    if made is None or not made[0]:
        return walk.report.saw("relaunch-tags", "AWS launched no second instance beside the box", None)
    request, first = made
    walk.until(lambda: (found := instance_of(walk, request)) and found["State"]["Name"] == "running", 180)
    walk.client("ec2").terminate_instances(InstanceIds=[first])
    again = walk.until(lambda: instance_of(walk, request, besides=first), 420)
    time.sleep(5 * walk.seconds)  # tags may show late
    again = instance_of(walk, request, besides=first) or again
    end_probe(walk, *made)
    if not again:
        return walk.report.saw("relaunch-tags", "nothing was launched within 7 minutes", None)
    keys = sorted(tag["Key"] for tag in again.get("Tags", ()))
    seen = f"launched again with the tags {', '.join(keys)}" if keys else "launched again, without tags"
    walk.report.saw("relaunch-tags", seen, MARK["Key"] not in keys)


def valid_until(walk: Walk) -> None:
    """A launch whose request ends in three minutes (of AWS's): what becomes of it, looked at for three more."""
    lasts = timedelta(seconds=3 if walk.sandbox else 180)
    made = probe(walk, ValidUntil=datetime.now(UTC) + lasts)
    if made is None or not made[0]:
        return walk.report.saw("valid-until", "AWS launched no second instance beside the box", None)
    request, instance = made
    time.sleep(lasts.total_seconds())

    def ended() -> dict | None:
        ec2 = walk.client("ec2")
        row = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request])["SpotInstanceRequests"][0]
        return row if row["State"] not in ("open", "active") else None

    row = walk.until(ended, 180)
    (reservation,) = walk.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    state = reservation["Instances"][0]["State"]["Name"]
    told = f"{row['State']}/{row['Status']['Code']}" if row else "still active three minutes later"
    end_probe(walk, *made)
    walk.report.saw("valid-until", f"the request is {told}, the instance {state}", True)


def root_devices(walk: Walk) -> None:
    """Root device, size and login of each alias, as the region has it now."""
    seen, good = [], True
    for alias, name in (("dlami", "ubuntu-24.04"), ("dlami-al2023", "amazon-linux-2023")):
        path = f"/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-{name}/latest/ami-id"
        code, text, answer = refusal(lambda path=path: walk.client("ssm").get_parameter(Name=path))
        if code:
            seen.append(f"{alias}: {code} {text}")
            good = False
            continue
        image = walk.client("ec2").describe_images(ImageIds=[answer["Parameter"]["Value"]])["Images"][0]
        disks = {m["DeviceName"]: m.get("Ebs", {}).get("VolumeSize") for m in image["BlockDeviceMappings"]}
        root = image["RootDeviceName"]
        seen.append(f"{alias}: {root}, {disks.get(root)} GiB, {image['Name']}")
        good = good and disks.get(root) is not None
    walk.report.saw("root-device", "; ".join(seen), good)


def market_option(walk: Walk) -> None:
    """The price list's rows for the box's type, with the filter and without it."""
    kind = walk.box["instance_type"]
    fields = {"instanceType": kind, "regionCode": walk.region, "operatingSystem": "Linux", "preInstalledSw": "NA",
              "tenancy": "Shared", "capacitystatus": "Used", "licenseModel": "No License required"}  # fmt: skip
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    own = {"Type": "TERM_MATCH", "Field": "marketoption", "Value": "OnDemand"}

    def rows(more: list[dict]) -> int:
        pricing = walk.client("pricing", "us-east-1")
        return len(pricing.get_products(ServiceCode="AmazonEC2", Filters=[*filters, *more])["PriceList"])

    with_, without = rows([own]), rows([])
    walk.report.saw("market-option", f"{with_} row(s) with it, {without} without", with_ == 1)


def p6_quota(walk: Walk) -> None:
    """Every Spot quota of EC2 whose name speaks of P instances."""
    pages = walk.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="ec2")
    every = [quota for page in pages for quota in page["Quotas"] if "Spot" in quota["QuotaName"]]
    found = [f"{q['QuotaCode']} {q['QuotaName']}" for q in every if " P" in q["QuotaName"]]
    named = [text for text in found if "P6" in text]
    walk.report.saw("p6-quota", "; ".join(found) or "no Spot quota names P", not named)


def dry_run(walk: Walk) -> None:
    """A dry run of TerminateInstances on nothing that exists."""
    call = walk.client("ec2").terminate_instances
    code, text, _ = refusal(lambda: call(InstanceIds=["i-00000000000000000"], DryRun=True))
    walk.report.saw("dry-run", f"{code}: {text}", True)
