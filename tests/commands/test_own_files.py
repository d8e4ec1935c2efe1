"""Files of the user's that a flag names and that are none: told at once, with nothing asked of AWS."""

import pytest


@pytest.mark.parametrize("flag", ["--key", "--user-data"])
def test_a_file_without_end(user, flag):
    """What is larger than any key or user data is not read to its end."""
    said = user.run("up", "-y", flag, "/dev/zero")
    assert (said.code, "File too large" in said.err) == (2, True)
    assert not user.world.instances
