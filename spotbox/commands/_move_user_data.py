"""The user data of a box that is launched from its own disk."""

from spotbox.core.boxes import Box

# A new instance id is a first boot to cloud-init, which then makes new host keys unless it is told not to
# (cloud-init documentation, module ssh: ssh_deletekeys).
KEEP_HOST_KEYS = "#cloud-config\nssh_deletekeys: false\n"


def user_data(box: Box) -> str:
    """The box keeps its host keys; the user's own script, which ran on its first boot, does not run again."""
    return KEEP_HOST_KEYS
