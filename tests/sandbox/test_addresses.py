"""The addresses that the sandbox gives, and the port of a box in them."""

import sys

import pytest

from spotbox.sandbox import process


@pytest.mark.parametrize(("address", "port"), [("127.1.78.33", 20001), ("127.1.255.255", 65535)])
def test_the_port_is_in_the_address(address, port):
    """The last two parts of a box's public address are the port of its SSH server."""
    host = address if sys.platform == "linux" else "127.0.0.1"
    assert process.ssh_target(address) == (host, port)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "127.1.1", "127.1.300.1", "127.1.x.1"])
def test_other_addresses_are_no_boxes(address):
    """An address that the sandbox did not give has no port in it."""
    with pytest.raises(ValueError, match=r"no address|invalid literal"):
        process.ssh_target(address)
