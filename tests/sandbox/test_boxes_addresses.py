"""Ids and addresses of boxes."""

from dataclasses import replace

import pytest

from tests.sandbox.boxkit import SPEC

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("bad", ["../../etc", "", "i-1/..", ".", "I-ABC\n"])
def test_an_instance_id_is_no_path(lab, bad):
    """An id that could name another folder is refused."""
    for act in (
        lab.boxes.wipe,
        lab.boxes.host_keys,
        lambda bad: lab.boxes.open(replace(SPEC, instance_id=bad), lab.address),
    ):
        with pytest.raises(ValueError, match="not an instance id"):
            act(bad)


def test_addresses_are_new_and_free(lab):
    """reserve() gives addresses 127.1.HI.LO that never repeat soon, with a port that can be had."""
    found = [lab.boxes.reserve() for _ in range(200)]
    assert len({lab.address, *found}) == 201
    for address in found:
        first, second, high, low = (int(part) for part in address.split("."))
        assert (first, second) == (127, 1)
        assert 1024 < high * 256 + low < 32768
        assert 0 < low < 255
