"""What of the user's own machine a box hangs on: config file, folders, OpenSSH's client, the key."""

import os
from pathlib import Path

from spotbox.app import App
from spotbox.commands._connect import OWN_KEY
from spotbox.commands._inputs import read_public
from spotbox.core import machine
from spotbox.core.doctor import Check
from spotbox.core.errors import SpotboxError
from spotbox.core.judge import Key

INSTALLERS = ("apt-get", "dnf", "pacman", "apk", "brew")
TOOLS = ("ssh", "ssh-keygen")


def check_folders(app: App) -> Check:
    """Whether spotbox can write where it keeps its files."""
    places = dict.fromkeys((app.places.data, app.places.config, app.places.cache))
    return machine.folders([machine.Folder(str(path), *app.system.folder_trouble(path)) for path in places])


def check_ssh(app: App) -> Check:
    """OpenSSH's client."""
    missing = [name for name in TOOLS if not app.system.find(name)]
    installer = next((name for name in INSTALLERS if app.system.find(name)), "")
    version = "" if missing else app.system.ssh_version()
    return machine.ssh(version, missing, app.system.platform(), installer)


def find_key(app: App, given: str | None) -> Key:
    """The key that `up` would take, without making one; its name in EC2 is left open, for it bears the owner's."""
    if given:
        path = Path(given).expanduser().absolute()
        half = path.with_suffix("") if path.suffix == ".pub" else path
    else:
        half = app.places.keys / OWN_KEY
        path = half.with_name(f"{OWN_KEY}.pub")
        if not (half.exists() and path.exists()):  # `up` makes what is missing
            return Key("", "", str(half))
    try:
        public = read_public(path)
    except SpotboxError as error:
        if os.path.lexists(path):  # and whatever it is, it stays
            return Key("", "", str(Path.home() / ".ssh" / OWN_KEY), trouble=error, elsewhere=True)
        return Key("", "", str(half), half.exists(), error)
    held = half.exists() or public.split()[:2] in [line.split() for line in app.system.agent_keys()]
    return Key("", public, str(half), held)
