"""Computers that nobody can log in to: what the sandbox's AWS needs of a box, and no more.

For tests of AWS alone, and for a machine on which the SSH servers cannot run.
"""

import base64
import secrets
import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SilentSpec:
    """What a computer is told of its box."""

    instance_id: str
    user: str
    hostname: str
    instance_type: str
    region: str
    authorized_keys: tuple[str, ...]
    gpu: str | None
    gpu_count: int
    gpu_memory_mib: int
    vcpus: int


class SilentServers:
    """Addresses and host keys without a server behind them."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, ...]] = {}
        self.opened: dict[str, tuple[Any, str]] = {}
        self._next = 20000

    def start(self) -> None:
        """Nothing is to be started."""

    def stop(self) -> None:
        """Nothing is to be stopped."""

    def host_keys(self, instance_id: str) -> tuple[str, ...]:
        """A key of random bytes, the same as long as the disk lives."""
        if instance_id not in self.keys:
            raw = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-ed25519", secrets.token_bytes(32)))
            self.keys[instance_id] = (f"ssh-ed25519 {base64.b64encode(raw).decode()}",)
        return self.keys[instance_id]

    def reserve(self) -> str:
        """An address that was not given out before."""
        self._next += 1
        return f"127.1.{self._next // 256 % 256}.{self._next % 256}"

    def open(self, spec: Any, address: str) -> None:
        """The box answers from now on."""
        self.opened[spec.instance_id] = (spec, address)

    def close(self, instance_id: str) -> None:
        """The box answers no more."""
        self.opened.pop(instance_id, None)

    def wipe(self, instance_id: str) -> None:
        """The box's disk is gone."""
        self.keys.pop(instance_id, None)

    def connections(self) -> int:
        """Nobody is ever connected."""
        return 0
