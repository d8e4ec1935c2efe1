"""What AWS does by itself with what is in a World."""

from dataclasses import replace

from spotbox.core.records import Instance, Volume
from spotbox.core.states import LIVE


class Course:
    """A part of World, which has the requests, the instances, the volumes and the time."""

    def moves_on(self, at: str, state: str) -> None:
        """What a state leads to in `boot` seconds."""
        if state == "pending":
            self.later(self.boot, lambda: self.runs(at))
        elif state == "stopping":
            self.later(self.boot, lambda: self.stopped(at))
        elif state == "shutting-down":
            self.later(self.boot, lambda: self.gone(at))

    def runs(self, at: str) -> None:
        """A pending instance runs, with a new public address; or dies."""
        if self.instances[at].state != "pending":
            return
        if self.dies:
            self.instances[at] = replace(
                self.instances[at], reason_message=self.dies, reason_code="Client.VolumeLimitExceeded"
            )
            self.gone(at)
        else:
            self.instances[at] = replace(
                self.instances[at], state="running", public_ip=self.new_address(), launched=self.now()
            )

    def stopped(self, at: str) -> None:
        """A stopping instance has stopped, by the user's will."""
        if self.instances[at].state not in ("stopping", "stopped"):
            return
        self.instances[at] = replace(self.instances[at], state="stopped", public_ip=None)
        self.request_of(at, state="disabled", code="instance-stopped-by-user")

    def gone(self, at: str) -> None:
        """An instance is terminated. The trap: a request that may launch does so again, and tags nothing."""
        box = self.instances[at]
        self.instances[at] = replace(box, state="terminated", public_ip=None)
        for id_ in [v.id for v in self.volumes.values() if v.instance_id == at]:
            if self.volumes[id_].delete_on_termination:
                del self.volumes[id_]
            else:
                self.volumes[id_] = replace(self.volumes[id_], instance_id=None, device=None, state="available")
        request = self.requests.get(box.request_id or "")
        if request and request.state in LIVE:
            self.requests[request.id] = replace(request, state="open", code="pending-evaluation", instance_id=None)
            self.later(3, lambda: self.relaunch(request.id))

    def relaunch(self, request_id: str) -> None:
        """AWS fulfils a request that stands open: an instance without a tag."""
        request = self.requests[request_id]
        if request.state in LIVE and request.instance_id is None:
            old = next((i for i in self.instances.values() if i.request_id == request_id), None)
            bare = "", (f"sg-{request_id.split('-')[1]}",)
            key, groups = (old.key_name, old.group_ids) if old else self.grounds.get(request_id, bare)
            at = self.launched(request, {}, {}, key, groups)
            if not old:  # RequestSpotInstances has no MetadataOptions
                self.instances[at] = replace(self.instances[at], http_tokens="optional", metadata_tags="disabled")

    def restart(self, at: str) -> None:
        """AWS has capacity again and restarts what it interrupted."""
        self.instances[at] = replace(self.instances[at], state="pending", reason_code="")
        self.request_of(at, state="active", code="fulfilled")
        self.later(self.boot, lambda: self.runs(at))

    def launched(self, request, tags, disk_tags, key, groups, size=100) -> str:
        """A pending instance of a request, with its root volume."""
        number = self.number()
        at, disk = f"i-{number}", f"vol-{number}"
        self.volumes[disk] = Volume(disk, request.region, request.zone, size, "gp3", "in-use", at, "/dev/sda1", True,
                                    created=self.now(), tags=disk_tags)  # fmt: skip
        self.instances[at] = Instance(at, request.region, "pending", request.instance_type, request.zone, "spot",
                                      request.id, None, "ami-1", key, self.now(), group_ids=tuple(groups),
                                      volume_ids=(disk,), tags=tags)  # fmt: skip
        self.requests[request.id] = replace(request, state="active", code="fulfilled", instance_id=at)
        self.later(self.boot, lambda: self.runs(at))
        return at
