"""What doctor says of the user's own machine: config file, folders, OpenSSH's client."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spotbox.core.doctor import Check, fail, ok, warn
from spotbox.core.errors import SpotboxError
from spotbox.core.text import shell

LEAST_SSH = (7, 6)  # the first with StrictHostKeyChecking=accept-new (OpenSSH 7.6 release notes)
_VERSION = re.compile(r"OpenSSH_(?:for_Windows_)?(\d+)\.(\d+)")


def config(path: str, there: bool, trouble: SpotboxError | None) -> Check:
    """The config file: read, or why it cannot be. Moved aside it is out of the way, and nothing of it is lost."""
    if trouble is None:
        return ok("config", path if there else f"none ({path})")
    return fail("config", trouble.message, f"mv -- {shell([path])} {shell([f'{path}.broken'])}")


@dataclass(frozen=True)
class Folder:
    """A folder of spotbox's: `trouble` is empty, `file` (`at` is one), `denied`, or `foreign` (another user's)."""

    path: str
    trouble: str = ""
    at: str = ""  # where on the way to it the trouble is


def folders(found: Sequence[Folder]) -> Check:
    """Whether spotbox can write where it keeps keys, host keys and caches."""
    bad = next((folder for folder in found if folder.trouble), None)
    if bad is None:
        return ok("files", ", ".join(dict.fromkeys(folder.path for folder in found)))
    at = shell([bad.at])
    what, remedy = {
        "file": (f"{bad.at} is a file and no folder", f"mv -- {at} {shell([f'{bad.at}.old'])}"),
        "foreign": (f"{bad.at} belongs to another user", f'sudo chown -R -- "$(id -un)" {at}'),
    }.get(bad.trouble, (f"{bad.at} is not writable", f"chmod -- u+rwx {at}"))
    return fail("files", what, remedy)


def ssh(version: str, missing: Sequence[str], platform: str, installer: str) -> Check:
    """OpenSSH's client; `version` is what `ssh -V` says, `installer` the package manager that is here."""
    remedy = {
        "apt-get": "sudo apt-get install -y openssh-client",
        "dnf": "sudo dnf install -y openssh-clients",
        "pacman": "sudo pacman -S --noconfirm openssh",
        "apk": "sudo apk add openssh-client",
        "brew": "brew install openssh",
    }.get(installer, "brew install openssh" if platform == "darwin" else "sudo apt-get install -y openssh-client")
    if missing:
        return fail("ssh", f"{' and '.join(missing)} not found on this machine", remedy)
    seen = _VERSION.search(version)
    if seen is None:
        return warn("ssh", f"not OpenSSH's client, or of an unknown version: {version or 'it says nothing'}", remedy)
    number = (int(seen[1]), int(seen[2]))
    if number < LEAST_SSH:
        return warn("ssh", f"OpenSSH {number[0]}.{number[1]} is older than {LEAST_SSH[0]}.{LEAST_SSH[1]}", remedy)
    return ok("ssh", f"OpenSSH {number[0]}.{number[1]}")
