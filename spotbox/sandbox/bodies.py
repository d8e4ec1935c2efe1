"""The bodies of instances: moto's instance, volumes and interfaces, and the SSH server of boxes.py."""

import base64
import binascii
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

from moto.ec2.models.instances import Instance, InstanceState, Reservation, StateReason
from moto.ec2.utils import random_reservation_id

from spotbox.sandbox import cloudinit
from spotbox.sandbox.catalogue import TYPES
from spotbox.sandbox.ebs import Ebs
from spotbox.sandbox.launch import Launch
from spotbox.sandbox.metadata import Facts
from spotbox.sandbox.records import STATE_CODES, Box


class Computers(Protocol):
    """What boxes.BoxServers offers to the sandbox."""

    def host_keys(self, instance_id: str) -> tuple[str, ...]:
        """Its public host keys, made where there are none."""

    def reserve(self) -> str:
        """An address that is free."""

    def open(self, spec: Any, address: str) -> None:
        """Turn a box on there. Raises OSError where the address is taken."""

    def close(self, instance_id: str) -> None:
        """Turn it off; its files stay."""

    def wipe(self, instance_id: str) -> None:
        """Throw its files away."""


class MotoBodies:
    """Makes and changes what moto keeps of an instance. `backends(region)` is moto's EC2 of the region."""

    def __init__(self, backends: Any, computers: Computers, spec: Any):
        self.backends = backends
        self.computers = computers
        self.spec = spec  # boxes.BoxSpec
        self.ebs: Ebs  # set once the world is there

    def instance(self, box: Box) -> Any:
        """moto's instance of a box."""
        return self.backends(box.region).get_instance(box.id)

    # Making

    def make(self, region: str, zone: str, launch: Launch, plain: bool) -> str:
        """A new instance in the zone with its disks and interface; `plain` leaves its tags out."""
        backend = self.backends(region)
        for disk in launch.disks:
            self.ebs.source(region, disk.snapshot)  # of a request that waited long it may be gone
        subnet = self._subnet(backend, zone, launch)
        interface = {
            "DeviceIndex": 0,
            "SubnetId": subnet.id,
            "Groups": list(launch.groups) or [backend.get_default_security_group(subnet.vpc_id).id],
            "DeleteOnTermination": True,
            "PrivateIpAddress": launch.private_ip,
        }
        instance = _bare(backend, region, launch, {k: v for k, v in interface.items() if v is not None})
        instance.security_groups = [backend.get_security_group_from_id(g) for g in interface["Groups"]]
        instance.wants_public_address = subnet.map_public_ip_on_launch if launch.public is None else launch.public
        reservation = Reservation(random_reservation_id(), owner_id=backend.account_id)
        reservation.instances.append(instance)
        backend.reservations[reservation.id] = reservation
        volumes = self._attach(backend, instance, launch)
        if launch.profile:
            backend.associate_iam_instance_profile(instance_id=instance.id, **launch.profile)
        if not plain:
            instance.add_tags(launch.tags.get("instance", {}))
            instance.nics[0].add_tags(launch.tags.get("network-interface", {}))
            for volume in volumes:
                volume.add_tags(launch.tags.get("volume", {}))
        return instance.id

    def _subnet(self, backend: Any, zone: str, launch: Launch) -> Any:
        return backend.get_subnet(launch.subnet_id) if launch.subnet_id else backend.get_default_subnets()[zone]

    def _attach(self, backend: Any, instance: Any, launch: Launch) -> list[Any]:
        """The volumes of a launch; one made of a snapshot holds its files."""
        volumes = []
        for disk in launch.disks:
            volume = self.ebs.make(backend.region_name, instance.placement.zone, disk)
            self.ebs.attach(volume, instance, disk.device, disk.delete)
            volumes.append(volume)
        # To cloud-init a launch is a new instance, for which it makes new host keys unless it is told not to.
        if any(self.ebs.source(backend.region_name, disk.snapshot) for disk in launch.disks):
            data = base64.b64decode(launch.user_data or "")
            if cloudinit.read(data).deletes_host_keys:
                self.ebs.disks.new_host_keys(instance.id)
        return volumes

    # Changing

    def bootable(self, box: Box) -> bool:
        """Whether there is a root volume to boot from."""
        instance = self.instance(box)
        return instance.root_device_name in instance.block_device_mapping

    def changed(self, box: Box) -> None:
        """Show the box's state in moto's instance; take and give back what the state says."""
        instance = self.instance(box)
        instance._state = InstanceState(box.state, STATE_CODES[box.state])
        instance._reason = box.transition
        instance.state_reason = StateReason(box.reason[1], box.reason[0]) if box.reason else None
        if box.state == "pending":
            instance.launch_time = box.launched.astimezone(UTC).replace(tzinfo=None)
            instance.nics[0].public_ip = self.computers.reserve() if instance.wants_public_address else None
        elif box.state != "running" or not box.booted:
            self.computers.close(box.id)  # also while it reboots
        if box.state in ("stopped", "terminated"):
            instance.nics[0].public_ip = None
        if box.state == "terminated":
            self._take_apart(box, instance)

    def booted(self, box: Box) -> None:
        """Let the box's SSH server answer at its public address; without one nobody can reach it."""
        instance = self.instance(box)
        address = instance.nics[0].public_ip
        if address:
            self.computers.open(self._spec(box, instance), address)

    def reopened(self, box: Box) -> None:
        """Let a box answer again after the sandbox's own restart, at its old address where that is still free."""
        try:
            self.booted(box)
        except OSError:
            self.instance(box).nics[0].public_ip = self.computers.reserve()
            self.booted(box)

    def _spec(self, box: Box, instance: Any) -> Any:
        hardware = TYPES[box.instance_type]
        key = instance.ec2_backend.key_pairs.get(instance.key_name)
        return self.spec(
            instance_id=box.id,
            user=instance.login,
            hostname="ip-" + instance.nics[0].private_ip_address.replace(".", "-"),
            instance_type=box.instance_type,
            region=box.region,
            authorized_keys=(public_line(key),) if key else (),
            gpu=f"{hardware.maker} {hardware.gpu}" if hardware.gpu else None,
            gpu_count=int(hardware.gpu_count) or (1 if hardware.gpu else 0),
            gpu_memory_mib=hardware.gpu_memory_mib,
            vcpus=hardware.vcpus,
        )

    def _take_apart(self, box: Box, instance: Any) -> None:
        backend = instance.ec2_backend
        self.ebs.release(instance)
        self.computers.wipe(box.id)
        for interface in instance.nics.values():
            if interface.id in backend.enis:
                interface.delete()
        association = backend.iam_instance_profile_associations.get(instance.id)
        if association:
            backend.disassociate_iam_instance_profile(association.association_id)

    def forgotten(self, box: Box) -> None:
        """Take the terminated instance off moto's lists, with its tags."""
        backend = self.backends(box.region)
        for reservation_id, reservation in list(backend.reservations.items()):
            if any(i.id == box.id for i in reservation.instances):
                del backend.reservations[reservation_id]
        backend.tags.pop(box.id, None)

    # Looking

    def tags(self, box: Box) -> dict[str, str]:
        """The tags of the box; those of its request where a relaunch left it without."""
        known = self.backends(box.region).tags
        return dict(known.get(box.id) or known.get(box.request_id or "") or {})

    def facts(self, box: Box, action: str, endpoint: str) -> Facts:
        """What the box's metadata tells. Called without the world's lock: it only reads."""
        instance = self.instance(box)
        options = instance.metadata_options
        shown = options.instance_metadata_tags == "enabled"
        return Facts(
            instance_id=box.id,
            instance_type=box.instance_type,
            image_id=instance.image_id,
            region=box.region,
            zone=box.zone,
            account=instance.ec2_backend.account_id,
            hostname="ip-" + instance.nics[0].private_ip_address.replace(".", "-"),
            private_ip=instance.nics[0].private_ip_address,
            public_ip=instance.nics[0].public_ip,
            endpoint=endpoint,
            enabled=options.http_endpoint == "enabled",
            tokens_required=options.http_tokens == "required",
            tags=dict(instance.ec2_backend.tags.get(box.id) or {}) if shown else None,
            action=(action, box.reclaimed_at) if box.interruption and box.reclaimed_at else None,
            rebalance=box.rebalance_at,
            role=self.role(box),
            user_data=decoded(instance.user_data),
            spot=box.spot,
            launched=box.launched,
        )

    def role(self, box: Box) -> str | None:
        """The name of the role of its instance profile."""
        association = self.instance(box).ec2_backend.iam_instance_profile_associations.get(box.id)
        roles = association.iam_instance_profile.roles if association else []
        return roles[0].name if roles else None

    def host_keys(self, box: Box) -> tuple[str, ...]:
        """The public lines of the box's SSH host keys."""
        return self.computers.host_keys(box.id)

    def admitted(self, box: Box, peer: str) -> bool:
        """Whether a rule of the box's security groups lets `peer` reach port 22."""
        address = ip_address(peer)
        for group in tuple(self.instance(box).security_groups):
            for rule in tuple(group.ingress_rules):
                if str(rule.ip_protocol) not in ("tcp", "6", "-1"):
                    continue
                if str(rule.ip_protocol) != "-1" and not int(rule.from_port) <= 22 <= int(rule.to_port):
                    continue
                cidr = rule.cidr_ipv4 or rule.cidr_ipv6
                if cidr and address in ip_network(cidr, strict=False):
                    return True
        return False


