"""Instances and Spot requests as EC2 shows them, and the filters that its Describe calls know."""

from typing import Any

from spotbox.sandbox.bodies import aware
from spotbox.sandbox.launch import Launch
from spotbox.sandbox.records import STATE_CODES, Box, Request

INSTANCE_FILTERS = {
    "architecture": "Architecture",
    "availability-zone": "Placement.AvailabilityZone",
    "block-device-mapping.delete-on-termination": "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
    "block-device-mapping.volume-id": "BlockDeviceMappings.Ebs.VolumeId",
    "client-token": "ClientToken",
    "dns-name": "PublicDnsName",
    "group-id": "SecurityGroups.GroupId",
    "group-name": "SecurityGroups.GroupName",
    "image-id": "ImageId",
    "instance-id": "InstanceId",
    "instance-lifecycle": "InstanceLifecycle",
    "instance-state-code": "State.Code",
    "instance-state-name": "State.Name",
    "instance-type": "InstanceType",
    "instance.group-id": "SecurityGroups.GroupId",
    "instance.group-name": "SecurityGroups.GroupName",
    "ip-address": "PublicIpAddress",
    "key-name": "KeyName",
    "launch-time": "LaunchTime",
    "metadata-options.http-tokens": "MetadataOptions.HttpTokens",
    "network-interface.network-interface-id": "NetworkInterfaces.NetworkInterfaceId",
    "private-dns-name": "PrivateDnsName",
    "private-ip-address": "PrivateIpAddress",
    "reason": "StateTransitionReason",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "spot-instance-request-id": "SpotInstanceRequestId",
    "state-reason-code": "StateReason.Code",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}
STATUS_FILTERS = {
    "availability-zone": "AvailabilityZone",
    "instance-state-code": "InstanceState.Code",
    "instance-state-name": "InstanceState.Name",
    "instance-status.status": "InstanceStatus.Status",
    "system-status.status": "SystemStatus.Status",
}
REQUEST_FILTERS = {
    "availability-zone-group": "AvailabilityZoneGroup",
    "create-time": "CreateTime",
    "fault-code": "Fault.Code",
    "instance-id": "InstanceId",
    "launch.group-id": "LaunchSpecification.SecurityGroups.GroupId",
    "launch.image-id": "LaunchSpecification.ImageId",
    "launch.instance-type": "LaunchSpecification.InstanceType",
    "launch.key-name": "LaunchSpecification.KeyName",
    "launched-availability-zone": "LaunchedAvailabilityZone",
    "product-description": "ProductDescription",
    "spot-instance-request-id": "SpotInstanceRequestId",
    "spot-price": "SpotPrice",
    "state": "State",
    "status-code": "Status.Code",
    "status-message": "Status.Message",
    "type": "Type",
    "valid-from": "ValidFrom",
    "valid-until": "ValidUntil",
}


def tag_list(resource: Any) -> list[dict[str, str]]:
    """A resource's tags as EC2 lists them."""
    return [{"Key": key, "Value": value} for key, value in resource.ec2_backend.tags.get(resource.id, {}).items()]


def instance(box: Box, body: Any) -> dict[str, Any]:
    """One instance as DescribeInstances shows it; what is absent at AWS is absent here."""
    gone = box.state == "terminated"
    row = {
        "InstanceId": box.id,
        "ImageId": body.image_id,
        "InstanceType": box.instance_type,
        "State": {"Code": STATE_CODES[box.state], "Name": box.state},
        "StateReason": {"Code": box.reason[0], "Message": box.reason[1]} if box.reason else None,
        "StateTransitionReason": box.transition,
        "LaunchTime": box.launched,
        "AmiLaunchIndex": body.ami_launch_index,
        "ClientToken": body.client_token,
        "Architecture": body.architecture,
        "InstanceLifecycle": "spot" if box.spot else None,
        "SpotInstanceRequestId": box.request_id,
        "KeyName": body.key_name,
        "Placement": {"AvailabilityZone": box.zone, "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": body.monitoring_state},
        "EbsOptimized": body.ebs_optimized,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "PlatformDetails": "Linux/UNIX",
        "RootDeviceType": "ebs",
        "RootDeviceName": body.root_device_name,
        "BlockDeviceMappings": _devices(body),
        "MetadataOptions": _metadata(body.metadata_options),
        "Tags": tag_list(body),
        "PublicDnsName": "",
        "PrivateDnsName": "",
    }
    if not gone:
        row.update(_network(body))
    return {k: v for k, v in row.items() if v is not None}


def _devices(body: Any) -> list[dict[str, Any]]:
    return [
        {
            "DeviceName": device,
            "Ebs": {
                "VolumeId": disk.volume_id,
                "Status": _attachment(body, disk.volume_id),
                "DeleteOnTermination": bool(disk.delete_on_termination),
                "AttachTime": aware(disk.attach_time),
            },
        }
        for device, disk in body.block_device_mapping.items()
    ]


def _attachment(body: Any, volume_id: str) -> str:
    volume = body.ec2_backend.volumes.get(volume_id)
    return volume.attachment.status if volume and volume.attachment else "attached"


