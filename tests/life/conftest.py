"""A sandbox for each module: the cases in it leave nothing, so that the next begins with an empty account."""

import pytest

from tests.life.drive import Drive

PACE = 0.02  # of the sandbox: what waits at AWS for a minute waits here for a moment


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory):
    """spotbox and a sandbox at a fast pace."""
    made = Drive(tmp_path_factory.mktemp("life"), PACE, SPOTBOX_SETTLE="1s")
    yield made
    made.close()
