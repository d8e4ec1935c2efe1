"""What a box was made with is read back from its user data."""

import gzip

import pytest

from spotbox.commands._userdata import box_user_data
from spotbox.core.guardtext import settings_in
from spotbox.core.userdata import GuardSettings

PAIRS = (("~/ckpt", "s3://bucket/prefix"), ("/data/x y", 's3://b/"quoted" \u00e4'))


@pytest.mark.parametrize(
    "own", ["", "#!/bin/sh\necho '- path: /etc/spotbox/guard.json'\n", "#cloud-config\npackages: [a]"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_settings_come_back(own, packed):
    """Checkpoints, login and data volume as they were, packed or not, whatever the user's file says."""
    made = box_user_data("ubuntu", own, PAIRS, data=True)
    text = gzip.compress(gzip.decompress(made) if made[:2] == b"\x1f\x8b" else made) if packed else made
    assert settings_in(text) == GuardSettings("ubuntu", PAIRS, True)


@pytest.mark.parametrize(
    "text", [b"", b"#!/bin/sh\n", b"\x1f\x8bnot gzip", b"- path: /etc/spotbox/guard.json\n", b"\xff" * 99]
)
def test_what_has_no_guard(text):
    """A box that was made without one, or whose user data cannot be read."""
    assert settings_in(text) is None