def _metadata(options: Any) -> dict[str, Any]:
    return {
        "State": options.state,
        "HttpTokens": options.http_tokens,
        "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
        "HttpEndpoint": options.http_endpoint,
        "HttpProtocolIpv6": options.http_protocol_ipv6,
        "InstanceMetadataTags": options.instance_metadata_tags,
    }


def _network(body: Any) -> dict[str, Any]:
    interface = body.nics[0]
    groups = [{"GroupId": g.id, "GroupName": g.name} for g in body.security_groups]
    address, region = interface.public_ip, body.region_name
    private_domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    public_domain = "compute-1.amazonaws.com" if region == "us-east-1" else f"{region}.compute.amazonaws.com"
    private_name = f"ip-{interface.private_ip_address.replace('.', '-')}.{private_domain}"
    public_name = f"ec2-{address.replace('.', '-')}.{public_domain}" if address else ""
    association = {"PublicIp": address, "PublicDnsName": public_name, "IpOwnerId": "amazon"} if address else None
    card = {
        "NetworkInterfaceId": interface.id,
        "SubnetId": interface.subnet.id,
        "VpcId": interface.subnet.vpc_id,
        "OwnerId": body.owner_id,
        "Status": "in-use",
        "MacAddress": interface.mac_address,
        "PrivateIpAddress": interface.private_ip_address,
        "PrivateDnsName": private_name,
        "SourceDestCheck": body.source_dest_check,
        "Groups": groups,
        "Association": association,
        "Attachment": {
            "AttachmentId": interface.attachment_id,
            "DeviceIndex": 0,
            "DeleteOnTermination": bool(interface.delete_on_termination),
            "Status": "attached",
        },
    }
    return {
        "SubnetId": interface.subnet.id,
        "VpcId": interface.subnet.vpc_id,
        "PrivateIpAddress": interface.private_ip_address,
        "PrivateDnsName": private_name,
        "PublicIpAddress": address,
        "PublicDnsName": public_name,
        "SecurityGroups": groups,
        "SourceDestCheck": body.source_dest_check,
        "NetworkInterfaces": [{k: v for k, v in card.items() if v is not None}],
        "IamInstanceProfile": _profile(body),
    }


def _profile(body: Any) -> dict[str, str] | None:
    held = body.ec2_backend.iam_instance_profile_associations.get(body.id)
    return {"Arn": held.iam_instance_profile.arn, "Id": held.iam_instance_profile.id} if held else None


def status(box: Box) -> dict[str, Any]:
    """One instance as DescribeInstanceStatus shows it: checks pass once it has booted."""
    verdict = "not-applicable" if box.state != "running" else "ok" if box.booted else "initializing"
    passed = {"ok": "passed", "initializing": "initializing"}.get(verdict)
    check = {"Status": verdict, "Details": [{"Name": "reachability", "Status": passed}] if passed else []}
    return {
        "InstanceId": box.id,
        "AvailabilityZone": box.zone,
        "InstanceState": {"Code": STATE_CODES[box.state], "Name": box.state},
        "InstanceStatus": check,
        "SystemStatus": check,
    }


def request(spot: Request, tags: dict[str, str], on_demand: Any) -> dict[str, Any]:
    """One Spot request as DescribeSpotInstanceRequests shows it.

    SpotPrice is the on-demand price where no maximum was given (API reference, SpotInstanceRequest).
    """
    row = {
        "SpotInstanceRequestId": spot.id,
        "State": spot.state,
        "Status": {"Code": spot.code, "Message": spot.message, "UpdateTime": spot.updated},
        "Type": spot.type,
        "InstanceInterruptionBehavior": spot.behavior,
        "InstanceId": spot.instance_id,
        "SpotPrice": f"{spot.max_price if spot.max_price is not None else on_demand:.6f}",
        "CreateTime": spot.created,
        "ValidFrom": spot.valid_from,
        "ValidUntil": spot.valid_until,
        "ProductDescription": "Linux/UNIX",
        "LaunchedAvailabilityZone": spot.launched_zone,
        "LaunchSpecification": _specification(spot.launch, spot.zone),
        "Fault": {"Code": spot.code, "Message": spot.message} if spot.state == "failed" else None,
        "Tags": [{"Key": k, "Value": v} for k, v in tags.items()],
    }
    return {k: v for k, v in row.items() if v is not None}


def _specification(launch: Launch, zone: str | None) -> dict[str, Any]:
    row = {
        "ImageId": launch.image_id,
        "InstanceType": launch.instance_type,
        "KeyName": launch.key_name,
        "SubnetId": launch.subnet_id,
        "SecurityGroups": [{"GroupId": g} for g in launch.groups],
        "Placement": {"AvailabilityZone": zone} if zone else None,
        "Monitoring": {"Enabled": launch.monitoring},
        "BlockDeviceMappings": [
            {
                "DeviceName": disk.device,
                "Ebs": {
                    "VolumeSize": disk.size,
                    "VolumeType": disk.type,
                    "DeleteOnTermination": disk.delete,
                    "Encrypted": disk.encrypted,
                },
            }
            for disk in launch.disks
        ],
    }
    return {k: v for k, v in row.items() if v is not None}
