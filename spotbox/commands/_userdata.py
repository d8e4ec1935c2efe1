"""The user data that a new box gets: the guard from templates/, and what the user gave."""

from collections.abc import Sequence

from spotbox.core.userdata import GuardSettings, build
from spotbox.resources import template_path

PROGRAMS = (
    "guard.py",
    "box.py",
    "metadata.py",
    "jobs.py",
    "notice.py",
    "limits.py",
    "checkpoint.py",
    "mount-data",
    "spotbox-guard.service",
)


def box_user_data(
    user: str, user_data: str | bytes, checkpoints: Sequence[tuple[str, str]], data: bool, fresh: bool = True
) -> bytes:
    """The bytes for RunInstances (botocore encodes them). UsageError where they are too many, or of no known kind.

    `user` is the login of the box, `data` whether it has a data volume; `fresh` False is a box launched from its own
    image.
    """
    folder = template_path("guard")
    left_out = {*(() if checkpoints else ("checkpoint.py",)), *(() if data else ("mount-data",))}  # room for the user's
    files = {name: (folder / name).read_text() for name in PROGRAMS if name not in left_out}
    settings = GuardSettings(user, tuple(checkpoints), data)
    own = user_data.encode() if isinstance(user_data, str) else user_data
    return build(files, (folder / "start.sh").read_text(), settings, own or None, fresh=fresh)
