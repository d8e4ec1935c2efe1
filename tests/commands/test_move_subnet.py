"""A box in a subnet of the user's own (`up --subnet`) stays there where it can, and leaves it only as he was told."""

import pytest

from tests.commands.test_move import alive, has_box, one_box
from tests.commands.test_move_meanwhile import cut_after
from tests.commands.world import public_key

LEAVES = "dev leaves its subnet subnet-own (vpc-own) for the default VPC of "


@pytest.fixture
def own(user):
    """A stopped box in a subnet of its own in us-east-1a."""
    has_box(user, "stopped")
    user.world.has_subnet("i-1")
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    user.world.offers("us-east-1", "g5.xlarge", a="0.4024", b="0.1")
    return user


def where(world):
    """Subnet of the box that lives, and the VPC of its groups."""
    (box,) = (i for i in world.instances.values() if i.state != "terminated")
    return box.subnet_id, {world.groups[id_].vpc_id for id_ in box.group_ids}


@pytest.mark.parametrize("args", [("-t", "g5.xlarge"), ("-t", "g5.xlarge", "-z", "us-east-1a")])
def test_another_type_stays_in_the_subnet(own, args):
    """A cheaper zone is none of that subnet: the type changes, the network and its group do not."""
    said = own.run("move", "-y", *args)
    assert said.code == 0, said.err
    assert "dev stays in its subnet subnet-own (us-east-1a)" in said.err
    assert where(own.world) == ("subnet-own", {"vpc-own"})
    one_box(own.world, "us-east-1a", "g5.xlarge")


def test_it_needs_no_default_vpc(own):
    """An account without a default VPC in that region: what stays in its subnet asks for none."""
    own.app = None
    own.world.subnets = lambda region: ()
    said = own.run("move", "-y", "-t", "g5.xlarge")
    assert said.code == 0, said.err
    assert where(own.world) == ("subnet-own", {"vpc-own"})


@pytest.mark.parametrize(
    "args", [(), ("-z", "us-east-1b"), ("-r", "eu-west-1"), ("-t", "g5.xlarge", "-z", "us-east-1b")]
)
def test_leaving_it_is_told_before_anything_is_made(own, args):
    """Another zone or region means the default VPC: said, in a dry run too, and without a terminal only with -y."""
    before = own.world.left()
    for more in (("--dry-run",), ()):
        said = own.run("move", *args, *more)
        assert LEAVES in said.err
        assert said.code == (0 if more else 2)
    said = own.run("move", *args, answers=[*([("Move dev from", None)] if not args else []), ("Move it?", False)])
    assert LEAVES in said.err
    assert own.world.left() == before
    said = own.run("move", "-y", *args)
    assert said.code == 0, said.err
    assert LEAVES in said.err
    assert where(own.world)[1] == {"vpc-1"}
    assert {group.vpc_id for group in own.world.groups.values()} == {"vpc-1"}


def test_cut_off_it_goes_on_in_its_subnet(own):
    """The note on the box says the zone: the second run comes to the same network."""
    cut_after(own, "CreateImage", "-t", "g5.xlarge")
    assert own.run("move", "-y").code == 0
    assert where(own.world) == ("subnet-own", {"vpc-own"})


def test_a_box_of_the_default_vpc_is_told_nothing(user):
    """There is nothing to leave."""
    has_box(user, "stopped")
    user.world.instances["i-1"].__dict__["subnet_id"] = "subnet-us-east-1a"
    said = user.run("move", "-y")
    assert said.code == 0
    assert "subnet" not in said.err
    assert alive(user.world) == [("us-east-1b", "g4dn.xlarge", "running")]