def public_line(key: Any) -> str:
    """The OpenSSH public line of moto's key pair; the comment the owner gave it is kept."""
    material = key.material_public or ""
    return (material.decode() if isinstance(material, bytes) else material).strip()


def decoded(user_data: str | bytes | None) -> bytes | None:
    """User data as the box gets it; what is no base64 as it is."""
    try:
        return base64.b64decode(user_data, validate=True) if user_data else None
    except (binascii.Error, ValueError):
        return user_data.encode() if isinstance(user_data, str) else user_data


def aware(moment: datetime) -> datetime:
    """moto's times are naive UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _bare(backend: Any, region: str, launch: Launch, interface: dict[str, Any]) -> Any:
    """moto's instance of a launch, which no reservation, disk or address belongs to yet."""
    instance = Instance(
        backend,
        launch.image_id,
        launch.user_data,
        [],
        instance_type=launch.instance_type,
        key_name=launch.key_name,
        nics=[interface],
        metadata_options=dict(launch.metadata),
        region_name=region,
        client_token=launch.client_token,
        instance_initiated_shutdown_behavior=launch.shutdown_behavior,
        monitoring_state="enabled" if launch.monitoring else "disabled",
    )
    instance.root_device_name, instance.architecture = launch.root_device, launch.architecture
    instance.login = launch.login
    return instance
