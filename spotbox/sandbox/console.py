"""The console output of a box: what cloud-init prints of its host keys, a while after it runs."""

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any

from spotbox.sandbox.records import Box
from spotbox.sandbox.world import World

_BITS = {"ssh-ed25519": "256", "ecdsa-sha2-nistp256": "256", "ssh-rsa": "3072"}
_NAMES = {"ssh-ed25519": "ED25519", "ecdsa-sha2-nistp256": "ECDSA", "ssh-rsa": "RSA"}


def fingerprint(line: str) -> str:
    """SHA256:... of an OpenSSH public line, as ssh-keygen prints it."""
    blob = base64.b64decode(line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def host_key_blocks(keys: tuple[str, ...], hostname: str) -> str:
    """cloud-init's two blocks, each line marked `ec2: ` (EC2 User Guide, connection-prereqs)."""
    lines = ["", "#############################################################"]
    lines.append("-----BEGIN SSH HOST KEY FINGERPRINTS-----")
    for key in keys:
        kind = key.split()[0]
        lines.append(f"{_BITS.get(kind, '256')} {fingerprint(key)} root@{hostname} ({_NAMES.get(kind, kind)})")
    lines.append("-----END SSH HOST KEY FINGERPRINTS-----")
    lines.append("#############################################################")
    lines.append("-----BEGIN SSH HOST KEY KEYS-----")
    lines += [" ".join(key.split()[:2]) + f" root@{hostname}" for key in keys]
    lines.append("-----END SSH HOST KEY KEYS-----")
    return "".join(f"ec2: {line}\n" for line in lines)


def console_output(box: Box, body: Any, world: World) -> tuple[str | None, datetime]:
    """The output in base64, as it goes over the wire, and its time; None until it has been posted.

    It is posted shortly after a transition and kept for a while after the instance is gone (instance-console).
    """
    at = box.started or box.launched
    if box.started is None or world.now < box.started + timedelta(seconds=world.pace.console):
        return None, at
    hostname = "ip-" + body.nics[0].private_ip_address.replace(".", "-")
    text = f"[    0.000000] Linux version 6.8.0-aws ({box.instance_type})\n"
    text += "[   12.402117] cloud-init[1042]: Cloud-init v. 24.4 running 'modules:final'\n"
    text += host_key_blocks(world.maker.host_keys(box), hostname)
    text += f"{hostname} login: \n"
    return base64.b64encode(text.encode()).decode(), at
