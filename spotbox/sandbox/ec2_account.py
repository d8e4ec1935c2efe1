"""EC2's calls where moto is right but for a detail: tags, security groups, key pairs."""

import re
from ipaddress import ip_network
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from spotbox.sandbox import kms, launch
from spotbox.sandbox.ec2_base import Ec2Base
from spotbox.sandbox.refusals import refusal

# prefix of an id -> the code of AWS for one that is not there
_NOT_FOUND = {
    "i": ("InvalidInstanceID.NotFound", "The instance ID '{id}' does not exist"),
    "vol": ("InvalidVolume.NotFound", "The volume '{id}' does not exist."),
    "sir": ("InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID '{id}' does not exist"),
    "sg": ("InvalidGroup.NotFound", "The security group '{id}' does not exist"),
    "eni": ("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{id}' does not exist"),
    "key": ("InvalidKeyPair.NotFound", "The key pair ID '{id}' does not exist"),
    "snap": ("InvalidSnapshot.NotFound", "The snapshot '{id}' does not exist."),
    "ami": ("InvalidAMIID.NotFound", "The image id '[{id}]' does not exist"),
    "subnet": ("InvalidSubnetID.NotFound", "The subnet ID '{id}' does not exist"),
    "vpc": ("InvalidVpcID.NotFound", "The vpc ID '{id}' does not exist"),
}


class Account(Ec2Base):
    """CreateTags, security groups, key pairs by id, the default key of EBS."""

    # Tags

    def _exists(self, resource_id: str) -> bool:
        backend, kind = self.ec2_backend, resource_id.split("-")[0]
        if kind == "i":
            box = self.world.life.boxes.get(resource_id)
            return bool(box and box.region == self.region)
        if kind == "sir":
            request = self.world.spot.requests.get(resource_id)
            return bool(request and request.region == self.region)
        homes: dict[str, Any] = {
            "vol": backend.volumes,
            "eni": backend.enis,
            "snap": backend.snapshots,
            "ami": backend.amis,
            "vpc": backend.vpcs,
            "key": {pair.id for pair in backend.key_pairs.values()},
            "sg": {group for groups in backend.groups.values() for group in groups},
            "subnet": {subnet for zone in backend.subnets.values() for subnet in zone},
        }
        return kind not in homes or resource_id in homes[kind]

    def create_tags(self) -> EmptyResult:
        ids = self.params.get("Resources") or []
        for resource_id in ids:
            if not re.fullmatch(r"[a-z-]+-[0-9a-z]+", resource_id):
                raise refusal("InvalidID", f"The ID '{resource_id}' is not valid")
            if not self._exists(resource_id):
                code, text = _NOT_FOUND[resource_id.split("-")[0]]
                raise refusal(code, text.format(id=resource_id))
        pairs = launch.plain_tags(self.params.get("Tags") or [])
        self.error_on_dryrun()
        self.ec2_backend.create_tags(ids, pairs)
        return EmptyResult()

    # Security groups

    def authorize_security_group_ingress(self) -> Any:
        """EC2 keeps a CIDR in canonical form: 100.68.0.18/18 becomes 100.68.0.0/18 (API reference)."""
        for permission in self.params.get("IpPermissions") or []:
            for field, ranges in (("CidrIp", "IpRanges"), ("CidrIpv6", "Ipv6Ranges")):
                for given in permission.get(ranges) or []:
                    try:
                        given[field] = str(ip_network(given.get(field) or "", strict=False))
                    except ValueError:
                        text = f"CIDR block {given.get(field)} is malformed"
                        raise refusal("InvalidParameterValue", text) from None
        return super().authorize_security_group_ingress()

    def delete_security_group(self) -> Any:
        group_id = self.params.get("GroupId")
        if not group_id and self.params.get("GroupName"):
            group = self.ec2_backend.get_security_group_from_name(self.params["GroupName"])
            group_id = group.id if group else None
        group = self.ec2_backend.get_security_group_from_id(group_id) if group_id else None
        if group is None:
            raise refusal("InvalidGroup.NotFound", id=group_id or self.params.get("GroupName"))
        if group.name == "default":
            text = f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
            raise refusal("CannotDelete", text)
        self.error_on_dryrun()
        # "in use" is: a network interface has it, also one of a stopped instance (API reference, DependencyViolation)
        if any(group_id in {g.id for g in eni.group_set} for eni in self.ec2_backend.enis.values()):
            raise refusal("DependencyViolation", f"resource {group_id} has a dependent object")
        self.ec2_backend.delete_security_group(group_id=group_id)
        self.ec2_backend.tags.pop(group_id, None)
        return ActionResult({"Return": True, "GroupId": group_id})

    # The default key for disks

    def get_ebs_default_kms_key_id(self) -> Any:
        key = self.ec2_backend.__dict__.get("own_disk_key") or kms.AWS_KEY
        return ActionResult({"KmsKeyId": key})

    def modify_ebs_default_kms_key_id(self) -> Any:
        """The key must be there; EC2 does not look whether anybody may use it."""
        found = kms.describe_key(self.world, self.region, {"KeyId": self.params.get("KmsKeyId")})
        self.ec2_backend.own_disk_key = found["KeyMetadata"]["Arn"]
        return self.get_ebs_default_kms_key_id()

    def reset_ebs_default_kms_key_id(self) -> Any:
        self.ec2_backend.own_disk_key = kms.AWS_KEY
        return self.get_ebs_default_kms_key_id()

    # Key pairs

    def _pair(self, pair_id: str) -> str:
        for name, pair in self.ec2_backend.key_pairs.items():
            if pair.id == pair_id:
                return name
        raise refusal("InvalidKeyPair.NotFound", f"The key pair ID '{pair_id}' does not exist")

    def describe_key_pairs(self) -> Any:
        for name in self.params.get("KeyNames") or []:
            self.check_key(name)
        by_id = [self._pair(i) for i in self.params.get("KeyPairIds") or []]
        if by_id:
            self.params["KeyNames"] = [*(self.params.get("KeyNames") or []), *by_id]
        return super().describe_key_pairs()

    def delete_key_pair(self) -> Any:
        pair_id = self.params.get("KeyPairId")
        if pair_id:
            self.params["KeyName"] = self._pair(pair_id)
        pair = self.ec2_backend.key_pairs.get(self.params.get("KeyName"))
        answer = super().delete_key_pair()
        if pair:
            self.ec2_backend.tags.pop(pair.id, None)
        return answer
