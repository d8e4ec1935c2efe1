"""EC2's instance calls, on the sandbox's own life cycle."""

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from spotbox.sandbox import describe, launch, render, render_images
from spotbox.sandbox.console import console_output
from spotbox.sandbox.ec2_base import Ec2Base
from spotbox.sandbox.launch import Launch
from spotbox.sandbox.life import BY_USER
from spotbox.sandbox.records import STATE_CODES, Box
from spotbox.sandbox.refusals import refusal
from spotbox.sandbox.world import SpotOptions


class Instances(Ec2Base):
    """RunInstances, DescribeInstances and what changes an instance's state."""

    def run_instances(self) -> ActionResult:
        token = self.params.get("ClientToken") or ""
        again = self.replay("RunInstances", token)
        if again is not None:
            return ActionResult(self._reservation([self.world.life.boxes[i] for i in again]))
        asked, options = self.read_launch()
        self.error_on_dryrun()
        count = int(self.params.get("MaxCount") or 1)
        zone = self.world.place(asked.instance_type, self.region, asked.zone, options)
        self.world.check_quota(asked.instance_type, self.region, options is not None, count)
        boxes = [self._launch(asked, zone, options) for _ in range(count)]
        self.remember("RunInstances", token, [box.id for box in boxes])
        return ActionResult(self._reservation(boxes))

    def _launch(self, asked: Launch, zone: str, options: SpotOptions | None) -> Box:
        box = self.world.box(asked, self.region, zone, options is not None, None, plain=False)
        if options:
            self.ensure_role()
            request = self.world.new_request(asked, self.region, asked.zone, options)
            self.world.spot.adopt(request, box)
            self.ec2_backend.create_tags([request.id], asked.tags.get("spot-instances-request", {}))
        return box

    def read_launch(self) -> tuple[Launch, SpotOptions | None]:
        """The launch that this RunInstances describes, checked; Spot options where it asks for Spot."""
        p = self.params
        market = p.get("InstanceMarketOptions") or {}
        options = None
        if market:
            if market.get("MarketType", "spot") != "spot":
                raise refusal("Unsupported", f"The market type '{market['MarketType']}' is not supported here.")
            given = market.get("SpotOptions") or {}
            options = launch.spot_options(given, given.get("MaxPrice"), self.world.now)
        # That tags for a request are refused where there is none is UNCONFIRMED.
        kinds = launch.LAUNCH_TAGS if options else launch.LAUNCH_TAGS[:3]
        tags = launch.tags(p.get("TagSpecifications") or [], kinds)
        launch.check_metadata(p.get("MetadataOptions") or {}, tags.get("instance", {}))
        if int(p.get("MinCount") or 0) < 1 or int(p.get("MaxCount") or 0) < int(p["MinCount"]):
            raise launch.invalid("The value of MaxCount must be at least that of MinCount, and both at least 1.")
        if len(p.get("ClientToken") or "") > 64:
            raise launch.invalid("The client token may have at most 64 ASCII characters.")
        return self.parse_launch(p, launch.user_data(p.get("UserData")), tags), options

    def parse_launch(self, p: Mapping[str, Any], user_data: str | None, tags: Mapping[str, Any]) -> Launch:
        """A launch specification of either call, with everything it names looked up."""
        image = self.image(p.get("ImageId"))
        if image["State"] != "available":
            raise refusal("InvalidAMIID.Unavailable", id=image["ImageId"])
        launch.check_type(p.get("InstanceType"), image)
        self.check_key(p.get("KeyName"))
        interface = self._interface(p)
        groups = self._groups(p, interface)
        zone, subnet = self._where(p, interface)
        mappings = p.get("BlockDeviceMappings") or []
        disks = launch.disks(mappings, image, self.snapshot_size)
        return Launch(
            image_id=image["ImageId"],
            instance_type=p["InstanceType"],
            key_name=p.get("KeyName"),
            groups=groups,
            subnet_id=subnet,
            zone=zone,
            public=interface.get("AssociatePublicIpAddress"),
            root_device=image["RootDeviceName"],
            architecture=image["Architecture"],
            disks=disks,
            user_data=user_data,
            profile=self.profile(p.get("IamInstanceProfile") or {}),
            metadata=p.get("MetadataOptions") or {},
            shutdown_behavior=p.get("InstanceInitiatedShutdownBehavior") or "stop",
            tags=tags,
            monitoring=bool((p.get("Monitoring") or {}).get("Enabled")),
            private_ip=p.get("PrivateIpAddress") or interface.get("PrivateIpAddress"),
            client_token=p.get("ClientToken") or "",
            login=render_images.login(self.ec2_backend, image["ImageId"]),
            doom=launch.doom(mappings) or self._no_storage(disks),
        )

    def _interface(self, p: Mapping[str, Any]) -> Mapping[str, Any]:
        interfaces = p.get("NetworkInterfaces") or []
        if not interfaces:
            return {}
        if p.get("SubnetId") or p.get("SecurityGroupIds") or p.get("SecurityGroups"):
            what = "subnet ID" if p.get("SubnetId") else "security groups"
            raise launch.combination(
                f"Network interfaces and an instance-level {what} may not be specified on the same request"
            )
        if len(interfaces) > 1:
            raise refusal("AttachmentLimitExceeded", "The sandbox gives an instance one network interface.")
        return interfaces[0]

    def _groups(self, p: Mapping[str, Any], interface: Mapping[str, Any]) -> tuple[str, ...]:
        ids = [*(p.get("SecurityGroupIds") or []), *(interface.get("Groups") or [])]
        for name in p.get("SecurityGroups") or []:
            group = self.ec2_backend.get_security_group_from_name(name)
            ids.append(group.id if group else name)
        for group_id in ids:
            if not self.ec2_backend.get_security_group_from_id(group_id):
                raise refusal("InvalidGroup.NotFound", id=group_id)
        return tuple(ids)

    def _where(self, p: Mapping[str, Any], interface: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Zone and subnet: of the subnet where one is given, else as Placement says, else open."""
        subnet_id = p.get("SubnetId") or interface.get("SubnetId")
        if subnet_id:
            return self.subnet(subnet_id).availability_zone, subnet_id
        if not self.ec2_backend.get_default_vpc():
            raise refusal("VPCIdNotSpecified")
        zone = (p.get("Placement") or {}).get("AvailabilityZone")
        zones = self.ec2_backend.get_default_subnets()
        if zone and zone not in zones:
            raise launch.invalid(f"Invalid availability zone: [{zone}]")
        if not zones:
            raise refusal("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
        return zone, None

    def _no_storage(self, disks: tuple[launch.Disk, ...]) -> tuple[str, str] | None:
        """A launch over the account's EBS storage is accepted, and terminated before it runs (StateReason)."""
        if self.over_storage(disks):
            return ("Client.VolumeLimitExceeded", "Client.VolumeLimitExceeded: Volume limit exceeded")
        return None

    # Looking

    def _reservation(self, boxes: list[Box]) -> dict[str, Any]:
        wanted = {box.id for box in boxes}
        for reservation in self.ec2_backend.reservations.values():
            if any(i.id in wanted for i in reservation.instances):
                rows = [self.row(self.world.life.boxes[i]) for i in wanted]
                return {
                    "ReservationId": reservation.id,
                    "OwnerId": reservation.owner_id,
                    "Groups": [],
                    "Instances": rows,
                }
        return {}

    def row(self, box: Box) -> dict[str, Any]:
        """One instance as DescribeInstances shows it."""
        return render.instance(box, self.ec2_backend.get_instance(box.id))

    def describe_instances(self) -> ActionResult:
        self.error_on_dryrun()
        ids = self.params.get("InstanceIds") or []
        if ids and self.params.get("MaxResults"):
            raise launch.combination("The parameter instancesSet cannot be used with the parameter maxResults")
        boxes = [self.known_box(i) for i in ids] if ids else self.boxes_here()
        kept = describe.keep([self.row(b) for b in boxes], self.params.get("Filters"), render.INSTANCE_FILTERS)
        rows, token = describe.page(kept, self.params.get("MaxResults"), self.params.get("NextToken"))
        reservations = [
            {"ReservationId": self.reservation_of(r["InstanceId"]), "OwnerId": self.current_account, "Instances": [r]}
            for r in rows
        ]
        return ActionResult({"Reservations": reservations, "NextToken": token})

    def describe_instance_status(self) -> ActionResult:
        ids = self.params.get("InstanceIds") or []
        boxes = [self.known_box(i) for i in ids] if ids else self.boxes_here()
        if not self.params.get("IncludeAllInstances"):
            boxes = [b for b in boxes if b.state == "running"]
        rows = describe.keep([render.status(b) for b in boxes], self.params.get("Filters"), render.STATUS_FILTERS)
        kept, token = describe.page(rows, self.params.get("MaxResults"), self.params.get("NextToken"))
        return ActionResult({"InstanceStatuses": kept, "NextToken": token})

    def get_console_output(self) -> ActionResult:
        box = self.known_box(self.params.get("InstanceId"))
        instance = self.ec2_backend.get_instance(box.id)
        text, at = console_output(box, instance, self.world)
        return ActionResult({"InstanceId": box.id, "Timestamp": at, "Output": text})

    # Changing

    def _asked(self, check: Any) -> list[Box]:
        """The instances of the call; all are checked before the first is changed."""
        ids = self.params.get("InstanceIds") or []
        if not ids:
            raise refusal("MissingParameter", "The request must contain the parameter InstanceId")
        boxes = [self.known_box(i) for i in ids]
        for box in boxes:
            check(box)
        self.error_on_dryrun()
        return boxes

    def _change(self, boxes: list[Box], act: Any) -> list[dict[str, Any]]:
        rows = []
        for box in boxes:
            before = box.state
            act(box)
            now, then = [{"Code": STATE_CODES[s], "Name": s} for s in (box.state, before)]
            rows.append({"InstanceId": box.id, "CurrentState": now, "PreviousState": then})
        return rows

    def stop_instances(self) -> ActionResult:
        boxes = self._asked(self.world.spot.check_stop)
        return ActionResult({"StoppingInstances": self._change(boxes, self.world.spot.stop)})

    def start_instances(self) -> ActionResult:
        boxes = self._asked(self._check_start)
        return ActionResult({"StartingInstances": self._change(boxes, self.world.spot.start)})

    def _check_start(self, box: Box) -> None:
        self.world.spot.check_start(box)
        if box.state == "stopped":
            if not box.spot and not self.world.maker.bootable(box):  # a Spot start is accepted, and fails (life.py)
                root = self.ec2_backend.get_instance(box.id).root_device_name
                text = f"Invalid value '{box.id}' for instanceId. Instance does not have a volume attached at root"
                raise launch.invalid(f"{text} ({root})")
            self.world.check_quota(box.instance_type, box.region, box.spot)
            self.world.check_capacity(box)

    def terminate_instances(self) -> ActionResult:
        boxes = self._asked(self._check_terminate)
        said = self.world.life.said("User initiated")
        return ActionResult(
            {"TerminatingInstances": self._change(boxes, lambda box: self.world.life.terminate(box, BY_USER, said))}
        )

    def _check_terminate(self, box: Box) -> None:
        if self.ec2_backend.get_instance(box.id).disable_api_termination:
            text = (
                f"The instance '{box.id}' may not be terminated. Modify its 'disableApiTermination' instance attribute."
            )
            raise refusal("OperationNotPermitted", text)

    def reboot_instances(self) -> EmptyResult:
        for box in self._asked(self.world.life.check_stop):
            if box.state == "running":
                self.world.life.reboot(box)
        return EmptyResult()
