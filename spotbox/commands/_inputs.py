"""What the user gives `up`: its flags as one record, and the files and ranges they name, read and checked."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spotbox.app import App
from spotbox.commands._connect import OWN_KEY, machine_rule, own_key
from spotbox.commands._userdata import box_user_data
from spotbox.config import read_bounded
from spotbox.core.checkpoints import check_checkpoints, parse_checkpoint
from spotbox.core.errors import UsageError
from spotbox.core.names import key_fingerprint
from spotbox.core.records import Rule, Volume
from spotbox.core.settings import Pool
from spotbox.core.text import safe
from spotbox.core.units import Bid, parse_cidr


@dataclass(frozen=True)
class Asked:
    """The flags of `up` as the user gave them; None or empty where he did not."""

    name: str
    regions: tuple[str, ...]  # several only where several were given
    zones: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    gpu: str | None = None
    min_vram: int | None = None
    bid: Bid | None = None
    ami: str = "dlami"
    disk: int | None = None
    disk_type: str = "gp3"
    data: int | None = None  # GiB of the data volume
    kept: Volume | None = None  # the data volume that `down --keep-data` has left
    checkpoints: tuple[tuple[str, str], ...] = ()  # (folder on the box, s3://bucket/prefix)
    key: str | None = None
    cidrs: tuple[str, ...] = ()
    subnet: str | None = None
    profile: str | None = None
    user_data: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    wait: int = 900
    park: bool = False
    fallback: bool = False  # on demand where Spot has nothing within `wait`
    ttl: int | None = None  # seconds; 0 removes the limit
    idle_stop: int | None = None  # the same
    pool: Pool | None = None  # of the config file
    dry_run: bool = False
    given: frozenset[str] = frozenset()  # the parameters that the user gave himself, by whatever way
    typed: frozenset[str] = frozenset()  # those of them that stand on this command line

    @property
    def region(self) -> str:
        """The first region."""
        return self.regions[0]

    @property
    def spot(self) -> bool:
        """Whether Spot is tried at all; a pool may be on demand from the start."""
        return self.pool is None or not self.pool.on_demand


@dataclass(frozen=True)
class Key:
    """The public half that the box gets, and where the private half should be."""

    public: str
    private: Path | None


def read_key(asked: Asked, app: App) -> Key:
    """The key of --key, or spotbox's own (made where there is none; for a dry run it stays empty).

    UsageError for a bad file.
    """
    if not asked.key:
        if asked.dry_run and not (app.places.keys / OWN_KEY).exists():
            return Key("", None)
        private, public = own_key(app)
        return Key(public, private)
    path = Path(asked.key).expanduser().absolute()  # remembered, and read again from any folder
    line = read_public(path)
    half = path.with_suffix("") if path.suffix == ".pub" else None
    return Key(line, half if half and half.exists() else None)


def read_public(path: Path) -> str:
    """The one line of a public key file. UsageError where it holds anything else."""
    try:
        line = read_bounded(path).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the key file {safe(path)}: {_why(error)}", "Give a public key, such as ~/.ssh/id_ed25519.pub."
        ) from None
    if "PRIVATE KEY" in line:
        raise UsageError(
            f"{safe(path)} is a private key; spotbox must never see it", f"Give its public half: {safe(path)}.pub"
        )
    if "\n" in line:
        raise UsageError(f"{safe(path)} holds more than one line", "Give a file with one public key.")
    try:
        key_fingerprint(line)
    except UsageError as error:
        raise UsageError(
            f"{safe(path)}: {error.message}", "Give a public key, such as ~/.ssh/id_ed25519.pub."
        ) from None
    return line


def read_user_data(asked: Asked) -> bytes:
    """The content of --user-data. UsageError where it cannot be read, or cannot go to a box beside the guard."""
    if not asked.user_data:
        return b""
    path = Path(asked.user_data).expanduser()
    try:
        data = read_bounded(path)
    except OSError as error:
        raise UsageError(
            f"cannot read the user data {safe(path)}: {_why(error)}", "Check the path given with --user-data."
        ) from None
    box_user_data(asked.user or "ubuntu", data, asked.checkpoints, True)  # now, before anything is asked
    return data


def on_the_box(app: App, pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The checkpoints with folders of the box's own: a shell writes this machine's home for `~`, which is told.

    UsageError where two then share a folder, or one is the whole home.
    """
    home, found = os.path.expanduser("~").rstrip("/"), []
    for local, remote in pairs:
        there = local
        if home.startswith("/") and f"{local}/".startswith(f"{home}/"):
            there = parse_checkpoint(f"~{local.removeprefix(home)}={remote}")[0]
            app.remark(f"--checkpoint {safe(local)} is {there} on the box: your shell wrote your own home for ~")
        found.append((there, remote))
    check_checkpoints(found)
    return tuple(found)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or safe(error)


def admitted(app: App, asked: Asked) -> tuple[Rule, ...]:
    """Who may reach port 22: the CIDRs given, else this machine's own address."""
    if asked.cidrs:
        return tuple(Rule(cidr, "spotbox given") for cidr in dict.fromkeys(asked.cidrs))
    return (machine_rule(app, app.own_address()),)


def canonical_cidrs(app: App, texts: Sequence[str]) -> tuple[str, ...]:
    """The CIDRs in canonical form; says so where host bits were dropped."""
    networks = [(text, parse_cidr(text)) for text in texts]
    for text, network in networks:
        if "/" in text and text.strip() != str(network):
            app.remark(f"--allow-cidr {safe(text)} means {network}")
    return tuple(str(network) for _, network in networks)
