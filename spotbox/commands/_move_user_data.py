"""The user data of a box that is launched from its own disk."""

from spotbox.app import App
from spotbox.commands._userdata import box_user_data
from spotbox.core.boxes import Box
from spotbox.core.errors import SpotboxError
from spotbox.core.guardtext import settings_in

# A new instance id is a first boot to cloud-init, which then makes new host keys unless it is told not to
# (cloud-init documentation, module ssh: ssh_deletekeys).
KEEP_HOST_KEYS = b"#cloud-config\nssh_deletekeys: false\n"


def user_data(app: App, box: Box) -> bytes:
    """The guard with the settings that the box was made with, and its host keys kept; nothing of the user's.

    His own script ran on the first boot, and what it did is on the disk. A box without a guard gets none.
    """
    try:
        given = app.cloud.user_data(box.region, box.instance.id) if box.instance else b""
    except SpotboxError as error:
        app.remark(f"the settings of its guard cannot be read, so it keeps the one on its disk: {error.message}")
        given = b""
    settings = settings_in(given)
    if settings is None:
        return KEEP_HOST_KEYS
    return box_user_data(settings.user, "", settings.checkpoints, settings.data, fresh=False)
