"""One sandbox for the tests that speak HTTP to it, at a fifth of its usual pace."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from spotbox.sandbox import process
from spotbox.sandbox.images import IMAGES

from .fakes import Stage

PACE = 0.2
PERSISTENT = {
    "MarketType": "spot",
    "SpotOptions": {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"},
}
ROOT = {"DeviceName": "/dev/sda1"}
TAGS = [{"Key": "spotbox:name", "Value": "dev"}]


class Aws:
    """boto3 against the sandbox, with its control at hand."""

    def __init__(self, endpoint: process.Endpoint, home: Path | None = None):
        self.endpoint = endpoint
        self.home = home or Path()
        self.session = boto3.Session("AKIATEST", "secret", region_name="us-east-1")
        self.ec2 = self.client("ec2")

    def client(self, name: str, region: str = "us-east-1", **config: Any) -> Any:
        """A client that asks once."""
        once = Config(retries={"total_max_attempts": 1}, **config)
        return self.session.client(name, endpoint_url=self.endpoint.url, region_name=region, config=once)

    def control(self, verb: str, **args: Any) -> dict[str, Any]:
        """A control verb."""
        return process.call(self.endpoint, verb, **args)

    @contextmanager
    def still(self) -> Iterator[None]:
        """The sandbox's time stands still: what lasts a moment lasts, however slow the machine is."""
        self.control("still", on=True)
        try:
            yield
        finally:
            self.control("still", on=False)

    def launch(self, **more: Any) -> dict[str, Any]:
        """RunInstances with Spot options, unless told otherwise; gives the instance."""
        asked = {
            "ImageId": IMAGES[0].id_in("us-east-1"),
            "InstanceType": "g5.xlarge",
            "MinCount": 1,
            "MaxCount": 1,
            "InstanceMarketOptions": PERSISTENT,
            **more,
        }
        return self.ec2.run_instances(**{k: v for k, v in asked.items() if v is not None})["Instances"][0]

    def instance(self, instance_id: str) -> dict[str, Any]:
        """One instance as DescribeInstances shows it."""
        return self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]

    def request(self, request_id: str) -> dict[str, Any]:
        """One Spot request as DescribeSpotInstanceRequests shows it."""
        found = self.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])
        return found["SpotInstanceRequests"][0]

    def state(self, instance_id: str) -> str:
        """The state of an instance."""
        return self.instance(instance_id)["State"]["Name"]

    def clear(self) -> None:
        """Leave nothing for the next test."""
        self.control("fault", clear=True)
        self.control("weather", clear=True)
        self.control("release")
        live = [r for r in self.control("status")["requests"] if r["state"] in ("open", "active", "disabled")]
        for request in live:
            self.client("ec2", request["region"]).cancel_spot_instance_requests(SpotInstanceRequestIds=[request["id"]])
        for box in self.control("status")["boxes"]:
            self.client("ec2", box["region"]).terminate_instances(InstanceIds=[box["id"]])
        for pool in self.control("status")["closed"]:
            self.control("capacity", type=pool["type"], zone=pool["zone"], state="open")
        assert until(lambda: self.control("status")["boxes"] == [])

    def booted(self, **more: Any) -> tuple[str, Path]:
        """An instance that has booted, and the folder of its box."""
        made = self.launch(**more)["InstanceId"]
        assert until(lambda: self.status(made) == "ok")
        return made, self.home / "boxes" / made

    def status(self, instance_id: str) -> str:
        """The instance's status check; empty while it does not run."""
        found = self.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
        return found[0]["InstanceStatus"]["Status"] if found else ""

    def stop(self, instance_id: str) -> None:
        """Stop an instance, and wait until its request shows it too."""
        self.ec2.stop_instances(InstanceIds=[instance_id])
        request = self.instance(instance_id)["SpotInstanceRequestId"]
        assert until(lambda: self.request(request)["State"] == "disabled")

    def clear_disks(self, *regions: str) -> None:
        """Leave no image, snapshot or free volume."""
        for region in regions:
            ec2 = self.client("ec2", region)
            for image in ec2.describe_images(Owners=["self"])["Images"]:
                ec2.deregister_image(ImageId=image["ImageId"])
            for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
                ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
            for volume in ec2.describe_volumes()["Volumes"]:
                ec2.delete_volume(VolumeId=volume["VolumeId"])


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """What `look` gives once it gives anything, or what it gave last, which was after that time."""
    end = time.monotonic() + seconds
    while True:
        late = time.monotonic() > end
        found = look()
        if found or late:
            return found
        time.sleep(0.05)


def code_of(call: Callable[..., Any], **asked: Any) -> tuple[str, int]:
    """AWS's code and HTTP status of a call that is to fail."""
    with pytest.raises(ClientError) as refused:
        call(**asked)
    return refused.value.response["Error"]["Code"], refused.value.response["ResponseMetadata"]["HTTPStatusCode"]


def refuses_what_is_young(aws: Aws, call: Callable[..., Any], zone: str, **asked: Any) -> bool:
    """Whether a call on a volume made a moment before gets IncorrectState; a slow machine takes more than one try."""
    for _ in range(20):
        volume = aws.ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
        try:
            call(VolumeId=volume, **asked)
        except ClientError as refused:
            if refused.response["Error"]["Code"] == "IncorrectState":
                return True
    return False


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory):
    """A sandbox of the test session's own."""
    home: Path = tmp_path_factory.mktemp("home of a sandbox") / "sandbox"
    before = os.environ.get("SPOTBOX_SANDBOX_PACE")
    os.environ["SPOTBOX_SANDBOX_PACE"] = str(PACE)
    endpoint = process.ensure(home)
    yield Aws(endpoint, home)
    process.stop(home)
    if before is None:
        del os.environ["SPOTBOX_SANDBOX_PACE"]
    else:
        os.environ["SPOTBOX_SANDBOX_PACE"] = before


@pytest.fixture
def aws(sandbox: Aws):
    """The sandbox, cleared after the test."""
    yield sandbox
    sandbox.clear()


@pytest.fixture
def disks(aws: Aws):
    """The sandbox; no image, snapshot or volume is left behind."""
    yield aws
    aws.clear()
    aws.clear_disks("us-east-1", "eu-west-1")


def default_subnet(aws, zone):
    """The default subnet of a zone, as AWS describes it."""
    return aws.ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [zone]}])["Subnets"][0]


@pytest.fixture
def stage():
    """The world without moto or HTTP."""
    return Stage()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """SSH servers of boxes, shared by a module."""
    from tests.sandbox.boxkit import Lab

    lab = Lab(tmp_path_factory.mktemp("boxes"))
    yield lab
    lab.stop()
