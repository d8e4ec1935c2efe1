"""The tag on a copy of a data volume and on its snapshot: of which volume it is, and for what it was made. Pure."""

from spotbox.core.names import COPY_TAG, KEEP_TAG
from spotbox.core.records import Tags, Volume

IN_USE = "used"


def copied_from(tags: Tags) -> str | None:
    """Of which volume a data volume is the copy; None where it is none."""
    return tags.get(COPY_TAG, "").partition(" ")[0] or None


def copy_mark(volume_id: str, what_for: str) -> str:
    """The value of the tag on a copy of that volume and on its snapshot: for which instance it was made, as what was
    made for another may be of long ago; or that it is in use by now, and its original out of date."""
    return f"{volume_id} {what_for}"


def is_whole(volume: Volume) -> bool:
    """Whether a data volume counts as one: a copy does not before it is in use; until then its original does, and the
    copy may be of long ago."""
    original = copied_from(volume.tags)
    used = original is None or volume.tags[COPY_TAG] == copy_mark(original, IN_USE)
    return used or volume.instance_id is not None or KEEP_TAG in volume.tags
