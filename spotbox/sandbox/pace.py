"""How long things take in the sandbox: one frozen record, scaled as a whole for tests."""

import os
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Pace:
    """Seconds of each step. AWS takes 10 to 60 times as long; what matters is that nothing is instantaneous."""

    evaluate: float = 0.4  # open/pending-evaluation, and again open/pending-fulfillment
    pending: float = 1.0  # pending -> running
    boot: float = 1.5  # running -> the SSH banner answers
    console: float = 2.0  # running -> the console output holds the host keys
    stopping: float = 1.5  # stopping -> stopped
    shutting_down: float = 1.5  # shutting-down -> terminated
    detection: float = 0.5  # what happened to the instance -> the request shows it
    relaunch: float = 2.0  # terminated without cancel -> the request is evaluated again
    service: float = 1.0  # a stopped instance whose request was cancelled -> terminated by the service
    notice: float = (
        5.0  # interruption notice -> stop; AWS gives 120 (EC2 User Guide, spot-instance-termination-notices)
    )
    away: float = 20.0  # an interruption keeps its capacity from the box for so long, unless capacity is opened
    retry: float = 2.0  # between two looks of the Spot service at a request that waits
    volume: float = 0.5  # a new volume: creating -> available
    attach: float = 0.3  # attaching -> attached, and detaching -> gone
    snapshot: float = 2.0  # pending -> completed, and for each GiB of the volume
    snapshot_gib: float = 0.02
    train_start: float = 1.5  # a training job that has capacity: Starting -> Downloading
    train_download: float = 0.5  # Downloading -> Training, beside what bringing the files takes
    train_upload: float = 0.5  # Uploading -> Completed
    train_again: float = 2.0  # Interrupted -> Starting
    train_sync: float = 2.0  # between two looks at a job's checkpoints
    pushed_key: float = 60.0  # EC2 Instance Connect keeps a key for 60 s (SendSSHPublicKey)
    forget_instance: float = 3600.0  # terminated instances are listed "for approximately one hour" (TerminateInstances)
    forget_request: float = 14400.0  # requests go four hours after they are cancelled (CancelSpotInstanceRequests)

    def scaled(self, factor: float) -> "Pace":
        """The same pace with every step `factor` times as long; what AWS counts on the wall stays as it is."""
        fixed = {"pushed_key", "forget_instance", "forget_request"}
        steps = {f.name: getattr(self, f.name) * factor for f in fields(self) if f.name not in fixed}
        return replace(self, **steps)


def from_environment() -> Pace:
    """The pace that SPOTBOX_SANDBOX_PACE asks for (a factor above 0, default 1). Raises ValueError."""
    factor = float(os.environ.get("SPOTBOX_SANDBOX_PACE") or 1)
    if not 0 < factor <= 1000:
        raise ValueError(f"SPOTBOX_SANDBOX_PACE is {factor:g}; it takes a factor above 0, at most 1000")
    return Pace().scaled(factor)
