"""An independent client: boto3 and the exported variables alone. It knows nothing of spotbox, tags included."""

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config

LIVE_REQUEST = ("open", "active", "disabled")  # may be cancelled, and may launch (EC2 User Guide, spot-requests)


class Independent:
    """Everything that is left in an account, in every region that it has enabled."""

    def __init__(self, variables: dict[str, str]):
        self._variables = variables
        self._session = boto3.Session()
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str = "ec2", region: str = "us-east-1") -> Any:
        """A client with the exported endpoint and keys."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self._session.client(
                service,
                region_name=region,
                endpoint_url=self._variables["AWS_ENDPOINT_URL"],
                aws_access_key_id=self._variables["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self._variables["AWS_SECRET_ACCESS_KEY"],
                config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
            )
        return self._clients[service, region]

    def regions(self) -> list[str]:
        """The regions that the account has enabled."""
        return [region["RegionName"] for region in self.client().describe_regions()["Regions"]]

    def requests(self, region: str) -> list[dict[str, Any]]:
        """The Spot requests that may launch or hold an instance."""
        rows = self.client("ec2", region).describe_spot_instance_requests()["SpotInstanceRequests"]
        return [row for row in rows if row["State"] in LIVE_REQUEST]

    def instances(self, region: str) -> list[dict[str, Any]]:
        """The instances that are not gone."""
        reservations = self.client("ec2", region).describe_instances()["Reservations"]
        rows = [instance for reservation in reservations for instance in reservation["Instances"]]
        return [row for row in rows if row["State"]["Name"] != "terminated"]

    def left(self) -> list[str]:
        """What is left, one line each: requests, instances, volumes, groups, keys, snapshots, addresses."""
        return [f"{region}: {what}" for region in self.regions() for what in self._left_in(region)]

    def _left_in(self, region: str) -> Iterator[str]:
        ec2 = self.client("ec2", region)
        for row in self.requests(region):
            yield f"request {row['SpotInstanceRequestId']} {row['State']} {row['Status']['Code']}"
        for row in self.instances(region):
            yield f"instance {row['InstanceId']} {row['State']['Name']}"
        for row in ec2.describe_volumes()["Volumes"]:
            yield f"volume {row['VolumeId']} {row['State']}"
        for row in ec2.describe_security_groups()["SecurityGroups"]:
            if row["GroupName"] != "default":
                yield f"group {row['GroupId']} {row['GroupName']}"
        for row in ec2.describe_key_pairs()["KeyPairs"]:
            yield f"key {row['KeyName']}"
        for row in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
            yield f"snapshot {row['SnapshotId']}"
        for row in ec2.describe_images(Owners=["self"])["Images"]:
            yield f"image {row['ImageId']} {row['State']}"
        for row in ec2.describe_addresses()["Addresses"]:
            yield f"address {row['PublicIp']}"

    def boxes(self) -> tuple[int, int]:
        """How many live requests and instances there are, over all regions."""
        regions = self.regions()
        return sum(len(self.requests(r)) for r in regions), sum(len(self.instances(r)) for r in regions)

    def sweep(self) -> None:
        """Remove everything, by its own hands: the next test begins with nothing, whatever went wrong in this one."""
        for region in self.regions():
            ec2 = self.client("ec2", region)
            ids = [row["SpotInstanceRequestId"] for row in self.requests(region)]
            if ids:
                ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=ids)
            ids = [row["InstanceId"] for row in self.instances(region)]
            if ids:
                ec2.terminate_instances(InstanceIds=ids)
                ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
            for row in ec2.describe_volumes()["Volumes"]:
                ec2.delete_volume(VolumeId=row["VolumeId"])
            for row in ec2.describe_security_groups()["SecurityGroups"]:
                if row["GroupName"] != "default":
                    ec2.delete_security_group(GroupId=row["GroupId"])
            for row in ec2.describe_images(Owners=["self"])["Images"]:
                ec2.deregister_image(ImageId=row["ImageId"])
            for row in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
                ec2.delete_snapshot(SnapshotId=row["SnapshotId"])
            for row in ec2.describe_key_pairs()["KeyPairs"]:
                ec2.delete_key_pair(KeyName=row["KeyName"])
