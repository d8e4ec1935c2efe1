"""The one line of ~/.ssh/config that makes `ssh spotbox-NAME` work: asked for once, else printed."""

import os
import shutil
from pathlib import Path

from spotbox.app import App
from spotbox.commands._connect import read_text, spared
from spotbox.config import write_private
from spotbox.core import sshtext


def include_line(app: App) -> str:
    """The line for ~/.ssh/config."""
    return sshtext.include_line(str(app.places.ssh_config))


def offer_include(app: App, ask: bool) -> None:
    """Ask once to add the Include line to ~/.ssh/config; where nobody can be asked, print it."""
    config = Path.home() / ".ssh" / "config"
    line = include_line(app)
    declined = app.places.data / ".include-declined"
    there = True
    with spared(app, f"{config} could not be read; put this first in it:  {line}"):
        there = line in read_text(config) or declined.exists()
    if there:
        return
    if not ask or not app.prompts.possible:
        app.remark(f"For `ssh spotbox-NAME`, rsync and VS Code put this first in ~/.ssh/config:  {line}")
        return
    if not app.prompts.confirm("Add spotbox's boxes to ~/.ssh/config, so that `ssh spotbox-NAME` works?", True, "-y"):
        with spared(app, "that could not be noted, so it will be asked again"):
            write_private(declined, "")
        return
    with spared(app, f"{config} could not be written; put this first in it:  {line}"):
        _prepend(config, line)
        app.remark(f"added to {config}: {line}")


def _prepend(config: Path, line: str) -> None:
    """Include must come first: after a Host line it would belong to that host alone."""
    real = Path(os.path.realpath(config))
    old = read_text(real)
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o600
    real.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if real.exists():
        shutil.copy2(real, real.with_name("config.before-spotbox"))
    write_private(real, f"{line}\n\n{old}" if old else f"{line}\n", mode)
