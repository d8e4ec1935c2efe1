"""Whether a box that was launched from another's disk lets its owner in."""

from spotbox.app import App
from spotbox.commands._connect import in_agent, target
from spotbox.core import sshtext
from spotbox.core.boxes import Box
from spotbox.core.errors import SpotboxError
from spotbox.core.waiting import Look, wait

LET_IN = 120  # seconds from the SSH banner until it lets its owner in: it may still boot


def check_lets_in(app: App, box: Box) -> None:
    """Log in and out, where this machine or its agent has the box's key; else the SSH banner has to do. SpotboxError
    where it does not let its owner in."""
    where = target(app, box)
    if where is None or (where.key is None and not in_agent(app, box)):
        app.remark(f"the key of {box.name} is not on this machine: its SSH banner is all the proof that it works")
        return
    ssh, *words = sshtext.ssh_command(where, (), ("true",))
    command = [ssh, "-o", "BatchMode=yes", *words]

    def look() -> Look[bool]:
        works = app.system.ssh_works(command)
        return Look(works, works, "it answers; waiting until it lets you in")

    found = wait(look, LET_IN, app.system.sleep, app.system.monotonic, app.progress.show)
    app.progress.done()
    if not found.done:
        raise SpotboxError(f"the new {box.name} answers, but does not let you in")
