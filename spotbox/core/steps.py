"""The steps of a plan: small frozen records in domain words, each with the sentence that `--dry-run` prints."""

from dataclasses import dataclass

from spotbox.core.records import Rule, Tags
from spotbox.core.text import safe
from spotbox.core.wishes import Launch, MakeGroup, MakeKey, MakeSpotRole, Park


@dataclass(frozen=True)
class RequireImdsV2:
    """Require IMDSv2 of an instance that a standing request launched, and let its guard read its tags there: that
    call cannot say so."""

    region: str
    instance_id: str

    def __str__(self) -> str:
        return safe(f"require IMDSv2 of {self.instance_id}, and show it its tags")


@dataclass(frozen=True)
class TagAgain:
    """Tag what a relaunch left untagged."""

    region: str
    ids: tuple[str, ...]
    tags: Tags

    def __str__(self) -> str:
        return safe(f"tag {', '.join(self.ids)} again")


@dataclass(frozen=True)
class SetLimit:
    """Set the limits of a box as tags, and take away those in `remove`."""

    region: str
    ids: tuple[str, ...]
    tags: Tags
    remove: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = [f"set {key} to {value}" for key, value in sorted(self.tags.items())]
        what += [f"remove {key}" for key in self.remove]
        return safe(f"{' and '.join(what)} on {', '.join(self.ids)}")


@dataclass(frozen=True)
class Start:
    """Start a box that the user stopped."""

    region: str
    instance_id: str

    def __str__(self) -> str:
        return safe(f"start {self.instance_id}")


@dataclass(frozen=True)
class Stop:
    """Stop a running box; its disk stays and bills."""

    region: str
    instance_id: str

    def __str__(self) -> str:
        return safe(f"stop {self.instance_id}")


@dataclass(frozen=True)
class GrowDisk:
    """Make a volume larger (EBS cannot shrink one)."""

    region: str
    volume_id: str
    size_gib: int

    def __str__(self) -> str:
        return safe(f"grow {self.volume_id} to {self.size_gib} GiB (the file system grows at the next boot)")


@dataclass(frozen=True)
class GiveData:
    """Attach the box's data volume to its instance, which runs; make it first where there is none in that zone.

    `volume_id` is the volume where there is one in the zone; `away_id` one in another zone, whose content the new one
    gets by a snapshot, and which goes once the new one is attached.
    """

    region: str
    zone: str
    instance_id: str
    size_gib: int
    tags: Tags  # of a volume that is to be made
    volume_id: str | None = None
    away_id: str | None = None

    def __str__(self) -> str:
        if self.away_id:
            what = f"move the data volume {self.away_id} to {self.zone} by a snapshot, attach it to {self.instance_id}"
            return safe(f"{what}, then delete the old volume and the snapshot")
        if self.volume_id:
            return safe(f"attach data volume {self.volume_id} ({self.size_gib} GiB) to {self.instance_id}")
        return safe(f"make a data volume of {self.size_gib} GiB in {self.zone} and attach it to {self.instance_id}")


@dataclass(frozen=True)
class Admit:
    """Admit an address to port 22, in place of `replaces` where that is set."""

    region: str
    group_id: str
    rule: Rule
    replaces: Rule | None = None

    def __str__(self) -> str:
        return safe(
            f"admit {self.rule.cidr} to port 22" + (f" in place of {self.replaces.cidr}" if self.replaces else "")
        )


@dataclass(frozen=True)
class Cancel:
    """Cancel Spot requests and prove it: the step fails unless AWS shows them cancelled.

    `patience` is for how many seconds AWS may not know yet what is so young; until then "not found" proves nothing.
    """

    region: str
    request_ids: tuple[str, ...]
    patience: float = 0.0

    def __str__(self) -> str:
        return safe(f"cancel Spot request {', '.join(self.request_ids)} in {self.region}")


@dataclass(frozen=True)
class Terminate:
    """Terminate instances and wait until they are gone. Only ever after their requests are cancelled.

    `patience` is for how many seconds AWS may not show yet what is so young; until then an absent one is not gone.
    """

    region: str
    instance_ids: tuple[str, ...]
    patience: float = 0.0

    def __str__(self) -> str:
        return safe(f"terminate instance {', '.join(self.instance_ids)}")


@dataclass(frozen=True)
class DeleteVolume:
    """Delete a volume that does not go with its instance."""

    region: str
    volume_id: str
    size_gib: int

    def __str__(self) -> str:
        return safe(f"delete volume {self.volume_id} ({self.size_gib} GiB) and all that is on it")


@dataclass(frozen=True)
class DeleteSnapshot:
    """Delete a snapshot that spotbox made."""

    region: str
    snapshot_id: str
    size_gib: int

    def __str__(self) -> str:
        return safe(f"delete snapshot {self.snapshot_id} (of a volume of {self.size_gib} GiB)")


@dataclass(frozen=True)
class DeregisterImage:
    """Take back an image that spotbox made; its snapshots stay until they are deleted."""

    region: str
    image_id: str

    def __str__(self) -> str:
        return safe(f"deregister image {self.image_id} in {self.region}")


@dataclass(frozen=True)
class KeepVolume:
    """Mark a volume as left on purpose, so that no clean-up takes it."""

    region: str
    volume_id: str
    size_gib: int

    def __str__(self) -> str:
        return safe(f"keep volume {self.volume_id} ({self.size_gib} GiB); it bills until `down` without --keep-data")


@dataclass(frozen=True)
class DeleteGroup:
    """Delete the box's security group, once nothing uses it; asked again for `patience` seconds."""

    region: str
    group_id: str
    name: str
    patience: float = 180.0

    def __str__(self) -> str:
        return safe(f"delete security group {self.name} ({self.group_id})")


@dataclass(frozen=True)
class DeleteKey:
    """Delete the owner's key pair from a region that has no box of theirs left."""

    region: str
    key_id: str
    name: str

    def __str__(self) -> str:
        return safe(f"delete key pair {self.name} from {self.region} (the last box there)")


Step = (
    MakeSpotRole
    | MakeKey
    | MakeGroup
    | Launch
    | Park
    | RequireImdsV2
    | TagAgain
    | SetLimit
    | Start
    | Stop
    | GrowDisk
    | GiveData
    | Admit
    | Cancel
    | Terminate
    | DeleteVolume
    | DeleteSnapshot
    | DeregisterImage
    | KeepVolume
    | DeleteGroup
    | DeleteKey
)
Plan = tuple[Step, ...]
