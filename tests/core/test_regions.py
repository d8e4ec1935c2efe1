"""What is said of a region's name."""

import pytest

from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.regions import check_region, enabled_regions

KNOWN = {"us-east-1": "opt-in-not-required", "ap-east-1": "not-opted-in", "af-south-1": "opted-in"}


def test_a_region_that_can_be_used():
    """Its name, and those that can be used in order."""
    assert check_region("af-south-1", KNOWN) == "af-south-1"
    assert enabled_regions(KNOWN) == ["af-south-1", "us-east-1"]


@pytest.mark.parametrize(("words", "hint"), [
    ((), "Regions here: af-south-1, us-east-1."),
    (("all",), "Regions here: af-south-1, us-east-1; or all."),
])  # fmt: skip
def test_no_such_region(words, hint):
    """A usage error with the nearest name, and what else may stand there."""
    with pytest.raises(SpotboxError) as told:
        check_region("us-eest-1", KNOWN, words)
    assert "us-east-1" in told.value.message
    assert (told.value.exit_code, told.value.hint) == (Exit.USAGE, hint)


def test_a_region_that_is_not_enabled():
    """A permission error with the command that enables it."""
    with pytest.raises(SpotboxError, match="not enabled") as told:
        check_region("ap-east-1", KNOWN)
    assert told.value.exit_code is Exit.DENIED
    assert "enable-region --region-name ap-east-1" in told.value.hint
