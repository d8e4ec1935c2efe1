"""The checks that `up` makes before it creates anything: those of `doctor`, of which only what fails is shown."""

from spotbox.app import App
from spotbox.commands._machine import check_folders, check_ssh
from spotbox.core import judge
from spotbox.core.errors import SpotboxError
from spotbox.core.records import Identity
from spotbox.core.remedies import Remedies


def remedies(app: App, region: str, who: Identity | None = None) -> Remedies:
    """The commands that mend what is wrong, for this user and region; `who` where it is known without asking."""
    return Remedies(region, app.options.profile, app.sandbox, who, app.options.words)


def check_here(app: App) -> None:
    """SpotboxError where this machine is not fit: its folders, OpenSSH's client, its clock as far as AWS told one."""
    checks = [check_folders(app), check_ssh(app)]
    if "identity" in vars(app):  # asked for already; with --owner nobody asked
        checks.append(judge.clock(app.system.now(), app.identity.told, app.system.platform()))
    for check in checks:
        check.refuse()


def check_disk_key(app: App, region: str, found: judge.DiskKey | SpotboxError) -> None:
    """SpotboxError where disks are encrypted with a key that the Spot role may not use: no launch would live."""
    judge.disk_key(found, remedies(app, region)).refuse()
